"""Events: what can happen at an instance."""

from __future__ import annotations

import json

import click

from cli import output
from cli.session import Session, with_session
from shared.contracts.admin.events import EventTypeDescription

_COLUMNS = ("type", "meaning", "dispatched_by", "to_subscribers", "right")
_FIELDS = ("type", "group", "meaning", "dispatched_by", "exchange", "to_subscribers", "right")


@click.group()
def events() -> None:
    """Events of the instance."""


@events.command("types")
@click.argument("event_type", metavar="[TYPE]", required=False)
@with_session
def types(session: Session, event_type: str | None) -> None:
    """List every event that there is; or show what is in TYPE, such as package.published.v1, with an example."""
    if event_type is None:
        session.show_rows(session.client.events.types(), _COLUMNS, "This instance knows no events.")
        return
    found = session.client.events.type(event_type)
    session.show(found, lambda: _print_type(found))


def _print_type(found: EventTypeDescription) -> None:
    output.print_fields(output.plain(found), _FIELDS)
    for service, does in found.handled_by.items():
        print(f"handled by {service}: {does}")
    print(json.dumps(found.example, indent=2, ensure_ascii=False))


COMMANDS = (events,)
