"""API tokens: create, list, revoke."""

from __future__ import annotations

import click

from cli import options
from cli.session import Session, with_session
from shared.contracts.admin.people import RoleName

_COLUMNS = ("token_id", "name", "person", "role", "rights", "state", "created", "expires", "last_used")
_DAY_SECONDS = 24 * 3600


@click.group()
def token() -> None:
    """API tokens."""


@token.command()
@click.argument("name")
@options.role
@options.grants
@click.option("--right", "rights", multiple=True, help="Only this right of what it may. Can be given several times.")
@click.option("--for", "person", metavar="SERVICE", help="The service that it belongs to, instead of oneself.")
@click.option("--valid-days", type=click.FloatRange(min=0, min_open=True), help="How long it can be used.")
@click.option("--never-expires", is_flag=True, help="For administrators: until it is revoked.")
@with_session
def create(
    session: Session,
    *,
    name: str,
    role: RoleName | None,
    grants: tuple[str, ...],
    rights: tuple[str, ...],
    person: str | None,
    valid_days: float | None,
    never_expires: bool,
) -> None:
    """Make a token that may do no more than oneself. It is shown only now."""
    seconds = max(1, round(valid_days * _DAY_SECONDS)) if valid_days else None
    made = session.client.tokens.create(
        name,
        grants=options.chosen_grants(role, grants),
        rights=rights or None,
        person=person,
        valid_seconds=seconds,
        never_expires=never_expires or None,
    )
    session.show_fields(made)


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
