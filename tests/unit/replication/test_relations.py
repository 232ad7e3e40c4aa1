"""Claims about what a registration lets a peer see and say, and about peers that are heard again."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

from services.replication.domain.peer import Peer, PeerState
from services.replication.domain.records import PACKAGE, FeedPage
from services.replication.domain.refusals import ClocksDiffer, SenderClockDiffers
from services.replication.handlers.authenticating import AuthenticatingHandlers
from services.replication.ports import Sender
from shared.contracts import events
from shared.core.clock import Stamp
from shared.core.errors import InvalidInput, NotFound, PeerUnreachable, ServiceUnavailable, Unauthenticated
from shared.runtime import http_signatures
from shared.runtime.keys import InstanceKey
from shared.testing.builders import signed
from shared.testing.fakes.peers import FakePeerChanges
from tests.unit.replication.replication_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A replication service that knows nobody."""
    return Bench(tmp_path)


def request(bench: Bench, sender: InstanceKey) -> dict[str, object]:
    """A request to us, as the door hands it on."""
    message = http_signatures.Request("GET", "/ods/v1/status", {})
    http_signatures.sign_request(message, sender, bench.key.instance_id)
    return json.loads(json.dumps(vars(message)))  # type: ignore[no-any-return]


def door(bench: Bench) -> AuthenticatingHandlers:
    """The doorkeeper."""
    return AuthenticatingHandlers(bench.peers, bench.signatures, bench.clock)


def test_other_tags_are_another_view(bench: Bench) -> None:
    """What it ever saw stays noted, the peer is rung with the new epoch, and reads anew."""
    peer, site = bench.meet("B")
    numbers = []
    for tags in (["test", "production"], ["production"], ["production"], ["test"], ["production"]):
        shown = bench.relations.change_peer(str(peer.peer_id), tags, None, "admin")
        numbers.append(bench.peer(peer).view)

    assert shown["tags"] == ["production"]
    assert bench.peer(peer).view_document == {"tags": ["production"], "ever": [".", "production", "test"], "number": numbers[-1]}
    assert numbers[1] == numbers[2]
    assert len({0, *numbers}) == 5
    bench.announcing.ring_due()
    assert site.rung == [(f"our-epoch.{numbers[-1]}", 7)]


def test_no_view_is_ever_named_like_another(bench: Bench) -> None:
    """A database that was restored lets the peer see something else than what it read under the name that was given since."""
    peer, _ = bench.meet("B")
    backup = bench.peer(peer)

    first, second = backup.seeing(frozenset({"test"})), backup.seeing(frozenset({"production"}))

    assert first.epoch_shown("e") != second.epoch_shown("e")


def test_without_a_change_nobody_is_rung(bench: Bench) -> None:
    """None means: as it is."""
    peer, site = bench.meet("B", tags=frozenset({"test"}))

    bench.relations.change_peer(str(peer.peer_id), None, None, "admin")
    bench.relations.change_peer(str(peer.peer_id), ["test"], steward=True, person="admin")
    bench.announcing.ring_due()

    assert site.rung == []
    assert (bench.peer(peer).view, bench.peer(peer).tags) == (0, frozenset({"test"}))


@pytest.mark.parametrize(("tags", "code"), [(["prod"], "STAGE_UNKNOWN"), (["P!"], "TAG_INVALID"), ("test", "TAG_INVALID")])
def test_tags_of_a_registration_are_stages(bench: Bench, tags: object, code: str) -> None:
    """Or all of them; a mistyped one would hide packages silently."""
    peer, _ = bench.meet("B")

    with pytest.raises(InvalidInput) as caught:
        bench.relations.change_peer(str(peer.peer_id), tags, None, "admin")

    assert caught.value.code == code
    assert bench.relations.change_peer(str(peer.peer_id), ["*"], None, "admin")["tags"] == ["*"]
    with pytest.raises(NotFound):
        bench.relations.change_peer("NOBODY", [], None, "admin")


def test_stewards_are_declared_with_the_time_of_their_dismissal(bench: Bench) -> None:
    """What they wrote before stays; one that never was a steward is not named."""
    peer, _ = bench.meet("B")
    bench.meet("C")
    peer_id, now = str(peer.peer_id), str(Stamp.of(bench.clock()))

    for steward in (True, False, True):
        bench.relations.change_peer(peer_id, None, steward, "admin")

    stewards = [stewards for stewards, _ in bench.storage.declared]
    assert stewards == [[{"instance_id": peer_id, "until": until}] for until in (None, now, None)]


def test_a_revoked_peer_is_declared(bench: Bench) -> None:
    """With the moment from which on it is not trusted."""
    peer, _ = bench.meet("B")
    bench.clock.pass_seconds(60)

    bench.relations.revoke(str(peer.peer_id), "admin")

    _, revoked = bench.storage.declared[-1]
    assert revoked == [{"instance_id": str(peer.peer_id), "since": str(Stamp.of(bench.clock()))}]
    assert bench.storage.admitted == []


def test_a_peer_that_is_let_in_again_says_so(bench: Bench) -> None:
    """From then on, and later than its revocation, even if the clock was set back in between: storage ends the revocation by that."""
    peer, _ = bench.meet("B")
    bench.relations.declare()
    assert bench.storage.admitted == [{"instance_id": str(peer.peer_id), "since": str(Stamp.of(peer.registered))}]
    bench.relations.revoke(str(peer.peer_id), "admin")
    revoked = bench.peer(peer)
    assert revoked.revoked_since is not None

    again = revoked.admitted(bench.clock() - dt.timedelta(hours=1))

    assert again.admission is not None
    assert again.admission["since"] > str(revoked.revoked_since)
    assert (again.state, again.revoked_since, again.revocation) == (PeerState.ACTIVE, None, None)


def test_declaring_can_wait(bench: Bench) -> None:
    """If storage is away, the change stands, and the sweep declares it."""
    peer, _ = bench.meet("B")
    bench.storage.fails = ServiceUnavailable("not running")
    bench.relations.revoke(str(peer.peer_id), "admin")
    bench.storage.fails = None

    bench.relations.declare()

    assert bench.peer(peer).state is PeerState.REVOKED
    assert len(bench.storage.declared) == 1


def test_whom_a_steward_revoked_is_no_peer(bench: Bench) -> None:
    """Once, and others stay; storage knows the ids that an instance had. Our charter says so too."""
    peer, _ = bench.meet("B")
    other, _ = bench.meet("C")
    bench.storage.revoked = {str(peer.peer_id): "STEWARD", "A" * 52: "STEWARD"}
    for _ in range(2):
        bench.relations.follow_stewards()

    assert (bench.peer(peer).state, bench.peer(other).state) == (PeerState.REVOKED, PeerState.ACTIVE)
    assert bench.said == [events.PeerRevokedV1(peer_id=str(peer.peer_id), name="B", person="STEWARD")]
    assert [one["instance_id"] for one in bench.storage.declared[-1][1]] == [str(peer.peer_id)]


def test_stewards_are_asked_again_if_storage_was_away(bench: Bench) -> None:
    """Nobody is revoked meanwhile, and nothing fails."""
    peer, _ = bench.meet("B")
    bench.storage.revoked, bench.storage.fails = {str(peer.peer_id): "STEWARD"}, ServiceUnavailable("not running")
    bench.relations.follow_stewards()
    assert bench.peer(peer).state is PeerState.ACTIVE

    bench.storage.fails = None
    bench.relations.follow_stewards()

    assert bench.peer(peer).state is PeerState.REVOKED


def test_a_peer_with_an_error_is_asked_at_once_when_it_is_heard(bench: Bench) -> None:
    """By a request of its; though not more often because it asks often."""
    key = InstanceKey.generate()
    peer, site = bench.meet("B", key=key)
    site.away = True
    bench.pulling.poll_due()
    site.away = False
    keeper = door(bench)

    keeper.authenticate(request(bench, key))

    assert [known.peer_id for known in bench.peers.due_for_poll(bench.clock())] == [peer.peer_id]
    bench.change(peer, next_poll=bench.clock.now.replace(year=2030))
    keeper.authenticate(request(bench, key))
    assert bench.peers.due_for_poll(bench.clock()) == []


def test_a_ring_that_is_heard_again_has_the_feed_read(bench: Bench) -> None:
    """The link is back."""
    peer, _ = bench.meet("B", last_error="away", next_poll=Bench.later())
    bench.announcing.announce(events.CatalogueChangedV1())

    bench.announcing.ring_due()

    assert [known.peer_id for known in bench.peers.due_for_poll(bench.clock())] == [peer.peer_id]


def test_a_change_of_the_catalogue_is_announced(bench: Bench) -> None:
    """To all but the one that it came from."""
    source, from_site = bench.meet("source")
    _, other_site = bench.meet("other")

    bench.announcing.announce(events.CatalogueChangedV1(received_from=str(source.peer_id)))
    bench.announcing.ring_due()

    assert (other_site.rung, from_site.rung) == ([bench.storage.position], [])


def test_a_clock_that_differs_is_told_once_and_forgotten(bench: Bench) -> None:
    """A peer that refuses us for its clock: noted with the difference, until it answers well again."""
    peer, site = bench.meet("B")
    site.answers = ClocksDiffer("the peer's clock is 300 seconds ahead of ours", 300.0)
    for _ in range(2):
        with pytest.raises(PeerUnreachable):
            bench.pull(peer)

    assert bench.said == [events.PeerClockSkewedV1(peer_id=str(peer.peer_id), name="B", seconds=300.0)]
    assert (bench.peer(peer).clock_skew_seconds, "300 seconds" in str(bench.peer(peer).last_error)) == (300.0, True)

    site.answers = None
    bench.pull(peer)
    assert (bench.peer(peer).clock_skew_seconds, bench.peer(peer).last_error) == (None, None)


def test_a_request_with_another_time_is_noted_if_its_signature_is_right(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once; a stranger's, or one that somebody changed, is not. Who asks hears that only the clock is wrong."""
    key, stranger = InstanceKey.generate(), InstanceKey.generate()
    peer, _ = bench.meet("B", key=key)
    asked = [request(bench, one) for one in (key, key, stranger)]
    forged = {**asked[0], "target": "/ods/v1/changes"}
    monkeypatch.setattr(http_signatures.dt, "datetime", _InTenMinutes)

    codes = []
    for message in (forged, asked[2], asked[0], asked[1]):
        with pytest.raises(Unauthenticated) as caught:
            door(bench).authenticate(message)
        codes.append((type(caught.value), caught.value.code))

    assert codes == [(Unauthenticated, "UNAUTHENTICATED")] * 2 + [(Unauthenticated, "CLOCK_SKEW")] * 2
    assert [event.type for event in bench.said] == ["peer.clock_skewed.v1"]
    assert -605 < (bench.peer(peer).clock_skew_seconds or 0) < -595


class _InTenMinutes(http_signatures.dt.datetime):
    @classmethod
    def now(cls, tz: object = None) -> http_signatures.dt.datetime:
        """Ten minutes later than it is."""
        return super().now(tz) + http_signatures.dt.timedelta(minutes=10)  # type: ignore[arg-type]


def test_how_far_we_are_behind_is_known(bench: Bench) -> None:
    """As far as the peer told; nothing once its feed is read to the end, also if it shows us less."""
    peer, site = bench.meet("B")
    site.shows(signed())
    assert bench.relations.list_peers()["items"][0]["behind"] is None

    bench.announcing.hear(str(peer.peer_id), "their-epoch", 9)
    assert bench.relations.list_peers()["items"][0]["behind"] == 9
    assert bench.peers.figures()["feed_behind"] == 9

    bench.pull(peer)
    assert bench.relations.list_peers()["items"][0]["behind"] == 0


def test_news_that_are_announced_while_a_feed_is_read_are_read_at_once(bench: Bench) -> None:
    """The ring comes when the last page was given already."""
    peer, site = bench.meet("B")
    site.shows(signed())
    ask, heard = bench.client.changes, events.PeerAnnouncedV1(peer_id=str(peer.peer_id), epoch="their-epoch", seq=2)

    def meanwhile(*arguments: object) -> object:
        page = ask(*arguments)  # type: ignore[arg-type]
        bench.announcing.hear(str(peer.peer_id), "their-epoch", 2)
        bench.pulling.heard(heard)
        return page

    bench.client.changes = meanwhile  # type: ignore[assignment,method-assign]
    bench.pull(peer)

    assert [known.peer_id for known in bench.peers.due_for_poll(bench.clock())] == [peer.peer_id]


def test_a_restored_catalogue_reads_every_feed_from_its_start(bench: Bench) -> None:
    """Also one that is being read at that moment."""
    package = signed()
    peer, site = bench.meet("B")
    site.shows(package)
    bench.pull(peer)
    bench.pulling.start_anew()
    assert (bench.peer(peer).epoch, bench.peer(peer).cursor) == (None, 0)

    ask = bench.client.changes

    def meanwhile(*arguments: object) -> object:
        page = ask(*arguments)  # type: ignore[arg-type]
        bench.client.changes = ask  # type: ignore[method-assign]
        bench.change(peer, epoch="their-epoch", cursor=1)
        bench.pulling.start_anew()
        return page

    bench.change(peer, epoch="their-epoch", cursor=1)
    bench.client.changes = meanwhile  # type: ignore[assignment,method-assign]
    bench.pull(peer)
    bench.storage.manifests.clear()
    bench.pull(peer)

    assert bench.storage.versions() == site.versions()


@pytest.mark.parametrize("seconds", [0, -3600], ids=["an error", "another time"])
def test_a_peer_that_is_renamed_while_it_asks_does_not_rise_again(bench: Bench, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is to be noted about it: under its old key nobody is known any more."""
    key = InstanceKey.generate()
    peer, _ = bench.meet("B", key=key, last_error="away")
    message, changing = request(bench, key), bench.peers.changing

    def after_the_rename() -> AbstractContextManager[FakePeerChanges]:
        monkeypatch.setattr(bench.peers, "changing", changing)
        bench.rename(peer)
        return changing()

    monkeypatch.setattr(bench.peers, "changing", after_the_rename)
    if seconds:
        monkeypatch.setattr(bench.signatures, "verify", refused_for_its_time(peer, seconds))
    with suppress(Unauthenticated):
        door(bench).authenticate(message)

    assert len(bench.peers.all()) == 1
    assert bench.peers.get(str(peer.peer_id)) is None


def refused_for_its_time(peer: Peer, seconds: float) -> Callable[..., Sender]:
    """A signature that is right, of another time."""

    def verify(_request: object, _find: object) -> Sender:
        raise SenderClockDiffers("another time", str(peer.peer_id), seconds)

    return verify


def test_what_a_revoked_peer_told_is_dropped(bench: Bench) -> None:
    """What it has, and what of it was refused; also what it tells while it is revoked."""
    package, refused, *late = (signed(bytes([number]), f"{number}.pkg") for number in range(4))
    peer, site = bench.meet("B")
    for one in (refused, late[1]):
        bench.storage.refuses_records[PACKAGE, one.package_id] = ("RECORD_REFUSED", "no steward")
    for one in (package, refused):
        site.shows(one)
    bench.pull(peer)
    for one in late:
        site.shows(one)
    changes = bench.client.changes

    def revoked_meanwhile(to: Peer, epoch: str | None, since: int) -> FeedPage:
        bench.revoke(peer)
        return changes(to, epoch, since)

    bench.client.changes = revoked_meanwhile  # type: ignore[method-assign]
    bench.pull(peer)

    with bench.peers.changing() as kept:
        assert kept.sources == kept.deferred == {}
