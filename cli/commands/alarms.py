"""`odst alarms`: what is the matter."""

from __future__ import annotations

import sys
from typing import Any

import click

from cli import output
from cli.session import Session, with_session
from shared.contracts.admin.alarms import Alarm, AlarmList

_COLUMNS = ("severity", "kind", "since", "detail", "about")


@click.command()
@click.option("--check", is_flag=True, help="For monitoring: exit code 1 if there is any, or if somebody did not say.")
@with_session
def alarms(session: Session, check: bool) -> None:
    """List what is the matter now, oldest first; `docs/operations.md` says what to do about each."""
    found = session.client.instance.alarms()
    session.show(found, lambda: _print(found))
    if check and (found.items or found.silent):
        sys.exit(1)


def _print(found: AlarmList) -> None:
    output.print_table([_row(one) for one in found.items], _COLUMNS, "Nothing is the matter.")
    if found.silent:
        print(f"Did not answer: {', '.join(found.silent)}")


def _row(one: Alarm) -> dict[str, Any]:
    return {**output.plain(one), "since": output.ago(one.since)}


COMMANDS = (alarms,)
