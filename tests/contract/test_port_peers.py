"""One suite for replication's peers, in memory and in a database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from services.replication.adapters.peers import SqlPeers
from services.replication.adapters.schema import invitations
from services.replication.domain.peer import OpenInvitation, Peer, PeerState
from services.replication.domain.records import Deferred
from services.replication.domain.witnessing import Held
from services.replication.ports import Peers
from shared.contracts.events import Event, PeerRegisteredV1
from shared.core.audit_chain import Position
from shared.core.checkpoint import Checkpoint
from shared.core.clock import Stamp
from shared.core.errors import Conflict
from shared.runtime.keys import InstanceKey
from shared.runtime.logging import bound
from shared.runtime.secret_columns import SecretColumn
from shared.runtime.vault import Vault
from shared.testing.builders import a_peer
from shared.testing.fakes.clock import NOON
from shared.testing.fakes.peers import FakePeers
from tests.contract.port_databases import KINDS, dispatched, migrated, outbox_of

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


@pytest.fixture(params=["memory", *KINDS])
def kept(request: pytest.FixtureRequest, new_database: Callable[[str], str], tmp_path: Path) -> Iterator[Kept]:
    """Nobody yet, of each kind."""
    if request.param == "memory":
        fake = FakePeers()
        yield Kept(fake, lambda: fake.dispatched)
        return
    with migrated("replication", new_database(request.param)) as database:
        secrets = SecretColumn(Vault.load_or_create(tmp_path / "vault.keys"), "replication", invitations.c.encrypted_proof_key)
        yield Kept(SqlPeers(database, outbox_of("replication", database), secrets), lambda: dispatched("replication", database))


def test_peers_are_kept_as_they_are(kept: Kept) -> None:
    """Every field comes back, and saving again replaces."""
    peer = a_peer(last_contact=NOON, last_error="away", epoch="e1", cursor=7, next_poll=LATER, strikes=2, banned_until=LATER)
    stamp = Stamp.of(NOON)
    peer = replace(peer, tags=frozenset({"a", "*"}), ever_tags=frozenset({"a", "b", "*"}), view=3, steward=True, steward_until=stamp)
    peer = replace(peer, revoked_since=stamp, protocol=2, announced_epoch="e2", announced_seq=1 << 40, news_correlation_id="news")
    peer = replace(peer, last_pull=LATER, clock_skew_seconds=-90.5, next_drift_check=LATER, drift_checks=4, drift_found=1 << 40)
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
    used = replace(invitation, wrong_proofs=2, used_by="B", tags=frozenset({"test"}), steward=True)
    with kept.peers.changing() as changes:
        changes.save_invitation(invitation)
        changes.save_invitation(used)

        assert changes.invitation("lookup") == used
        changes.save_invitation(replace(used, tags=frozenset()))
        assert changes.invitation("lookup") == replace(used, tags=frozenset())
        assert changes.invitation("another") is None


def test_peers_are_due_for_a_poll_at_their_time(kept: Kept) -> None:
    """Those never read before, and those whose time has come; never a revoked one."""
    never, now, later = a_peer("never"), a_peer("now", next_poll=NOON), a_peer("later", next_poll=LATER)
    kept.save(never, now, later, a_peer("gone", state=PeerState.REVOKED))

    assert {peer.name for peer in kept.peers.due_for_poll(NOON)} == {"never", "now"}


def test_who_waits_longest_for_a_poll_comes_first(kept: Kept) -> None:
    """So that a feed that is read in turns does not push aside those of others."""
    kept.save(a_peer("later", next_poll=LATER), a_peer("now", next_poll=NOON), a_peer("never"))

    assert [peer.name for peer in kept.peers.due_for_poll(LATER)] == ["never", "now", "later"]


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
    """Who drops it knows whether it was there, so that it is rung once."""
    with kept.peers.changing() as changes:
        changes.announce_to("B", NOON)
        assert [changes.drop_announcement(peer_id) for peer_id in ("B", "B", "C")] == [True, False, False]

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


def test_a_peer_may_know_what_it_has_no_bytes_of(kept: Kept) -> None:
    """Then it is no source, and shows the package all the same, as long as it is active."""
    one, two = a_peer("one"), a_peer("two")
    kept.save(one, two)
    with kept.peers.changing() as changes:
        changes.add_sources(str(one.peer_id), ["p1", "p2", "p2"])
        changes.add_sources(str(one.peer_id), ["p2"], has_bytes=False)
        changes.add_sources(str(two.peer_id), ["p3"], has_bytes=False)
        changes.add_sources(str(two.peer_id), [])

    assert kept.peers.sources_of("p2") == []
    assert kept.peers.sources_among(["p1", "p2", "p9"]) == {"p1": {str(one.peer_id)}, "p2": set(), "p9": set()}
    assert kept.peers.shown_among(["p1", "p2", "p3", "p9"]) == {"p1", "p2", "p3"}
    kept.save(replace(two, state=PeerState.REVOKED))
    assert kept.peers.shown_among(["p1", "p2", "p3", "p9"]) == {"p1", "p2"}


def test_a_peer_may_lose_some_or_all_packages(kept: Kept) -> None:
    """And no other peer does."""
    one, two = a_peer("one"), a_peer("two")
    kept.save(one, two)
    with kept.peers.changing() as changes:
        for peer in (one, two):
            changes.add_sources(str(peer.peer_id), ["p1", "p2", "p3"])
        changes.drop_sources(str(one.peer_id), ["p1", "p9"])
        changes.drop_sources(str(one.peer_id), [])
    assert [len(kept.peers.sources_of(package)) for package in ("p1", "p2", "p3")] == [1, 2, 2]

    with kept.peers.changing() as changes:
        changes.drop_sources(str(one.peer_id))
    assert [kept.peers.sources_of(package) for package in ("p1", "p2", "p3")] == [[two]] * 3


def test_thousands_of_packages_are_one_question(kept: Kept) -> None:
    """A page of a feed is taken as a whole."""
    peer = a_peer()
    kept.save(peer)
    ids = [f"p{number}" for number in range(2500)]
    with kept.peers.changing() as changes:
        changes.add_sources(str(peer.peer_id), ids)
        changes.drop_sources(str(peer.peer_id), ids[:1200])

    assert kept.peers.shown_among(ids) == set(ids[1200:])
    assert sum(bool(peers) for peers in kept.peers.sources_among(ids).values()) == 1300


def refused(peer: Peer, record_id: str, code: str = "RECORD_REFUSED", **fields: Any) -> Deferred:
    """A record that was not taken at noon, and is tried again a minute later."""
    return replace(Deferred(str(peer.peer_id), ("package", record_id), "v1", code, "reason", NOON, LATER), **fields)


def test_refused_records_are_kept_as_they_are(kept: Kept) -> None:
    """For each peer; saving again replaces."""
    one, two = a_peer("one"), a_peer("two")
    again = refused(one, "r1", version="v2", attempts=3, reason="another", first_seen=LATER)
    with kept.peers.changing() as changes:
        changes.save_deferred([refused(one, "r1"), refused(two, "r1")])
        changes.save_deferred([again, refused(one, "r2"), refused(one, "r1", key=("charter", "r1"))])

    assert set(kept.peers.deferred_among(str(one.peer_id), ["r1", "r9"])) == {again, refused(one, "r1", key=("charter", "r1"))}
    assert (kept.peers.deferred_count(str(one.peer_id)), kept.peers.deferred_count(str(two.peer_id))) == (3, 1)

    with kept.peers.changing() as changes:
        changes.drop_deferred(str(one.peer_id), [("package", "r1"), ("package", "r9")])
        changes.drop_deferred(str(one.peer_id), [])
    assert kept.peers.deferred_among(str(one.peer_id), ["r1"]) == [refused(one, "r1", key=("charter", "r1"))]
    assert kept.peers.deferred_count(str(two.peer_id)) == 1

    with kept.peers.changing() as changes:
        changes.drop_deferred(str(one.peer_id))
    assert (kept.peers.deferred_count(str(one.peer_id)), kept.peers.deferred_count(str(two.peer_id))) == (0, 1)


def test_refused_records_are_due_at_their_time_oldest_first(kept: Kept) -> None:
    """Never those that are forged."""
    peer = a_peer()
    first, second = refused(peer, "first", next_try=NOON), refused(peer, "second")
    later, forged = refused(peer, "later", next_try=LATER + dt.timedelta(seconds=1)), refused(peer, "forged", "RECORD_INVALID")
    with kept.peers.changing() as changes:
        changes.save_deferred([second, forged, later, first])

    assert list(kept.peers.deferred_due(str(peer.peer_id), LATER, 10)) == [first, second]
    assert list(kept.peers.deferred_due(str(peer.peer_id), LATER, 1)) == [first]
    assert kept.peers.deferred_due("nobody", LATER, 10) == []


def test_who_learned_more_tries_again_what_was_refused_for_want_of_trust(kept: Kept) -> None:
    """Of every peer; what has other reasons keeps its time."""
    one, two = a_peer("one"), a_peer("two")
    with kept.peers.changing() as changes:
        changes.save_deferred([refused(one, "r1"), refused(two, "r2"), refused(one, "r3", "CLOCK_AHEAD")])
        changes.retry_refused(NOON)

    assert [one.key[1] for one in kept.peers.deferred_due(str(one.peer_id), NOON, 10)] == ["r1"]
    assert [one.key[1] for one in kept.peers.deferred_due(str(two.peer_id), NOON, 10)] == ["r2"]


@pytest.mark.parametrize("is_known", [False, True])
def test_a_peer_with_a_new_id_keeps_what_was_its(kept: Kept, is_known: bool) -> None:  # noqa: FBT001 - both ways
    """Sources, rings and refused records, also if something of the new id is known already."""
    old, new = a_peer("B"), a_peer("B")
    old_id, new_id = str(old.peer_id), str(new.peer_id)
    kept.save(old)
    with kept.peers.changing() as changes:
        for owner in (old, new) if is_known else (old,):
            changes.add_sources(str(owner.peer_id), ["p1"])
            changes.save_deferred([refused(owner, "r1")])
            changes.announce_to(str(owner.peer_id), NOON)
            changes.save_witnessed(str(owner.peer_id), a_checkpoint(7))
        changes.add_sources(old_id, ["p2"])
        changes.save_witnessed(old_id, a_checkpoint(9))
        changes.rename_peer(old_id, new)

    assert kept.peers.all() == [new]
    assert kept.peers.sources_of("p1") == kept.peers.sources_of("p2") == [new]
    assert kept.peers.deferred_among(new_id, ["r1"]) == [refused(new, "r1")]
    assert kept.peers.deferred_count(old_id) == 0
    assert [due.peer_id for due in kept.peers.due_announcements(NOON)] == [new_id]
    with kept.peers.changing() as changes:
        assert list(changes.witnessed(new_id)) == [a_checkpoint(7), a_checkpoint(9)]
        assert list(changes.witnessed(old_id)) == []


LOGGER = InstanceKey.generate()


def a_checkpoint(number: int, letter: str = "a", **fields: Any) -> Held:
    """What somebody said of an audit log."""
    said = Checkpoint(LOGGER.instance_id, LOGGER.public_bytes, Position(number, letter * 64), None, NOON)
    return replace(Held(said, LOGGER.sign_checkpoint(said), LATER), **fields)


def test_what_a_peer_said_of_its_audit_log_is_kept_as_it_is(kept: Kept) -> None:
    """In the order of its entries, also two things about one entry; saying it again replaces; what is dropped is gone."""
    one, twice, proof = a_checkpoint(9), a_checkpoint(7), a_checkpoint(7, "b", contradicts=True)
    with kept.peers.changing() as changes:
        for held in (one, twice, proof, one):
            changes.save_witnessed("P", held)
        changes.save_witnessed("Q", one)
    with kept.peers.changing() as changes:
        assert sorted(changes.witnessed("P"), key=lambda held: held.key) == [twice, proof, one]
        assert [held.key[0] for held in changes.witnessed("P")] == [7, 7, 9]
        changes.drop_witnessed("P", [proof.key, one.key])

    with kept.peers.changing() as changes:
        assert list(changes.witnessed("P")) == [twice]
        assert list(changes.witnessed("Q")) == [one]


def test_figures_count_what_is_open(kept: Kept) -> None:
    """Of revoked peers nothing is behind."""
    behind = {"epoch": "e", "cursor": 4, "announced_epoch": "e", "announced_seq": 9}
    peer = a_peer("one", drift_checks=2, drift_found=3, **behind)
    kept.save(peer, a_peer("two", drift_checks=1, state=PeerState.REVOKED, **behind))
    with kept.peers.changing() as changes:
        changes.save_deferred([refused(peer, "r1"), refused(peer, "r2", "RECORD_INVALID")])

    assert kept.peers.figures() == {"deferred": 2, "drift_checks": 3, "drift_found": 3, "feed_behind": 5}


def test_events_are_said_when_committed(kept: Kept) -> None:
    """Not before, and in order."""
    facts = [PeerRegisteredV1(peer_id=f"P{number}", name="B") for number in range(2)]

    with kept.peers.changing() as changes:
        for fact in facts:
            changes.dispatch(fact)

    assert list(kept.said()) == facts
