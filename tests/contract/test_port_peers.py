"""One suite for replication's peers, in memory and in a database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from services.replication.adapters.peers import SqlPeers
from services.replication.domain.peer import OpenInvitation, Peer, PeerState
from services.replication.ports import Peers
from shared.contracts.events import Event, PeerRegisteredV1
from shared.core.errors import Conflict
from shared.runtime.logging import bound
from shared.testing.builders import a_peer
from shared.testing.fakes.clock import NOON
from shared.testing.fakes.peers import FakePeers
from tests.contract.port_databases import dispatched, migrated, outbox_of

LATER = NOON + dt.timedelta(minutes=1)


@dataclass
class Kept:
    """Peers, and what was said to the bus."""

    peers: Peers
    said: Callable[[], Sequence[Event]]

    def save(self, *peers: Peer) -> None:
        """Keep peers."""
        with self.peers.changing() as changes:
            for peer in peers:
                changes.save_peer(peer)

    def saw_nonce(self, sender: str, nonce: str, expires: int = 100) -> bool:
        """True if it is new."""
        with self.peers.changing() as changes:
            return changes.add_nonce(sender, nonce, expires)


@pytest.fixture(params=["memory", "database"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    """Nobody yet, of each kind."""
    if request.param == "memory":
        fake = FakePeers()
        yield Kept(fake, lambda: fake.dispatched)
        return
    with migrated("replication", tmp_path) as database:
        yield Kept(SqlPeers(database, outbox_of("replication", database)), lambda: dispatched("replication", database))


def test_peers_are_kept_as_they_are(kept: Kept) -> None:
    """Every field comes back, and saving again replaces."""
    peer = a_peer(last_contact=NOON, last_error="away", epoch="e1", cursor=7, next_poll=LATER, strikes=2, banned_until=LATER)
    kept.save(replace(peer, name="old"), peer)

    assert kept.peers.get(str(peer.peer_id)) == peer
    assert kept.peers.get("nobody") is None


def test_all_peers_are_listed_and_only_active_ones_are_active(kept: Kept) -> None:
    """Revoked ones stay visible."""
    second, first = a_peer("second", registered=LATER), a_peer("first", state=PeerState.REVOKED)
    kept.save(second, first)

    with kept.peers.changing() as changes:
        assert changes.active_peers() == [second]
    assert kept.peers.all() == [first, second]


def test_a_transaction_that_fails_leaves_nothing(kept: Kept) -> None:
    """No peer, no nonce, no event."""
    peer = a_peer()

    with pytest.raises(Conflict), kept.peers.changing() as changes:
        changes.save_peer(peer)
        changes.add_nonce("A", "nonce", 100)
        changes.dispatch(PeerRegisteredV1(peer_id=str(peer.peer_id), name=peer.name))
        raise Conflict

    assert kept.peers.all() == []
    assert kept.saw_nonce("A", "nonce")
    assert kept.said() == []


def test_a_nonce_counts_once_for_each_sender(kept: Kept) -> None:
    """Also in a later transaction, and the rest of the transaction is not lost."""
    assert kept.saw_nonce("A", "nonce")
    assert kept.saw_nonce("B", "nonce")
    with kept.peers.changing() as changes:
        again = changes.add_nonce("A", "nonce", 999)
        changes.save_peer(a_peer())

    assert not again
    assert len(kept.peers.all()) == 1


def test_nonces_are_forgotten_when_they_have_expired(kept: Kept) -> None:
    """Not before: that would open the door to a replay."""
    kept.saw_nonce("A", "early", 99)
    kept.saw_nonce("A", "late", 100)

    kept.peers.forget_nonces(100)

    assert not kept.saw_nonce("A", "late")
    assert kept.saw_nonce("A", "early")


def test_invitations_are_kept_as_they_are(kept: Kept) -> None:
    """Every field comes back, and saving again replaces."""
    invitation = OpenInvitation("lookup", b"key", "admin", LATER)
    used = replace(invitation, wrong_proofs=2, used_by="B")
    with kept.peers.changing() as changes:
        changes.save_invitation(invitation)
        changes.save_invitation(used)

        assert changes.invitation("lookup") == used
        assert changes.invitation("another") is None


def test_peers_are_due_for_a_poll_at_their_time(kept: Kept) -> None:
    """Those never read before, and those whose time has come; never a revoked one."""
    never, now, later = a_peer("never"), a_peer("now", next_poll=NOON), a_peer("later", next_poll=LATER)
    kept.save(never, now, later, a_peer("gone", state=PeerState.REVOKED))

    assert {peer.name for peer in kept.peers.due_for_poll(NOON)} == {"never", "now"}


def test_several_wishes_to_announce_are_one_ring(kept: Kept) -> None:
    """The last one counts, with its time, its tries and the correlation id of the news."""
    with kept.peers.changing() as changes:
        changes.announce_to("B", NOON)
        with bound(correlation_id="news-of-today"):
            changes.announce_to("B", LATER, 3)

    assert kept.peers.due_announcements(NOON) == []
    (due,) = kept.peers.due_announcements(LATER)
    assert (due.peer_id, due.attempts, due.correlation_id) == ("B", 3, "news-of-today")


def test_a_dropped_announcement_is_not_due(kept: Kept) -> None:
    """And dropping what is not there is no error."""
    with kept.peers.changing() as changes:
        changes.announce_to("B", NOON)
        changes.drop_announcement("B")
        changes.drop_announcement("C")

    assert kept.peers.due_announcements(LATER) == []


def test_sources_are_the_peers_that_have_a_package(kept: Kept) -> None:
    """Saying so twice is saying it once."""
    one, two = a_peer("one"), a_peer("two")
    kept.save(one, two)
    with kept.peers.changing() as changes:
        changes.add_sources(str(one.peer_id), ["p1", "p2"])
        changes.add_sources(str(one.peer_id), ["p1"])
        changes.add_sources(str(two.peer_id), ["p2"])

    assert kept.peers.sources_of("p1") == [one]
    assert {peer.name for peer in kept.peers.sources_of("p2")} == {"one", "two"}
    assert kept.peers.sources_of("p3") == []


def test_events_are_said_when_committed(kept: Kept) -> None:
    """Not before, and in order."""
    facts = [PeerRegisteredV1(peer_id=f"P{number}", name="B") for number in range(2)]

    with kept.peers.changing() as changes:
        for fact in facts:
            changes.dispatch(fact)

    assert list(kept.said()) == facts
