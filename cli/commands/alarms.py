"""`odst alarms`: what is the matter; with `--check`, as a plug-in of Nagios and its like says it."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import Any, NoReturn

import click

from cli import output
from cli.session import Session, with_session
from odst_client import CallFailed
from shared.contracts.admin.alarms import Alarm, AlarmList
from shared.core.errors import OdstError

_COLUMNS = ("severity", "kind", "since", "detail", "about")
_NOTHING = "Nothing is the matter."


class Verdict(IntEnum):
    """Exit codes of monitoring plug-ins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3

    @classmethod
    def of(cls, found: AlarmList) -> Verdict:
        """The worst that is known; if nothing is the matter, but not everybody said so, that is not known."""
        if not found.items:
            return cls.UNKNOWN if found.silent else cls.OK
        # A severity of tomorrow is no reason to sleep.
        return cls.WARNING if all(one.severity == "warning" for one in found.items) else cls.CRITICAL


@click.command()
@click.option(
    "--check",
    is_flag=True,
    help="For monitoring: exit code 0 if nothing is the matter, 1 if there are warnings, 2 if something is critical, 3 if it is not known.",
)
@with_session
def alarms(session: Session, check: bool) -> None:
    """List what is the matter now, oldest first; `docs/alarms.md` says what to do about each."""
    try:
        found = session.client.instance.alarms()
    except (CallFailed, OdstError, click.ClickException) as error:
        if not check:
            raise
        _not_known(session, error)
    verdict = Verdict.of(found)
    session.show(found, lambda: _print(found, verdict if check else None))
    if check:
        sys.exit(verdict)


def _not_known(session: Session, error: Exception) -> NoReturn:
    reason = error.format_message() if isinstance(error, click.ClickException) else str(error)
    session.show({"verdict": Verdict.UNKNOWN.name, "reason": reason}, lambda: print(f"{Verdict.UNKNOWN.name}: {reason}"))
    sys.exit(Verdict.UNKNOWN)


def _print(found: AlarmList, verdict: Verdict | None) -> None:
    silent = f"Did not answer: {', '.join(found.silent)}" if found.silent else ""
    if verdict is not None:
        print(f"{verdict.name}: {_summary(found)}{f' {silent}' if silent else ''}")
    if verdict is None or found.items:
        output.print_table([_row(one) for one in found.items], _COLUMNS, _NOTHING)
    if silent and verdict is None:
        print(silent)


def _summary(found: AlarmList) -> str:
    """One line, as monitoring shows it: what follows a bar would be taken for figures."""
    said = "; ".join(f"{one.kind}: {one.detail}" for one in found.items)
    return "".join(sign if sign.isprintable() else " " for sign in said).replace("|", "/") or _NOTHING


def _row(one: Alarm) -> dict[str, Any]:
    return {**output.plain(one), "since": output.ago(one.since)}


COMMANDS = (alarms,)
