"""API tokens: create, list, revoke."""

from __future__ import annotations

from typing import get_args

import click

from cli.session import Session, with_session
from shared.contracts.admin.instance import Role

_COLUMNS = ("token_id", "name", "role", "state", "created", "expires", "last_used")
_DAY_SECONDS = 24 * 3600


@click.group()
def token() -> None:
    """API tokens."""


@token.command()
@click.argument("name")
@click.option("--role", type=click.Choice(get_args(Role)), required=True, help="What it may do.")
@click.option("--valid-days", type=click.FloatRange(min=0, min_open=True), help="How long it can be used.")
@with_session
def create(session: Session, name: str, role: Role, valid_days: float | None) -> None:
    """Make a token. It is shown only now."""
    seconds = max(1, round(valid_days * _DAY_SECONDS)) if valid_days else None
    session.show_fields(session.client.tokens.create(name, role, seconds))


@token.command("list")
@with_session
def list_tokens(session: Session) -> None:
    """List the tokens, never their secrets."""
    session.show_rows(session.client.tokens.all(), _COLUMNS, "There are no tokens.")


@token.command()
@click.argument("token_id")
@with_session
def revoke(session: Session, token_id: str) -> None:
    """Refuse this token from now on."""
    session.client.tokens.revoke(token_id)
    session.say({"token_id": token_id, "state": "revoked"}, f"revoked {token_id}")


COMMANDS = (token,)
