"""Pulling: reading a peer's change feed to its end and having storage learn what is new. Step 4 of the seed."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from services.replication.domain.peer import Peer, PeerState
from services.replication.domain.records import PACKAGE, FeedPage
from services.replication.domain.refusals import ClocksDiffer, PeerRefused, PeerRotated
from services.replication.handlers.clocks import note_skew
from services.replication.handlers.drifting import DriftingHandlers
from services.replication.handlers.learning import PORTION, LearningHandlers
from services.replication.handlers.rotating import RotatingHandlers
from services.replication.ports import PeerClient, Peers
from shared.contracts import events
from shared.core.errors import OdstError, PeerLied, PeerUnreachable
from shared.runtime.logging import bound, get_logger, new_correlation_id

log = get_logger(__name__)
_RETRY_SECONDS = 30.0
_TAKEN = dt.timedelta(seconds=60)
"""How long other workers leave a peer alone whose feed one of them reads, counted anew at each page."""
_TURN = dt.timedelta(minutes=2)
"""After so long in one feed others get their turn, and this one is read on when it is due again, which is at once."""
_MOST_PAGES = 1000
"""Pages that are read at once; a feed without end is read on at the next poll, after the feeds of others."""
_MOST_EPOCHS = 3
_SECOND = 2


class TurnOver(PeerUnreachable):
    """A feed took long enough: others are due. What was read of it is kept."""

    default_code = "TURN_OVER"


@dataclass
class PullingHandlers:
    """Everything about learning what peers have. No feed is read twice at the same time in one process."""

    peers: Peers
    client: PeerClient
    learning: LearningHandlers
    drifting: DriftingHandlers
    rotating: RotatingHandlers
    clock: Any
    poll_seconds: float
    protocols: Sequence[int]
    ring_loop: Callable[[], None]
    chance: random.Random = field(default_factory=random.Random)
    _reading: set[str] = field(default_factory=set)

    def heard(self, event: events.PeerAnnouncedV1) -> None:
        """A peer said that it has news: its feed is due, if they are news to us. If it cannot be reached now, a poll finds them."""
        with self.peers.changing() as changes:
            peer = changes.peer(event.peer_id)
            if peer is None or (peer.epoch == event.epoch and peer.cursor >= event.seq):
                return
            changes.save_peer(replace(peer, next_poll=self.clock()))
        self.ring_loop()

    def step(self) -> bool:
        """Read the feed of one peer whose time has come; True if there was one."""
        peer = self._next_due()
        if peer is None:
            return False
        with bound(correlation_id=peer.news_correlation_id or new_correlation_id()):
            self._pull_or_wait(str(peer.peer_id))
        return True

    def poll_due(self) -> None:
        """Read the feed of each peer whose time has come."""
        while self.step():
            pass

    def _next_due(self) -> Peer | None:
        now = self.clock()
        for due in self.peers.due_for_poll(now):
            if str(due.peer_id) in self._reading:
                continue  # Who reads it sees, at the end, whether it is due again.
            with self.peers.changing() as changes:
                peer = changes.peer(str(due.peer_id))
                if peer is not None and (peer.next_poll is None or peer.next_poll <= now):
                    changes.save_peer(replace(peer, next_poll=now + _TAKEN))
                    return peer
        return None

    def _pull_or_wait(self, peer_id: str) -> None:
        try:
            self.pull(peer_id)
        except TurnOver:
            log.info("pull_goes_on", peer_id=peer_id)
        except (PeerUnreachable, PeerLied) as error:
            log.warning("pull_failed", peer_id=peer_id, code=error.code, error=str(error))

    def pull_all(self) -> None:
        """Have the feeds of all peers read at once: at the start, or because somebody asks for it."""
        with self.peers.changing() as changes:
            for peer in changes.active_peers():
                changes.save_peer(replace(peer, next_poll=self.clock()))
        self.ring_loop()

    def sweep(self) -> None:
        """No feed waits for a time that was planned with a clock that was ahead."""
        now = self.clock()
        latest = now + max(dt.timedelta(seconds=self.poll_seconds), _TAKEN) * 2
        if not any(peer.next_poll is not None and peer.next_poll > latest for peer in self.peers.all()):
            return
        with self.peers.changing() as changes:
            for peer in changes.active_peers():
                if peer.next_poll is not None and peer.next_poll > latest:
                    changes.save_peer(replace(peer, next_poll=now))

    def start_anew(self) -> None:
        """Our own catalogue is older than it was: read every feed from its start, as peers have what was forgotten here."""
        with self.peers.changing() as changes:
            for peer in changes.active_peers():
                changes.save_peer(replace(peer.unread(), next_poll=self.clock()))
        self.ring_loop()

    def pull(self, peer_id: str) -> None:
        """Read a peer's feed from our cursor to its end, then try again what was refused, then look for drift if that is due.

        Does nothing if it is being read in this process.

        Raises:
            PeerUnreachable: if it does not answer; what was read until then is kept. TurnOver if it takes too long.
        """
        if peer_id in self._reading:
            return
        with self._alone(peer_id):
            try:
                turn_ends = self.clock() + _TURN
                self._read_feed_as_known(peer_id, turn_ends)
                self._after_feed(peer_id, turn_ends)
            except PeerRotated as error:
                self._follow(peer_id, error)
                return
            except OdstError as error:
                self._note(peer_id, error)
                raise
            self._note(peer_id, None)

    @contextmanager
    def _alone(self, peer_id: str) -> Iterator[None]:
        self._reading.add(peer_id)
        try:
            yield
        finally:
            self._reading.discard(peer_id)

    def _read_feed_as_known(self, peer_id: str, turn_ends: dt.datetime) -> None:
        try:
            self._read_feed(peer_id, turn_ends)
        except PeerRefused:
            peer = self._active(peer_id)
            if peer is None or not self.rotating.introduce(peer):
                raise
            self._read_feed(peer_id, turn_ends)

    def _follow(self, peer_id: str, error: PeerRotated) -> None:
        peer = self._active(peer_id)
        if peer is not None and not self.rotating.follow(peer, error.rotation):
            self._note(peer_id, error)

    def _after_feed(self, peer_id: str, turn_ends: dt.datetime) -> None:
        began, peer = self.clock(), self._active(peer_id)
        while peer is not None and self.learning.retry_deferred(peer, began):
            self._end_turn(turn_ends)
            peer = self._active(peer_id)
        if peer is not None and peer.protocol >= _SECOND:
            self.drifting.check_if_due(peer_id, lambda: self._read_feed(peer_id, self.clock() + _TURN))

    def _end_turn(self, turn_ends: dt.datetime) -> None:
        if self.clock() >= turn_ends:
            raise TurnOver("the feed takes long: it is read on after those of others")

    def _read_feed(self, peer_id: str, turn_ends: dt.datetime) -> None:
        anew = back = 0
        for page_number in range(_MOST_PAGES):
            peer = self._active(peer_id)
            if peer is None:
                return
            if page_number:
                self._end_turn(turn_ends)
            page = self.client.changes(peer, peer.epoch, peer.cursor)
            anew += page.epoch != peer.epoch
            if peer.epoch is not None and self._spoken(page) > peer.protocol:
                self._read_anew_in(peer, self._spoken(page))
                continue
            is_back = page.epoch == peer.epoch and page.next < peer.cursor
            back += is_back
            if anew > _MOST_EPOCHS or back > 1:
                raise PeerLied("the peer numbers its feed anew again and again")
            if is_back:
                self._went_back(peer, page.next)
                continue
            if page.more and page.epoch == peer.epoch and page.next == peer.cursor:
                raise PeerLied("the feed says that there is more, and does not go on")
            self._take(peer, page)
            if not page.more:
                return
        raise PeerUnreachable("the feed is very long: it is read on after those of others")

    def _take(self, peer: Peer, page: FeedPage) -> None:
        if peer.epoch is not None and not _is_same_numbering(peer.epoch, page.epoch):
            with self.peers.changing() as changes:
                changes.drop_sources(str(peer.peer_id))
        catching_up = self._is_long(peer, page)
        if page.protocol >= _SECOND and _SECOND in self.protocols:
            self.learning.take_page(peer, page)
        else:
            self.learning.take_page_of_first_version(peer, page)
        self._advance(peer, page)
        if catching_up and not page.more:
            self.learning.ring_known(page.ids(PACKAGE))

    def _is_long(self, asked: Peer, page: FeedPage) -> bool:
        """True if the feed takes its time: until it is read to its end, nothing is fetched that may turn out to be superseded."""
        if not asked.catching_up and not page.more and len(page.items) <= PORTION:
            return False
        self._change(asked, lambda peer: replace(peer, catching_up=True))
        return True

    def _change(self, asked: Peer, change: Callable[[Peer], Peer]) -> None:
        """Save a peer with a change; but not if it is known by another id meanwhile: the old one must not rise again."""
        with self.peers.changing() as changes:
            peer = changes.peer(str(asked.peer_id))
            if peer is not None:
                changes.save_peer(change(peer))

    def _advance(self, asked: Peer, page: FeedPage) -> None:
        with self.peers.changing() as changes:
            peer = changes.peer(str(asked.peer_id))
            if peer is None or (peer.epoch, peer.cursor) != (asked.epoch, asked.cursor):
                return  # Meanwhile somebody decided to read it from the start.
            peer = replace(peer, epoch=page.epoch, cursor=page.next, catching_up=peer.catching_up and page.more)
            peer = replace(peer, protocol=self._spoken(page), next_poll=self.clock() + _TAKEN)
            if not page.more and (peer.announced_epoch, peer.announced_seq) == (asked.announced_epoch, asked.announced_seq):
                # What was announced before the last page was asked for is read, also if the feed shows us less than it has.
                peer = replace(peer, announced_epoch=page.epoch, announced_seq=page.next, news_correlation_id=None)
            changes.save_peer(peer)

    def _spoken(self, page: FeedPage) -> int:
        return max(1, min(page.protocol, max(self.protocols)))

    def _read_anew_in(self, asked: Peer, version: int) -> None:
        """One of us learned a later version: what the earlier one could not say stands before the cursor."""
        self._change(asked, lambda peer: replace(peer.unread(), protocol=version))
        log.info("peer_speaks_later_version", peer_id=str(asked.peer_id), protocol=version)

    def _went_back(self, asked: Peer, found: int) -> None:
        """A feed that ends before what it told: an alarm. Reading it anew is harmless."""
        peer_id = str(asked.peer_id)
        with self.peers.changing() as changes:
            peer = changes.peer(peer_id)
            if peer is None:
                return
            changes.save_peer(replace(peer, cursor=0))
            changes.dispatch(events.PeerFeedWentBackV1(peer_id=peer_id, told_seq=asked.cursor, found_seq=found))
        log.error("peer_feed_went_back", peer_id=peer_id, told=asked.cursor, found=found)

    def _active(self, peer_id: str) -> Peer | None:
        peer = self.peers.get(peer_id)
        return peer if peer is not None and peer.state is PeerState.ACTIVE else None

    def _note(self, peer_id: str, error: OdstError | None) -> None:
        now = self.clock()
        seconds = min(self.poll_seconds, _RETRY_SECONDS) if error else self.poll_seconds
        wait = dt.timedelta(seconds=seconds * self.chance.uniform(0.8, 1.2))
        with self.peers.changing() as changes:
            peer = changes.peer(peer_id)
            if peer is None:
                return
            if error is None:
                wait = dt.timedelta(0) if peer.behind else wait
                peer = replace(peer, last_contact=now, last_pull=now, last_error=None, clock_skew_seconds=None)
            elif isinstance(error, TurnOver):
                wait, peer = dt.timedelta(0), replace(peer, last_contact=now, last_error=None)
            elif isinstance(error, ClocksDiffer):
                peer = note_skew(changes, peer, error.seconds, str(error))
            else:
                peer = replace(peer, last_error=str(error)[:300])
            changes.save_peer(replace(peer, next_poll=now + wait))


def _is_same_numbering(one: str, other: str) -> bool:
    """True if two epochs differ at most in what we may see."""
    return one.partition(".")[0] == other.partition(".")[0]
