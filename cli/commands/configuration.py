"""`odst config`: what is in force for an instance that is started here, and where it came from."""

from __future__ import annotations

import click

from cli.session import Session, with_session
from cli.settings import settings_classes
from shared.runtime.settings import explain

_COLUMNS = ("key", "value", "origin", "services")


@click.command("config")
@with_session
def show_config(session: Session) -> None:
    """Show the configuration in force: the environment, the file named by ODST_CONFIG, defaults. Passwords are hidden."""
    session.show_rows(explain(settings_classes()), _COLUMNS, "There are no settings.")


COMMANDS = (show_config,)
