"""Claims about keys that are replaced: whichever way the proof comes, the right key is pinned, and never another."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from services.replication.domain.peer import Peer, PeerState
from services.replication.domain.records import PACKAGE, ROTATION, FeedItem, FeedPage
from services.replication.domain.refusals import PeerRefused, PeerRotated
from shared.contracts import events
from shared.core.errors import PeerUnreachable, Unauthenticated
from shared.runtime import http_signatures
from shared.runtime.keys import InstanceKey
from shared.testing.builders import signed
from shared.testing.fakes.peer_client import FakeSite
from tests.unit.replication.mesh_records import a_rotation
from tests.unit.replication.replication_bench import Bench

OLD, NEW, NEXT, EVIL = (InstanceKey.generate() for _ in range(4))
SHOWN = signed()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A replication service that knows B by its old key."""
    return Bench(tmp_path)


@pytest.fixture
def known(bench: Bench) -> tuple[Peer, FakeSite]:
    """B, with a source, a ring and a refused record."""
    peer, site = bench.meet("B", signed(), key=OLD)
    bad = signed(b"bad", "Bad.pkg")
    site.shows(bad)
    bench.storage.refuses_records[PACKAGE, bad.package_id] = ("RECORD_REFUSED", "no steward")
    bench.pull(peer)
    with bench.peers.changing() as changes:
        changes.announce_to(str(peer.peer_id), bench.clock())
    return bench.peer(peer), site


def rotated(old: InstanceKey = OLD, new: InstanceKey = NEW) -> events.InstanceRotatedV1:
    """Storage learned it."""
    return events.InstanceRotatedV1(
        old_id=str(old.instance_id), new_id=str(new.instance_id), new_key=base64.b64encode(new.public_bytes).decode()
    )


def told(bench: Bench, signer: InstanceKey, *chain: bytes) -> dict[str, Any]:
    """The request by which a peer tells us."""
    *earlier, last = (base64.b64encode(envelope).decode() for envelope in chain)
    body = json.dumps({"rotation": last, "earlier": earlier}).encode()
    message = http_signatures.Request("POST", "/ods/v1/rotations", {})
    http_signatures.sign_request(message, signer, bench.key.instance_id, body)
    return {"method": message.method, "target": message.target, "headers": message.headers, "body": body.decode()}


def is_pinned(bench: Bench, key: InstanceKey) -> bool:
    """True if this key alone is pinned, of an active peer."""
    (peer,) = bench.peers.all()
    return (peer.public_key, str(peer.peer_id), peer.state) == (key.public_bytes, str(key.instance_id), PeerState.ACTIVE)


def test_a_rotation_in_the_feed_pins_the_new_key(bench: Bench, known: tuple[Peer, FakeSite]) -> None:
    """Cursor, sources, rings and refused records follow; a second time nothing happens."""
    peer, _ = known
    for _ in range(2):
        bench.rotating.rotated(rotated())

    (after,) = bench.peers.all()
    assert is_pinned(bench, NEW)
    assert (after.name, after.cursor, after.epoch) == (peer.name, peer.cursor, peer.epoch)
    assert sum(len(bench.peers.sources_of(one)) for one in bench.client.site(peer).packages) == 2
    assert bench.peers.deferred_count(str(NEW.instance_id)) == 1
    assert [due.peer_id for due in bench.peers.due_announcements(bench.clock())] == [str(NEW.instance_id)]


def test_a_rotation_of_a_stranger_or_with_a_wrong_key_pins_nothing(bench: Bench, known: tuple[Peer, FakeSite]) -> None:
    """Our own neither."""
    wrong = rotated().model_copy(update={"new_key": base64.b64encode(EVIL.public_bytes).decode()})
    for event in (rotated(EVIL, NEW), rotated(bench.key, NEW), wrong):
        bench.rotating.rotated(event)

    assert is_pinned(bench, OLD)
    assert known[0] == bench.peer(known[0])


def test_a_revoked_peer_stays_revoked_under_its_new_key(bench: Bench, known: tuple[Peer, FakeSite]) -> None:
    """A new key is no new trust."""
    bench.relations.revoke(str(known[0].peer_id), "admin")

    bench.rotating.rotated(rotated())

    (peer,) = bench.peers.all()
    assert (str(peer.peer_id), peer.state) == (str(NEW.instance_id), PeerState.REVOKED)


@pytest.mark.usefixtures("known")
def test_a_peer_tells_its_new_key(bench: Bench) -> None:
    """Storage gets the rotation too; told again after that, it is fine; the same request twice is not."""
    _, envelope = a_rotation(OLD, NEW)
    request = told(bench, NEW, envelope)

    assert bench.rotating.accept_rotation(request) == {"peer_id": str(NEW.instance_id)}
    assert is_pinned(bench, NEW)
    assert (ROTATION, str(OLD.instance_id)) in bench.storage.others
    bench.rotating.accept_rotation(told(bench, NEW, envelope))
    with pytest.raises(Unauthenticated, match="seen before"):
        bench.rotating.accept_rotation(request)


@pytest.mark.usefixtures("known")
def test_a_peer_that_rotated_twice_tells_both(bench: Bench) -> None:
    """The key between them is gone, so it cannot sign."""
    chain = a_rotation(OLD, NEW)[1], a_rotation(NEW, NEXT)[1]

    bench.rotating.accept_rotation(told(bench, NEXT, *chain))

    assert is_pinned(bench, NEXT)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("signer", "chain"),
    [
        (EVIL, [a_rotation(OLD, NEW)[1]]),
        (OLD, [a_rotation(OLD, NEW)[1]]),
        (NEW, [a_rotation(EVIL, NEW)[1]]),
        (EVIL, [a_rotation(OLD, NEW)[1], a_rotation(NEXT, EVIL)[1]]),
        (NEW, [b"junk"]),
        (NEW, [a_rotation(OLD, NEW)[1].replace(b'"sig": "', b'"sig": "A')]),
    ],
    ids=["another signs", "the old one signs", "of a stranger", "no chain", "junk", "not signed by both"],
)
def test_nobody_else_gets_a_key_pinned(bench: Bench, signer: InstanceKey, chain: list[bytes]) -> None:
    """And storage is told nothing."""
    with pytest.raises(Unauthenticated):
        bench.rotating.accept_rotation(told(bench, signer, *chain))

    assert is_pinned(bench, OLD)
    assert not [key for key in bench.storage.others if key[0] == ROTATION]


def test_a_revoked_peer_gets_no_new_key_by_telling(bench: Bench, known: tuple[Peer, FakeSite]) -> None:
    """It is as deaf and mute as with its old one."""
    bench.relations.revoke(str(known[0].peer_id), "admin")

    with pytest.raises(Unauthenticated):
        bench.rotating.accept_rotation(told(bench, NEW, a_rotation(OLD, NEW)[1]))

    assert bench.peers.get(str(NEW.instance_id)) is None


@pytest.mark.usefixtures("known")
def test_a_rotation_that_storage_refuses_pins_nothing(bench: Bench) -> None:
    """It may know an earlier one of the same key."""
    bench.storage.refuses_records[ROTATION, str(OLD.instance_id)] = ("RECORD_INVALID", "another rotation came before")

    with pytest.raises(Unauthenticated):
        bench.rotating.accept_rotation(told(bench, NEW, a_rotation(OLD, NEW)[1]))

    assert is_pinned(bench, OLD)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("body", ["", "[]", "{}", '{"rotation": 7}', '{"rotation": "?"}', '{"rotation": "", "earlier": 3}'])
def test_a_body_that_holds_no_rotation_is_refused(bench: Bench, body: str) -> None:
    """As everything is that is not signed."""
    with pytest.raises(Unauthenticated):
        bench.rotating.accept_rotation({"method": "POST", "target": "/", "headers": {}, "body": body})


def test_a_peer_that_answers_with_its_rotation_is_asked_by_its_new_key(bench: Bench, known: tuple[Peer, FakeSite]) -> None:
    """At the next poll, which is now."""
    peer, site = known
    site.answers = PeerRotated("the peer has a new key", a_rotation(OLD, NEW)[1])

    bench.pull(peer)

    assert is_pinned(bench, NEW)
    assert len(bench.peers.due_for_poll(bench.clock())) == 1


@pytest.mark.parametrize("envelope", [b"junk", a_rotation(EVIL, NEW)[1]], ids=["junk", "of another key"])
def test_a_rotation_in_an_answer_proves_itself_or_counts_nothing(bench: Bench, known: tuple[Peer, FakeSite], envelope: bytes) -> None:
    """Answers with an error are not signed."""
    peer, site = known
    site.answers = PeerRotated("the peer has a new key", envelope)

    bench.pull(peer)

    assert is_pinned(bench, OLD)
    assert bench.peer(peer).last_error == "the peer has a new key"


def test_a_peer_that_does_not_know_our_new_key_is_told(bench: Bench, known: tuple[Peer, FakeSite]) -> None:
    """All rotations that lead to it, oldest first; then it is asked again, once."""
    peer, site = known
    chain = [a_rotation(EVIL, NEXT), a_rotation(NEXT, bench.key), a_rotation(OLD, NEW)]
    bench.storage.others |= {(ROTATION, old_id): base64.b64encode(envelope).decode() for old_id, envelope in chain}
    site.answers, site.asked = PeerRefused("who are you?"), []

    bench.pull(peer)

    assert site.told == [chain[0][1], chain[1][1]]
    assert [what for what, _ in site.asked] == ["changes", "rotate", "changes"]
    assert bench.peer(peer).last_error is None


@pytest.mark.parametrize("has_rotated", [True, False])
def test_a_peer_that_refuses_us_for_another_reason_is_noted(
    bench: Bench,
    known: tuple[Peer, FakeSite],
    has_rotated: bool,  # noqa: FBT001 - both ways
) -> None:
    """It revoked us, perhaps."""
    peer, site = known
    old_id, envelope = a_rotation(OLD, bench.key)
    bench.storage.others |= {(ROTATION, old_id): base64.b64encode(envelope).decode()} if has_rotated else {}
    site.answers, site.knows_us = PeerRefused("who are you?"), False

    with pytest.raises(PeerUnreachable):
        bench.pull(peer)

    assert bench.peer(peer).last_error == "who are you?"


@pytest.mark.parametrize("error", [PeerRefused("who are you?"), PeerRotated("the peer has a new key", b"")], ids=["ours", "theirs"])
def test_a_ring_that_meets_a_new_key_has_the_feed_read(bench: Bench, known: tuple[Peer, FakeSite], error: PeerUnreachable) -> None:
    """That is where new keys are dealt with; it need not wait for the next poll."""
    peer, site = known
    site.answers = error

    bench.announcing.ring_due()

    assert [due.peer_id for due in bench.peers.due_for_poll(bench.clock())] == [peer.peer_id]


@pytest.mark.parametrize(
    "page",
    [
        FeedPage("their-epoch", (), 9, more=True, protocol=2),
        FeedPage("their-epoch", (), 3, more=False, protocol=2),
        FeedPage("another", (FeedItem(PACKAGE, SHOWN.package_id),), 9, more=False),
    ],
    ids=["long, in a later version", "went back", "numbered anew"],
)
@pytest.mark.parametrize("protocol", [1, 2])
def test_a_peer_that_is_renamed_while_its_feed_is_read_does_not_rise_again(bench: Bench, page: FeedPage, protocol: int) -> None:
    """Under its old key it would be active, and asked for ever."""
    peer, site = bench.meet("B", epoch="their-epoch", cursor=5, protocol=protocol)
    site.has(SHOWN)

    def on_its_way(to: Peer, _epoch: str | None, _since: int) -> FeedPage:
        bench.rename(to)
        return page

    bench.client.changes = on_its_way  # type: ignore[method-assign]
    bench.pulling.step()

    (renamed,) = bench.peers.all()
    assert renamed.peer_id != peer.peer_id
    with bench.peers.changing() as changes:
        assert changes.sources == changes.deferred == {}


@pytest.mark.parametrize("away", [False, True])
def test_a_peer_that_is_renamed_while_we_ring_does_not_rise_again(bench: Bench, away: bool) -> None:  # noqa: FBT001 - both ways
    """Nor is it rung any more under its old id."""
    peer, site = bench.meet("B")
    site.away = away
    ring = bench.client.announce

    def on_its_way(to: Peer, epoch: str, seq: int) -> None:
        bench.rename(to)
        ring(to, epoch, seq)

    bench.client.announce = on_its_way  # type: ignore[method-assign]
    with bench.peers.changing() as changes:
        changes.announce_to(str(peer.peer_id), bench.clock())

    bench.announcing.ring_due()

    assert bench.peers.get(str(peer.peer_id)) is None
    bench.clock.pass_seconds(3600)
    assert bench.peers.due_announcements(bench.clock()) == []
