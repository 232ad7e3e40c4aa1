"""The directory of accounts outside of the instance: LDAP or Active Directory."""

from __future__ import annotations

import click

from cli.session import Session, with_session
from shared.contracts.admin.directory import Finding

_COLUMNS = ("step", "ok", "detail")


@click.group()
def ldap() -> None:
    """Accounts by LDAP or Active Directory."""


@ldap.command("test")
@click.option("--user", metavar="NAME", help="Also look for this person, and list their groups.")
@with_session
def try_connection(session: Session, user: str | None) -> None:
    """Try the connection step by step, and say what to do about what failed. Exit code 1 if anything did."""
    show_findings(session, session.client.group_grants.try_directory(user))


def show_findings(session: Session, found: list[Finding]) -> None:
    """Print what came of each step of a test; exit code 1 if anything failed.

    Raises:
        click.exceptions.Exit: that.
    """
    session.show_rows(found, _COLUMNS, "Nothing was tried.")
    if not all(step.ok for step in found):
        raise click.exceptions.Exit(1)


COMMANDS = (ldap,)
