"""Claims about the second version of the protocol: what a feed names is learned, in bulk, and nothing that is refused is forgotten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.replication.domain.peer import Peer
from services.replication.domain.records import CHARTER, NOT_DELIVERED, PACKAGE, RECORD, ROTATION, Records, Refusal
from services.replication.handlers import learning
from services.replication.handlers.pulling import TurnOver
from shared.contracts import events
from shared.core.errors import ServiceTimeout
from shared.runtime.keys import InstanceKey
from shared.testing.builders import Signed, signed
from shared.testing.fakes.peer_client import FakeSite
from tests.unit.replication.mesh_records import a_charter, a_meta, a_rotation
from tests.unit.replication.replication_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A replication service that knows nobody."""
    return Bench(tmp_path)


def some(count: int) -> list[Signed]:
    """Packages with names of their own."""
    return [signed(bytes([number]), f"{number}.pkg") for number in range(count)]


def asked(site: FakeSite, what: str) -> list[object]:
    """The details of all questions of one kind."""
    return [detail for asked_for, detail in site.asked if asked_for == what]


def deferred(bench: Bench, peer: Peer) -> list[tuple[str, str]]:
    """What of a peer was not taken: ids and codes."""
    ids = [key[1] for key in bench.storage.refuses_records] + [one.id for _, one in bench.client.site(peer).feed.values()]
    return sorted({(one.key[1], one.code) for one in bench.peers.deferred_among(str(peer.peer_id), ids)})


def test_a_page_is_learned_in_one_batch(bench: Bench) -> None:
    """One comparison, one question, one offer; then the cursor; the peer is a source of what it has, not of what it only knows."""
    packages = some(3)
    peer, site = bench.meet("B")
    site.page_size = 10
    for package in packages[:2]:
        site.shows(package, a_meta(package))
    site.shows(packages[2], kind=RECORD)

    bench.pull(peer)

    assert bench.storage.versions() == site.versions()
    assert len(bench.storage.batches) == 1
    assert [what for what, _ in site.asked] == ["changes", "records", "records"]
    assert (bench.peer(peer).cursor, bench.peer(peer).protocol, bench.peer(peer).last_pull) == (3, 2, bench.clock())
    assert [bool(bench.peers.sources_of(package.package_id)) for package in packages] == [True, True, False]


def test_who_is_who_is_learned_before_any_package(bench: Bench) -> None:
    """At the first page of an epoch that is not known: packages are judged by charters and rotations."""
    author = InstanceKey.generate()
    peer, site = bench.meet("B")
    site.shows(signed())
    site.shows_record(CHARTER, str(author.instance_id), a_charter(author))
    site.shows_record(ROTATION, *a_rotation(author))

    bench.pull(peer)
    bench.pull(peer)

    assert asked(site, "records")[0] == ((), ("*",), ("*",))
    first, _ = bench.storage.batches[0]
    assert (len(first.packages), len(first.charters), len(first.rotations)) == (0, 1, 1)
    assert asked(site, "records").count(((), ("*",), ("*",))) == 1


def test_what_is_known_is_not_asked_for(bench: Bench) -> None:
    """It may have come from another peer."""
    package = signed()
    for name in ("B", "C"):
        _, site = bench.meet(name)
        site.shows(package)

    bench.pulling.poll_due()

    assert asked(site, "records") == [((), ("*",), ("*",))]
    assert len(bench.peers.sources_of(package.package_id)) == 2


def test_new_meta_of_a_known_package_is_fetched(bench: Bench) -> None:
    """Its row in the feed takes a new number."""
    package = signed()
    peer, site = bench.meet("B")
    site.shows(package)
    bench.pull(peer)

    site.shows(package, a_meta(package))
    bench.pull(peer)

    assert bench.storage.versions() == site.versions()


def test_what_does_not_fit_in_an_answer_is_asked_again(bench: Bench) -> None:
    """Until it is all there."""
    peer, site = bench.meet("B")
    site.page_size, site.most_given = 10, 2
    for package in some(5):
        site.shows(package)

    bench.pull(peer)

    assert bench.storage.versions() == site.versions()
    assert deferred(bench, peer) == []


def test_large_pages_are_asked_for_in_portions(bench: Bench) -> None:
    """At most 200 records in a question."""
    packages = some(1)
    peer, site = bench.meet("B")
    versions = {(PACKAGE, f"{number:08x}-0000-4000-8000-000000000000"): "0" for number in range(401)}
    site.shows(packages[0])

    bench.learning.learn(peer, versions)

    sizes = {len(packages) for packages, _, _ in asked(site, "records")}  # type: ignore[misc]
    assert sizes == {200, 1}


def test_a_record_that_is_named_and_not_given_is_deferred(bench: Bench) -> None:
    """After it was asked for once more; the cursor moves on; it is tried again, and not for ever."""
    package, other = some(2)
    peer, site = bench.meet("B")
    for one in (package, other):
        site.shows(one)
    given = site.gives.pop((PACKAGE, package.package_id))

    bench.pull(peer)
    assert bench.peer(peer).cursor == 2
    assert deferred(bench, peer) == [(package.package_id, NOT_DELIVERED)]
    assert list(bench.storage.manifests) == [other.package_id]
    assert bench.said == []

    site.gives[PACKAGE, package.package_id] = given
    bench.clock.pass_seconds(31)
    bench.pull(peer)
    assert deferred(bench, peer) == []
    assert bench.storage.versions() == site.versions()


def test_what_never_comes_is_given_up(bench: Bench) -> None:
    """The drift check would find it."""
    package = signed()
    peer, site = bench.meet("B")
    site.shows(package)
    site.gives.clear()

    for _ in range(9):
        bench.pull(peer)
        bench.clock.pass_seconds(3601)

    assert deferred(bench, peer) == []


def test_a_refused_record_is_told_once_and_tried_again(bench: Bench) -> None:
    """With waits that double: it may become right when charters arrive. The rest of the page is not kept waiting."""
    bad, good = some(2)
    peer, site = bench.meet("B")
    for package in (bad, good):
        site.shows(package)
    key = (PACKAGE, bad.package_id)
    bench.storage.refuses_records[key] = ("RECORD_REFUSED", "its author is no steward")
    bench.pull(peer)
    assert (bench.peer(peer).cursor, list(bench.storage.manifests)) == (2, [good.package_id])

    tries = []
    for seconds in range(0, 400, 10):
        before = len(bench.storage.batches)
        bench.pull(peer)
        tries += [seconds] if len(bench.storage.batches) > before else []
        bench.clock.pass_seconds(10)

    assert tries == [30, 90, 210]
    told = events.RecordRefusedV1(
        peer_id=str(peer.peer_id), kind=PACKAGE, record_id=bad.package_id, code="RECORD_REFUSED", reason="its author is no steward"
    )
    assert bench.said == [told]

    bench.storage.refuses_records.clear()
    bench.clock.pass_seconds(3600)
    bench.pull(peer)
    assert deferred(bench, peer) == []
    assert bench.storage.versions() == site.versions()


def test_a_charter_that_arrives_makes_refused_records_due(bench: Bench) -> None:
    """It may be what was missing."""
    package, author = signed(), InstanceKey.generate()
    peer, site = bench.meet("B")
    site.shows(package)
    bench.storage.refuses_records[PACKAGE, package.package_id] = ("RECORD_REFUSED", "its author is no steward")
    bench.pull(peer)
    bench.clock.pass_seconds(1)
    bench.storage.refuses_records.clear()

    site.shows_record(CHARTER, str(author.instance_id), a_charter(author))
    bench.pull(peer)

    assert bench.storage.versions() == site.versions()


def test_a_forged_record_is_never_asked_for_again(bench: Bench) -> None:
    """In this version, from this peer, not even when the feed is read anew; another version is."""
    package = signed()
    peer, site = bench.meet("B")
    site.shows(package)
    bench.storage.refuses_records[PACKAGE, package.package_id] = ("RECORD_INVALID", "not signed by its author")
    bench.pull(peer)
    for epoch in ("another", "a third"):
        site.epoch = epoch
        bench.clock.pass_seconds(7200)
        bench.pull(peer)

    assert [one for one in asked(site, "records") if one[0]] == [((package.package_id,), (), ())]  # type: ignore[index]
    assert len(bench.said) == 1

    bench.storage.refuses_records.clear()
    site.shows(package, a_meta(package))
    bench.pull(peer)
    assert bench.storage.versions() == site.versions()
    assert deferred(bench, peer) == []


def test_of_several_reasons_one_that_may_pass_decides(bench: Bench) -> None:
    """A package with a forged meta record and one that is not entitled yet is tried again."""
    package = signed()
    peer, site = bench.meet("B")
    site.shows(package)
    key = (PACKAGE, package.package_id)
    reasons = [Refusal(key, code, "no") for code in ("RECORD_INVALID", "RECORD_REFUSED", "RECORD_INVALID")]
    bench.storage.offer_records = lambda records, _peer_id: reasons if records else []  # type: ignore[method-assign]

    bench.pull(peer)

    assert deferred(bench, peer) == [(package.package_id, "RECORD_REFUSED")]


def test_records_that_nobody_asked_for_are_not_handed_on(bench: Bench) -> None:
    """A peer cannot push."""
    wanted, pushed = some(2)
    peer, site = bench.meet("B")
    site.shows(wanted)
    site.gives[PACKAGE, wanted.package_id] = replace(site.gives[PACKAGE, wanted.package_id], id=pushed.package_id)  # type: ignore[type-var]

    bench.pull(peer)

    assert bench.storage.manifests == {}


def test_the_cursor_waits_for_storage(bench: Bench) -> None:
    """Storage being away costs a page again, never a record."""
    package = signed()
    peer, site = bench.meet("B")
    site.shows(package)
    bench.storage.fails = ServiceTimeout("storage did not answer")
    with pytest.raises(ServiceTimeout):
        bench.pull(peer)
    assert bench.peer(peer).cursor == 0

    bench.storage.fails = None
    bench.pull(peer)

    assert bench.storage.versions() == site.versions()


def test_a_package_that_is_gone_is_withdrawn(bench: Bench) -> None:
    """With the meta records that say why; the peer is no source any more."""
    package = signed()
    peer, site = bench.meet("B")
    site.shows(package)
    bench.pull(peer)

    why = a_meta(package)
    site.takes_away(package, why)
    bench.pull(peer)

    assert bench.peers.sources_of(package.package_id) == []
    assert len(bench.storage.metas[package.package_id]) == 1
    assert bench.storage.withdrawn == [(package.package_id, str(peer.peer_id))]


@pytest.mark.parametrize("kind", [PACKAGE, RECORD])
def test_a_package_that_another_peer_shows_is_not_withdrawn(bench: Bench, kind: str) -> None:
    """Also if that one has no bytes of it."""
    package = signed()
    peer, site = bench.meet("B")
    _, other = bench.meet("C")
    site.shows(package)
    other.shows(package, kind=kind)
    bench.pulling.poll_due()

    site.takes_away(package)
    bench.pull(peer)

    assert bench.storage.withdrawn == []


def test_all_that_is_due_is_tried_again_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """In portions, but not one portion at each poll: a late charter may make thousands of records right."""
    monkeypatch.setattr(learning, "PORTION", 2)
    packages = some(9)
    peer, site = bench.meet("B")
    for package in packages:
        site.shows(package)
        bench.storage.refuses_records[PACKAGE, package.package_id] = ("RECORD_REFUSED", "its author is no steward")
    bench.pull(peer)
    assert bench.peers.deferred_count(str(peer.peer_id)) == 9

    for package in packages[1:]:
        del bench.storage.refuses_records[PACKAGE, package.package_id]
    bench.clock.pass_seconds(31)
    site.asked.clear()
    bench.pull(peer)

    assert len(bench.storage.manifests) == 8
    assert deferred(bench, peer) == [(packages[0].package_id, "RECORD_REFUSED")]
    assert len(asked(site, "records")) == 5


def test_trying_again_takes_turns_with_the_feeds_of_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is tried at the next turn, which comes soon."""
    monkeypatch.setattr(learning, "PORTION", 2)
    peer, site = bench.meet("B")
    for package in some(9):
        site.shows(package)
        bench.storage.refuses_records[PACKAGE, package.package_id] = ("RECORD_REFUSED", "its author is no steward")
    bench.pull(peer)
    bench.storage.refuses_records.clear()
    bench.clock.pass_seconds(31)
    records = bench.client.records

    def slowly(*asked: Any) -> Records:
        bench.clock.pass_seconds(61)
        return records(*asked)

    monkeypatch.setattr(bench.client, "records", slowly)
    with pytest.raises(TurnOver):
        bench.pull(peer)
    assert len(bench.storage.manifests) == 4

    bench.pulling.poll_due()
    assert len(bench.storage.manifests) == 9


@pytest.mark.parametrize("code", ["RECORD_REFUSED", "RECORD_INVALID", None])
def test_a_peer_may_invent_as_many_packages_as_it_likes(bench: Bench, code: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond those that are here, and those that are waited for, nobody keeps that it named them: refused, forged or not given."""
    monkeypatch.setattr(learning, "_MOST_DEFERRED", 2)
    invented, real = some(12)[:-1], some(12)[-1]
    peer, site = bench.meet("B")
    for package in (real, *invented):
        site.shows(package)
        if code is None:
            del site.gives[PACKAGE, package.package_id]
        elif package is not real:
            bench.storage.refuses_records[PACKAGE, package.package_id] = (code, "invented")
    if code is None:
        site.shows(real)

    bench.pull(peer)
    bench.pull(peer)

    waited_for = bench.peers.deferred_among(str(peer.peer_id), [package.package_id for package in invented])
    assert 2 <= len(waited_for) <= 3
    known = {real.package_id, *(one.key[1] for one in waited_for)}
    assert bench.peers.shown_among([package.package_id for package in (real, *invented)]) == known
