"""What goes on: status, readiness, dead letters, versions."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

import click

from cli import options, output
from cli.session import Session, with_session
from shared.contracts.admin.instance import ServiceState, Status

_DEAD_LETTERS = ("id", "queue", "code", "reason", "attempts", "time")


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also figures that are 0, and queues in which nothing waits.")
@with_session
def status(session: Session, everything: bool) -> None:
    """Say what is waiting, and where."""
    found = session.client.instance.status()
    session.show(found, lambda: _print_status(found, everything=everything))


def _print_status(found: Status, *, everything: bool) -> None:
    output.print_fields({**output.plain(found.instance), "free_bytes": found.free_bytes, "dead_letters": found.dead_letters})
    print()
    rows = [{"service": name, "state": one.state, "figures": _figures(one, everything=everything)} for name, one in found.services.items()]
    output.print_table(rows, ("service", "state", "figures"), "no service answered")
    print()
    queues = [queue for queue in found.queues if everything or queue.ready]
    output.print_table(output.plain_rows(queues), ("name", "ready", "consumers"), "Nothing waits in any queue.")
    if any(value for one in found.services.values() for key, value in (one.model_extra or {}).items() if key.startswith("alarms_")):
        print("\nsomething is the matter: odst alarms")
    if found.dead_letters:
        print("\nmessages could not be handled: odst dead-letters")


def _figures(service: ServiceState, *, everything: bool) -> str:
    figures = (service.model_extra or {}).items()
    return ", ".join(f"{key} {output.shown(key, value)}" for key, value in figures if everything or value) or "-"


@click.command()
@with_session
def ready(session: Session) -> None:
    """Say whether broker, services and disk are usable; exit code 1 if not. No token is needed."""
    found = session.client.instance.readiness()
    rows = [{"what": name, "fault": fault} for name, fault in found.faults.items()]
    session.show(found, lambda: output.print_table(rows, ("what", "fault"), found.status))
    if found.status != "ready":
        sys.exit(1)


@click.command()
@with_session
def openapi(session: Session) -> None:
    """Print the OpenAPI 3.1 document of the instance's Admin API, for programs. No token is needed."""
    output.print_json(output.plain(session.client.instance.openapi()))


@click.group("dead-letters", invoke_without_command=True)
@options.limit
@with_session
def dead_letters(session: Session, limit: int) -> None:
    """Messages that could not be handled; without a subcommand, list them."""
    if click.get_current_context().invoked_subcommand is None:
        _list(session, limit)


@dead_letters.command("list")
@options.limit
@with_session
def list_dead_letters(session: Session, limit: int) -> None:
    """List them, with the reason of each."""
    _list(session, limit)


def _list(session: Session, limit: int) -> None:
    session.show_rows(session.client.dead_letters.oldest(limit), _DEAD_LETTERS, "There are no dead letters.")


@dead_letters.command()
@click.argument("letter_id", required=False, metavar="[ID]")
@with_session
def replay(session: Session, letter_id: str | None) -> None:
    """Hand one back to its queue; without ID, all."""
    answer = session.client.dead_letters.replay(letter_id)
    session.say(answer, f"replayed {answer.replayed}")


@dead_letters.command()
@click.argument("letter_id", metavar="ID")
@with_session
def discard(session: Session, letter_id: str) -> None:
    """Remove one for good."""
    session.client.dead_letters.discard(letter_id)
    session.say({"id": letter_id, "state": "discarded"}, f"discarded {letter_id}")


@click.command("version")
@with_session
def show_version(session: Session) -> None:
    """Say which version of the command this is."""
    session.say({"version": installed_version()}, installed_version())


def installed_version() -> str:
    """The version of this command."""
    try:
        return version("odst")
    except PackageNotFoundError:
        return "not installed"


COMMANDS = (status, ready, openapi, dead_letters, show_version)
