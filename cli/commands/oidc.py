"""The provider of OpenID Connect at which people may log in."""

from __future__ import annotations

import click

from cli.commands.ldap import show_findings
from cli.session import Session, with_session


@click.group()
def oidc() -> None:
    """Log-in at a provider of OpenID Connect."""


@oidc.command("test")
@with_session
def try_connection(session: Session) -> None:
    """Try the connection step by step, and say what to do about what failed. Exit code 1 if anything did."""
    show_findings(session, session.client.group_grants.try_oidc())


COMMANDS = (oidc,)
