"""`odst config`: what is in force for an instance that is started here; `odst settings`: what one that runs goes by."""

from __future__ import annotations

from typing import Any

import click

from cli import output
from cli.session import Session, with_session
from cli.settings import SERVICES, settings_classes
from shared.contracts.admin.settings import Setting, SettingList
from shared.runtime.settings import explain

_COLUMNS = ("key", "value", "origin", "services")
_SETTINGS = ("name", "value", "origin", "services")


@click.command("config")
@with_session
def show_config(session: Session) -> None:
    """Show the configuration in force: the environment, the file named by ODST_CONFIG, defaults. Passwords are hidden."""
    session.show_rows(explain(settings_classes()), _COLUMNS, "There are no settings.")


@click.command("settings")
@click.option("--all", "everything", is_flag=True, help="Also what is as by default.")
@with_session
def show_settings(session: Session, everything: bool) -> None:
    """Show what each service of the instance goes by since it was started: not the defaults, or all with --all; --json has the meanings.

    They are changed in the configuration, on the instance's machine.
    """
    found = session.client.instance.settings()
    session.show(found, lambda: _print_settings(found, everything=everything))


def _print_settings(found: SettingList, *, everything: bool) -> None:
    shown = [one for one in found.items if everything or one.differs or one.origin != "default"]
    output.print_table([_row(one) for one in shown], _SETTINGS, "Everything is as by default.")
    for names, told in ((found.unknown, "No service knows"), (found.silent, "Did not answer")):
        if names:
            print(f"{told}: {', '.join(names)}")


def _row(one: Setting) -> dict[str, Any]:
    values = [f"{other.value} ({other.service})" for other in one.in_services] or [str(one.value)]
    unit = f" {one.unit}" if one.unit and one.value is not None else ""
    services = "all" if len(one.services) == len(SERVICES) else ", ".join(one.services)
    return {"name": one.name, "value": "; ".join(values) + unit, "origin": one.origin, "services": services}


COMMANDS = (show_config, show_settings)
