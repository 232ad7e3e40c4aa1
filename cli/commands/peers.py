"""Peers: invite, join, list, revoke."""

from __future__ import annotations

import sys

import click

from cli import output
from cli.client import segment
from cli.session import Session, with_session

_COLUMNS = ("peer_id", "name", "url", "state", "last_contact", "last_error")
_HOUR_SECONDS = 3600


@click.command()
@click.option("--valid-hours", type=click.FloatRange(min=0, min_open=True, max=24 * 30), help="How long it can be used; 24 unless given.")
@with_session
def invite(session: Session, valid_hours: float | None) -> None:
    """Make an invitation, which another instance takes with `odst join`."""
    seconds = max(1, round(valid_hours * _HOUR_SECONDS)) if valid_hours else None
    made = session.client.post("invitations", {"valid_seconds": seconds})
    # Alone on standard output, so that it can be piped into `odst join -`.
    session.say(made, made["invitation"])


@click.command()
@click.argument("invitation")
@with_session
def join(session: Session, invitation: str) -> None:
    """Take an INVITATION of another instance ('-' reads it from standard input)."""
    text = sys.stdin.read() if invitation == "-" else invitation
    peer = session.client.post("peers", {"invitation": text.strip()})
    session.show(peer, lambda: output.print_fields(peer))


@click.command()
@with_session
def peers(session: Session) -> None:
    """List the peers of the instance."""
    session.show_rows(session.client.items("peers"), _COLUMNS, "There are no peers yet: odst invite, and odst join at the other")


@click.group()
def peer() -> None:
    """One peer."""


@peer.command()
@click.argument("peer_id")
@with_session
def revoke(session: Session, peer_id: str) -> None:
    """Refuse everything from this peer from now on."""
    session.client.delete(f"peers/{segment(peer_id)}")
    session.say({"peer_id": peer_id, "state": "revoked"}, f"revoked {peer_id}")


COMMANDS = (invite, join, peers, peer)
