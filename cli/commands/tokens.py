"""API tokens: create, list, revoke."""

from __future__ import annotations

import click

from cli import output
from cli.client import segment
from cli.session import Session, with_session

_COLUMNS = ("token_id", "name", "role", "state", "created", "expires", "last_used")
_DAY_SECONDS = 24 * 3600


@click.group()
def token() -> None:
    """API tokens."""


@token.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "uploader", "administrator"]), required=True, help="What it may do.")
@click.option("--valid-days", type=click.FloatRange(min=0, min_open=True), help="How long it can be used.")
@with_session
def create(session: Session, name: str, role: str, valid_days: float | None) -> None:
    """Make a token. It is shown only now."""
    seconds = max(1, round(valid_days * _DAY_SECONDS)) if valid_days else None
    made = session.client.post("tokens", {"name": name, "role": role, "valid_seconds": seconds})
    session.show(made, lambda: output.print_fields(made))


@token.command("list")
@with_session
def list_tokens(session: Session) -> None:
    """List the tokens, never their secrets."""
    session.show_rows(session.client.items("tokens"), _COLUMNS, "There are no tokens.")


@token.command()
@click.argument("token_id")
@with_session
def revoke(session: Session, token_id: str) -> None:
    """Refuse this token from now on."""
    session.client.delete(f"tokens/{segment(token_id)}")
    session.say({"token_id": token_id, "state": "revoked"}, f"revoked {token_id}")


COMMANDS = (token,)
