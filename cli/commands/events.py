"""Events: as they happen, and what can happen."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from cli import options, output
from cli.session import Session, with_session
from shared.contracts.admin.events import EventTypeDescription, LiveEvent

_COLUMNS = ("type", "meaning", "dispatched_by", "to_subscribers", "right")
_FIELDS = ("type", "group", "meaning", "dispatched_by", "exchange", "to_subscribers", "right")


@click.group(invoke_without_command=True)
@click.option("-f", "--follow", is_flag=True, help="What happens from now on, until Ctrl-C, which ends with 0. Connects again.")
@click.option("--type", "types", multiple=True, metavar="PATTERN", help="Only these: package.published, or package.*; repeatable.")
@click.option("--name", "names", multiple=True, help="Only about packages of this name; repeatable.")
@options.tags("Only about packages with this staging tag; repeatable.")
@click.option("--after", metavar="ID", help="Only what happened after this event.")
@with_session
def events(session: Session, /, *, follow: bool, after: str | None, tags: list[str] | None, **wishes: tuple[str, ...]) -> None:
    """Show events of the instance, one line each: those that it still knows, or with --follow, those that happen."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    asked, wanted = session.client.events, tags or []
    found = asked.follow(**wishes, tags=wanted, after=after) if follow else asked.stream(**wishes, tags=wanted, after=after, live=False)
    with _ending_cleanly():
        _print_all(session, found)


def _print_all(session: Session, found: Iterator[LiveEvent]) -> None:
    for event in found:
        line = json.dumps(output.plain(event), ensure_ascii=False) if session.as_json else _line(event)
        print(line, flush=True)


def _line(event: LiveEvent) -> str:
    told = "  ".join(f"{key}={_plain(value)}" for key, value in event.data.items() if value is not None)
    return f"{event.time.astimezone().isoformat(' ', 'seconds')}  {event.type}  {told}"


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) and value.isprintable() and " " not in value else json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else ascii(text)


@contextlib.contextmanager
def _ending_cleanly() -> Iterator[None]:
    """Ctrl-C is how following ends; and whoever reads what we print may go first, as `head` does."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # Python writes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
