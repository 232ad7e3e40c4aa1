"""Claims about the drift check: what the feed forgot is found, fetched and told; what is only on its way is not drift."""

from __future__ import annotations

import base64
from itertools import pairwise
from pathlib import Path

import pytest

from services.replication.domain.peer import Peer
from services.replication.domain.records import PACKAGE
from shared.contracts import events
from shared.testing.builders import Signed, signed
from shared.testing.fakes.peer_client import FakeSite
from tests.unit.replication.mesh_records import a_meta
from tests.unit.replication.replication_bench import Bench

COMMON, LOST = signed(b"common", "Common.pkg"), signed(b"lost", "Lost.pkg")
DAY = 86400


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A replication service that knows nobody."""
    return Bench(tmp_path)


def due(bench: Bench, *packages: Signed, **fields: object) -> tuple[Peer, FakeSite]:
    """A peer with these packages, read to the end; the next pull checks for drift."""
    peer, site = bench.meet("B", **fields)
    for package in packages:
        site.shows(package)
    bench.pull(peer)
    bench.clock.pass_seconds(2 * DAY)
    site.asked.clear()
    return peer, site


def drifted(bench: Bench) -> list[events.CatalogueDriftedV1]:
    """What was told about drift."""
    return [event for event in bench.said if isinstance(event, events.CatalogueDriftedV1)]


def test_without_drift_one_question_is_enough(bench: Bench) -> None:
    """Digests of 256 buckets; it counts as a check."""
    peer, site = due(bench, COMMON, LOST)

    bench.pull(peer)

    assert [what for what, _ in site.asked] == ["changes", "buckets"]
    assert (bench.peer(peer).drift_checks, bench.peer(peer).drift_found, drifted(bench)) == (1, 0, [])


def test_what_the_feed_forgot_is_fetched_and_told(bench: Bench) -> None:
    """A package that we lack, and one that we have with less."""
    peer, site = due(bench, COMMON)
    site.in_feed = False
    site.shows(LOST)
    site.shows(COMMON, a_meta(COMMON))

    bench.pull(peer)

    assert bench.storage.versions() == site.versions()
    assert drifted(bench) == [events.CatalogueDriftedV1(peer_id=str(peer.peer_id), missing=1, different=1)]
    assert (bench.peers.figures()["drift_found"], bench.peers.figures()["drift_checks"]) == (2, 1)


def test_what_is_on_its_way_is_not_drift(bench: Bench) -> None:
    """The feed brings it when it is read once more."""
    peer, site = due(bench, COMMON)
    ask = bench.client.buckets

    def news_meanwhile(*arguments: object) -> object:
        site.shows(LOST)
        return ask(*arguments)  # type: ignore[arg-type]

    bench.client.buckets = news_meanwhile  # type: ignore[assignment,method-assign]
    bench.pull(peer)

    assert bench.storage.versions() == site.versions()
    assert drifted(bench) == []


def test_what_changes_while_it_is_compared_is_left_to_the_feed(bench: Bench) -> None:
    """Only what stands in both lists alike was forgotten."""
    peer, site = due(bench, COMMON)
    site.in_feed = False
    site.shows(LOST)
    ask, versions = bench.client.bucket, iter(range(9))

    def other_each_time(*arguments: object) -> object:
        site.shows(LOST, a_meta(LOST, counter=next(versions)))
        return ask(*arguments)  # type: ignore[arg-type]

    bench.client.bucket = other_each_time  # type: ignore[assignment,method-assign]
    bench.pull(peer)

    assert drifted(bench) == []
    assert LOST.package_id not in bench.storage.manifests


def test_what_only_we_have_is_no_drift_of_ours(bench: Bench) -> None:
    """The peer checks, too."""
    peer, site = due(bench, COMMON)
    package_id = COMMON.package_id
    del site.gives[PACKAGE, package_id]

    bench.pull(peer)

    assert drifted(bench) == []
    assert package_id in bench.storage.manifests


def test_what_we_know_more_about_is_no_drift_of_ours(bench: Bench) -> None:
    """Their list differs, and brings nothing new."""
    peer, _ = due(bench, COMMON)
    bench.storage.metas[COMMON.package_id].add(base64.b64encode(a_meta(COMMON)).decode())

    bench.pull(peer)

    assert drifted(bench) == []
    assert bench.peer(peer).drift_checks == 1


def test_first_checks_are_spread_over_the_day(bench: Bench) -> None:
    """A thousand peers that register in one morning are not compared in one moment."""
    peers = [bench.meet(f"B{number}")[0] for number in range(10)]
    for peer in peers:
        bench.client.site(peer).protocol = 2
    bench.pulling.poll_due()

    times = [bench.peer(peer).next_drift_check for peer in peers]
    waits = [(time - bench.clock()).total_seconds() for time in times if time is not None]
    assert len(waits) == len({round(wait) for wait in waits}) == 10
    assert all(0 <= wait <= DAY for wait in waits)


def test_what_we_refused_is_no_drift(bench: Bench) -> None:
    """It is remembered as refused already, and was not asked for again."""
    bench.storage.refuses_records[PACKAGE, LOST.package_id] = ("RECORD_INVALID", "forged")
    peer, site = due(bench, COMMON, LOST)

    bench.pull(peer)

    assert drifted(bench) == []
    assert "records" not in [what for what, _ in site.asked]


def test_what_the_peer_shows_is_compared_whatever_we_show(bench: Bench) -> None:
    """It is asked for all that it lets us see, and ours are digested by its view of us; what its list names is looked for among all."""
    peer, site = due(bench, COMMON, tags=frozenset({"test"}))
    site.seen_tags, asked = ("production",), list[tuple[object, ...]]()
    site.in_feed = False
    site.shows(LOST)
    digest, listed = bench.storage.digest_buckets, bench.storage.list_bucket
    bench.storage.digest_buckets = lambda *views: asked.append(views) or digest(*views)  # type: ignore[method-assign,func-returns-value]
    bench.storage.list_bucket = lambda _, *views: asked.append(views) or listed(_, *views)  # type: ignore[method-assign,func-returns-value]

    bench.pull(peer)

    assert dict(site.asked)["buckets"] == ["*"]
    assert asked[0] == (("*",), ("production",))
    assert set(asked[1:]) == {(("*",), ("*",))}
    assert [(event.missing, event.different) for event in drifted(bench)] == [(1, 0)]


def test_what_only_we_have_costs_one_list_a_bucket(bench: Bench) -> None:
    """Where the peer sees less than it shows, digests differ every day: its feed is not read again for that."""
    peer, site = due(bench, COMMON)
    del site.gives[PACKAGE, COMMON.package_id]

    bench.pull(peer)

    assert [what for what, _ in site.asked] == ["changes", "buckets", "bucket"]
    assert bench.peer(peer).drift_checks == 1


def test_the_first_check_is_within_a_day_and_then_daily(bench: Bench) -> None:
    """With jitter, so that not all check at once; a peer of the first version is not asked."""
    peer, site = bench.meet("B")
    site.shows(COMMON)
    _, old = bench.meet("old", COMMON)
    checks = []
    for hour in range(24 * 5):
        bench.pulling.poll_due()
        checks += [hour for what, _ in site.asked if what == "buckets"]
        site.asked.clear()
        bench.clock.pass_seconds(3600)

    waits = [later - earlier for earlier, later in pairwise(checks)]
    assert checks[0] <= 24
    assert all(19 <= wait <= 30 for wait in waits)
    assert bench.peer(peer).drift_checks == len(checks) >= 4
    assert "buckets" not in [what for what, _ in old.asked]


def test_a_check_that_fails_is_made_again_soon(bench: Bench) -> None:
    """And fails nothing else."""
    peer, site = due(bench, COMMON)
    site.seen_tags, ask = (), bench.client.buckets

    def away(*_: object) -> object:
        site.away = True
        return ask(*_)  # type: ignore[arg-type]

    bench.client.buckets = away  # type: ignore[assignment,method-assign]
    bench.pull(peer)
    assert bench.peer(peer).drift_checks == 0
    assert bench.peer(peer).last_error is None

    site.away, bench.client.buckets = False, ask  # type: ignore[method-assign]
    bench.clock.pass_seconds(3601)
    bench.pull(peer)
    assert bench.peer(peer).drift_checks == 1
