"""Versions of a name: history, rolling back and forward. They are subcommands of `odst package`."""

from __future__ import annotations

import click

from cli import options
from cli.commands.packages import package
from cli.session import Session, with_session
from shared.core.times import rfc3339

_COLUMNS = ("package_id", "state", "size", "created", "raised", "tags", "bytes_here")


@package.command()
@click.argument("name")
@with_session
def history(session: Session, name: str) -> None:
    """List all versions of a NAME; the first that is not deleted is current."""
    session.show_rows(session.client.packages.history(name), _COLUMNS, f"There was never a package {name!r} here.")


@package.command()
@click.argument("name")
@click.option("--to", "package_id", metavar="PACKAGE_ID", help="The version that is to be current; without it, the one made before.")
@with_session
def rollback(session: Session, name: str, package_id: str | None) -> None:
    """Make an earlier version of a NAME current, everywhere."""
    raised = session.client.packages.roll_back(name, package_id)
    session.say(raised, f"{raised.name} is {raised.package_id} of {rfc3339(raised.created)} again")


@package.command("raise")
@click.argument("package_id")
@options.if_match
@with_session
def raise_version(session: Session, package_id: str, if_match: str | None) -> None:
    """Make this version current for its name, everywhere; also to go forward after a rollback."""
    raised = session.client.packages.make_current(package_id, if_match=if_match)
    session.say(raised, f"{raised.name} is {raised.package_id} of {rfc3339(raised.created)} now")


COMMANDS = ()
"""They are in the group of packages already."""
