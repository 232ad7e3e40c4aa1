"""Peers: invite, join, list, what each may see and do, revoke."""

from __future__ import annotations

import sys
from typing import Any

import click

from cli import options, output
from cli.lookup import find_peer, short_id
from cli.session import Session, with_session
from shared.contracts.admin.mesh import Peer
from shared.core.identity import InstanceId

_COLUMNS = ("name", "peer_id", "state", "tags", "steward", "protocol", "behind", "last_contact", "clock_skew", "last_error")
_HOUR_SECONDS = 3600
_tags = options.tags("Packages with this tag it may see of here; '*' for all. Without: untagged ones.")


@click.command()
@click.option("--valid-hours", type=click.FloatRange(min=0, min_open=True, max=24 * 30), help="How long it can be used; 24 unless given.")
@_tags
@click.option("--steward", is_flag=True, help="Let it change tags of packages from here, delete and promote them.")
@with_session
def invite(session: Session, valid_hours: float | None, tags: list[str] | None, steward: bool) -> None:
    """Make an invitation, which another instance takes with `odst join`."""
    seconds = max(1, round(valid_hours * _HOUR_SECONDS)) if valid_hours else None
    made = session.client.peers.invite(seconds, tags, steward=steward or None)
    # Alone on standard output, so that it can be piped into `odst join -`.
    session.say(made, made.invitation)


@click.command()
@click.argument("invitation")
@_tags
@with_session
def join(session: Session, invitation: str, tags: list[str] | None) -> None:
    """Take an INVITATION of another instance ('-' reads it from standard input)."""
    text = sys.stdin.read() if invitation == "-" else invitation
    session.show_fields(session.client.peers.join(text.strip(), tags))


@click.command()
@with_session
def peers(session: Session) -> None:
    """List the peers of the instance; `behind` counts news that were not read yet."""
    found = session.client.peers.all()
    rows = [_readable(peer) | {"peer_id": short_id(peer.peer_id)} for peer in found]
    empty = "There are no peers yet: odst invite, and odst join at the other"
    session.show({"items": found}, lambda: output.print_table(rows, _COLUMNS, empty))


def _readable(peer: Peer) -> dict[str, Any]:
    """With ages instead of times."""
    skew = peer.clock_skew_seconds
    times = {"last_contact": output.ago(peer.last_contact), "last_pull": output.ago(peer.last_pull)}
    readable: dict[str, Any] = output.plain(peer)
    return readable | times | {"clock_skew": None if skew is None else f"{skew:+.1f} s"}


@click.command()
@with_session
def pull(session: Session) -> None:
    """Read the news of all peers now, instead of at the next poll."""
    session.say(session.client.peers.pull(), "asking all peers for news")


@click.group()
def peer() -> None:
    """One peer, by name or by the start of its id."""


@peer.command()
@click.argument("reference", metavar="PEER")
@with_session
def show(session: Session, reference: str) -> None:
    """Show all that is known of a peer."""
    found = session.client.peers.show(find_peer(session.client, reference).peer_id)
    readable = _readable(found) | {"peer_id": InstanceId(found.peer_id).grouped()}
    readable.pop("clock_skew_seconds", None)
    session.show(found, lambda: output.print_fields(readable))


@peer.command("tags")
@click.argument("reference", metavar="PEER")
@click.argument("tags", nargs=-1)
@click.option("--none", is_flag=True, help="It may see untagged packages only.")
@options.if_match
@with_session
def change_tags(session: Session, *, reference: str, tags: tuple[str, ...], none: bool, if_match: str | None) -> None:
    """Let a peer see packages with these TAGS ('*' for all), instead of those that it saw."""
    wanted = options.chosen_tags(tags, none=none)
    changed = session.client.peers.change(find_peer(session.client, reference).peer_id, wanted, if_match=if_match)
    seen = f"packages with the tags {output.shown('tags', changed.tags)}, and untagged ones" if changed.tags else "untagged packages"
    session.say(changed, f"{changed.name} may see {seen}")


@peer.command()
@click.argument("reference", metavar="PEER")
@click.argument("switch", type=click.Choice(["on", "off"]))
@options.if_match
@with_session
def steward(session: Session, reference: str, switch: str, if_match: str | None) -> None:
    """Let a peer change tags of packages from here, delete and promote them; or no longer."""
    changed = session.client.peers.change(find_peer(session.client, reference).peer_id, steward=switch == "on", if_match=if_match)
    session.say(changed, f"{changed.name} {'is a' if changed.steward else 'is no'} steward of packages from here")


@peer.command()
@click.argument("reference", metavar="PEER")
@options.if_match
@with_session
def revoke(session: Session, reference: str, if_match: str | None) -> None:
    """Refuse everything from this peer from now on."""
    found = find_peer(session.client, reference)
    session.client.peers.revoke(found.peer_id, if_match=if_match)
    session.say({"peer_id": found.peer_id, "state": "revoked"}, f"revoked {found.name} ({found.peer_id})")


COMMANDS = (invite, join, peers, pull, peer)
