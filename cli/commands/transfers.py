"""Transfers: what is moved to the instance; pause, resume, cancel, and whose turn it is."""

from __future__ import annotations

from typing import get_args

import click

from cli import options
from cli.session import Session, with_session
from shared.contracts.admin.mesh import PriorityWord, TransferState

_COLUMNS = ("transfer_id", "name", "state", "paused", "priority", "size", "bytes_done", "bytes_fetched", "planned", "finished", "error")
_which = click.argument("transfer_id", metavar="ID")


@click.group(invoke_without_command=True)
@options.limit
@options.after
@click.option("--state", multiple=True, type=click.Choice(get_args(TransferState)), help="Only those in this state; or in one of several.")
@click.option("--name", help="Only those of the package with this name.")
@with_session
def transfers(session: Session, *, limit: int, after: str | None, state: tuple[str, ...], name: str | None) -> None:
    """List what is moved to this instance, newest first. Or decide about a transfer."""
    if click.get_current_context().invoked_subcommand is None:
        empty = "There are no such transfers." if state or name else "Nothing was moved here yet."
        session.show_page(session.client.transfers.page(after, limit, state, name), _COLUMNS, empty)


@transfers.command("show")
@_which
@with_session
def show(session: Session, transfer_id: str) -> None:
    """Show a transfer."""
    session.show_fields(session.client.transfers.show(transfer_id))


@transfers.command("pause")
@_which
@options.if_match
@with_session
def pause(session: Session, transfer_id: str, if_match: str | None) -> None:
    """Let a transfer wait; what is here of it stays."""
    changed = session.client.transfers.pause(transfer_id, if_match=if_match)
    session.say(changed, f"{changed.name} waits: odst transfers resume {transfer_id}")


@transfers.command("resume")
@_which
@options.if_match
@with_session
def resume(session: Session, transfer_id: str, if_match: str | None) -> None:
    """Go on with a transfer; of one that was cancelled, have the package fetched anew."""
    changed = session.client.transfers.resume(transfer_id, if_match=if_match)
    session.say(changed, f"{changed.name} is asked for again" if changed.state == "failed" else f"{changed.name} goes on")


@transfers.command("cancel")
@_which
@options.if_match
@with_session
def cancel(session: Session, transfer_id: str, if_match: str | None) -> None:
    """End a transfer, and do not fetch its package here until it is resumed."""
    changed = session.client.transfers.cancel(transfer_id, if_match=if_match)
    session.say(changed, f"{changed.name} is not fetched here any more; if it shall be: odst transfers resume {transfer_id}")


@transfers.command("priority")
@_which
@click.argument("priority", type=click.Choice(get_args(PriorityWord)))
@options.if_match
@with_session
def priority(session: Session, transfer_id: str, priority: PriorityWord, if_match: str | None) -> None:
    """Give a transfer its turn before others, or after them."""
    changed = session.client.transfers.change(transfer_id, priority, if_match=if_match)
    session.say(changed, f"{changed.name} has priority {changed.priority} from its next slice on")


COMMANDS = (transfers,)
