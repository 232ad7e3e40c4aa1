"""Alarms of replication: peers that lag, transfers that stall, secrets that cannot be read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from services.replication.domain.peer import Peer, PeerState
from services.replication.domain.transfer import TransferState
from services.replication.ports import Peers, Transfers
from shared.core.alarms import AlarmBook, AlarmKind, Condition, Severity
from shared.core.watching import Look, Watching, unreadable

_SLICE_GRACE_SECONDS = 60
_POLLS = 2.4
"""A feed that is read this many times more seldom than it is due is late: two polls with all their jitter."""


@dataclass
class WatchingHandlers(Watching):
    """Looks at what is there, and remembers what is the matter."""

    peers: Peers
    transfers: Transfers
    alarms: AlarmBook
    unreadable_secrets: Callable[[], int]
    clock: Callable[[], dt.datetime]
    lagging: dt.timedelta
    stalled: dt.timedelta

    def looks(self) -> Mapping[AlarmKind, Look]:
        """Three kinds."""
        return {
            AlarmKind.PEER_LAGGING: self._lagging,
            AlarmKind.TRANSFER_STALLED: self._stalled,
            AlarmKind.SECRET_UNREADABLE: lambda _now: unreadable(self.unreadable_secrets(), "invitations"),
        }

    def _lagging(self, now: dt.datetime) -> Iterator[Condition]:
        for peer in self.peers.all():
            since = peer.last_pull or peer.registered
            if peer.state is PeerState.ACTIVE and now - since > self.lagging:
                yield Condition(AlarmKind.PEER_LAGGING, str(peer.peer_id), Severity.WARNING, _lag(peer), since=since)

    def _stalled(self, now: dt.datetime) -> Iterator[Condition]:
        for transfer in self.transfers.open_since(now):
            if transfer.state is TransferState.MOVING and transfer.is_in_turn:
                detail = f"nothing of {transfer.name} arrives"
                about, mark = transfer.transfer_id, str(transfer.bytes_fetched)
                yield Condition(AlarmKind.TRANSFER_STALLED, about, Severity.WARNING, detail, hold=self.stalled, mark=mark)


def patience_with_peers(lagging_seconds: float, poll_seconds: float) -> dt.timedelta:
    """How long the feed of a peer may stay unread: never less than it takes when nothing is the matter."""
    return dt.timedelta(seconds=max(lagging_seconds, _POLLS * poll_seconds))


def patience_with_slices(stalled_seconds: float, slice_bytes: int, slow_bytes_per_second: int) -> dt.timedelta:
    """How long a transfer may stand still: never less than a slice takes from the slowest source that is used."""
    slowest = _SLICE_GRACE_SECONDS + slice_bytes / slow_bytes_per_second if slow_bytes_per_second else 0
    return dt.timedelta(seconds=max(stalled_seconds, slowest))


def _lag(peer: Peer) -> str:
    return f"the change feed of {peer.name} is not read to its end: {peer.last_error or 'it goes on'}"
