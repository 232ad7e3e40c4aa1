"""Claims about what people see: which package is where, and what will move before it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.replication.domain.catalogue import Holding, Outline
from services.replication.domain.peer import PeerState
from shared.contracts import events
from shared.core.digest import CHUNK_SIZE
from shared.core.errors import InvalidInput, NotFound
from shared.testing.builders import signed, some_bytes
from tests.unit.replication.replication_bench import Bench

ONE, TWO = (f"{number}0000000-0000-4000-8000-000000000000" for number in range(2))
TEST, PRODUCTION, BOTH = frozenset({"test"}), frozenset({"production"}), frozenset({"test", "production"})


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A replication service that knows nobody."""
    return Bench(tmp_path)


def outline(package_id: str = ONE, tags: frozenset[str] = frozenset(), state: str = "published", **fields: Any) -> Outline:
    """A package of ten bytes here."""
    return Outline(package_id, f"{package_id[0]}.pkg", 10, tags, state, fields.get("bytes_here", state == "published"))


def cells(bench: Bench, package_id: str = ONE) -> dict[str, Any]:
    """States of a package by the names of the instances."""
    found = bench.surveying.matrix([package_id])
    names = {instance["instance_id"]: instance["name"] for instance in found["instances"]}
    return {names[instance]: cell["state"] for instance, cell in found["packages"][package_id].items()}


def test_the_matrix_shows_what_each_peer_says(bench: Bench) -> None:
    """Side by side with our own; a revoked peer is not there."""
    bench.storage.catalogue = [outline()]
    states = {
        "there": Holding("published", bytes_here=True),
        "on_its_way": Holding("wanted", bytes_here=False, percent=40),
        "quarantined": Holding("quarantined", bytes_here=False),
        "deleted": Holding("deleted", bytes_here=True),
        "superseded": Holding("superseded", bytes_here=True),
        "not_entitled": Holding("withheld", bytes_here=False),
    }
    for name, holding in states.items():
        _, site = bench.meet(name, protocol=2)
        site.held[ONE] = holding
    bench.meet("revoked", state=PeerState.REVOKED)

    found = cells(bench)

    assert found == {"US": "there"} | {name: name for name in states}
    shares = [cell["percent"] for cell in bench.surveying.matrix([ONE])["packages"][ONE].values() if cell["percent"] is not None]
    assert shares == [40]


def test_who_does_not_say_is_guessed_from_its_feed(bench: Bench) -> None:
    """And shown as not reachable, if it is not; a peer of the first version has no such answer."""
    bench.storage.catalogue = [outline(), outline(TWO, TEST)]
    away, site = bench.meet("away", protocol=2)
    site.away = True
    old, _ = bench.meet("old")
    bench.meet("silent", protocol=2)
    with bench.peers.changing() as changes:
        changes.add_sources(str(away.peer_id), [ONE])
        changes.add_sources(str(old.peer_id), [TWO])

    assert cells(bench) == {"US": "there", "away": "there", "old": "unknown", "silent": "absent"}
    assert cells(bench, TWO) == {"US": "there", "away": "not_entitled", "old": "there", "silent": "not_entitled"}
    reachable = {one["name"]: one["reachable"] for one in bench.surveying.matrix([ONE])["instances"]}
    assert reachable == {"US": True, "away": False, "old": True, "silent": True}


def test_a_package_on_its_way_to_here_has_a_share(bench: Bench) -> None:
    """Of the slices that are done."""
    package = signed(some_bytes(5 * CHUNK_SIZE))
    bench.meet("B", package)
    bench.want(package)
    bench.moving.step()

    found = bench.surveying.matrix([package.package_id])

    assert found["packages"][package.package_id][str(bench.key.instance_id)] == {"state": "on_its_way", "percent": 40}


def test_large_matrices_are_asked_for_in_portions(bench: Bench) -> None:
    """At most 200 packages in a question, 1000 in all."""
    _, site = bench.meet("B", protocol=2)
    ids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(1001)]

    bench.surveying.matrix(ids[:401])
    assert [len(detail) for what, detail in site.asked if what == "holdings"] == [200, 200, 1]
    with pytest.raises(InvalidInput, match="1000"):
        bench.surveying.matrix(ids)


def test_the_plan_says_what_comes_here(bench: Bench) -> None:
    """From whom; or that nobody has it yet."""
    bench.storage.catalogue = [outline(state="wanted"), outline(TWO, state="wanted")]
    peer, _ = bench.meet("B")
    with bench.peers.changing() as changes:
        changes.add_sources(str(peer.peer_id), [ONE])

    plan = bench.foreseeing.plan(None, None)

    assert [(item["package_id"], item["from"], item["to"]) for item in plan["items"]] == [(ONE, "B", "US"), (TWO, "", "US")]
    assert (plan["bytes"], plan["withdrawals"], plan["left_out"]) == (20, [], 0)
    assert "no peer has it" in plan["items"][1]["why"]


@pytest.mark.parametrize(
    ("tags", "seen", "borne", "goes"),
    [
        (frozenset(), frozenset(), None, True),
        (TEST, frozenset(), None, False),
        (TEST, TEST, None, True),
        (TEST, frozenset("*"), None, True),
        (TEST, TEST, PRODUCTION, False),
        (TEST, TEST, TEST, True),
    ],
)
def test_the_plan_says_what_goes_to_a_peer(bench: Bench, tags: Any, seen: Any, borne: Any, goes: bool) -> None:  # noqa: FBT001
    """What it may see by its registration, and wants by its own word; only what is current here."""
    peer, _ = bench.meet("B", tags=seen, protocol=2)
    bench.storage.borne = {str(peer.peer_id): borne} if borne is not None else {}
    bench.storage.catalogue = [outline(tags=tags), outline(TWO, tags, "superseded", bytes_here=True)]

    plan = bench.foreseeing.plan(None, None)

    assert [(item["package_id"], item["from"], item["to"]) for item in plan["items"]] == ([(ONE, "US", "B")] if goes else [])


def test_what_a_peer_has_does_not_go_there(bench: Bench) -> None:
    """By its feed, or by its own word."""
    bench.storage.catalogue = [outline(), outline(TWO)]
    peer, site = bench.meet("B", protocol=2)
    with bench.peers.changing() as changes:
        changes.add_sources(str(peer.peer_id), [ONE])
    site.held[TWO] = Holding("published", bytes_here=True)

    assert bench.foreseeing.plan(None, None)["items"] == []

    site.held[TWO] = Holding("wanted", bytes_here=False, percent=1)
    assert [item["package_id"] for item in bench.foreseeing.plan(None, None)["items"]] == [TWO]
    assert bench.foreseeing.plan(ONE, None)["items"] == []


def test_a_long_plan_is_cut_and_says_so(bench: Bench) -> None:
    """The bytes are those of all."""
    bench.meet("B")
    bench.storage.catalogue = [outline(f"{number:08x}-0000-4000-8000-000000000000") for number in range(1003)]

    plan = bench.foreseeing.plan(None, None)

    assert (len(plan["items"]), plan["left_out"], plan["bytes"]) == (1000, 3, 10030)


def test_what_other_tags_would_move(bench: Bench) -> None:
    """To a peer that may see it then, away from one that may not; nothing happens."""
    bench.storage.catalogue = [outline(tags=TEST)]
    tester, _ = bench.meet("tester", tags=TEST, protocol=2)
    bench.meet("producer", tags=PRODUCTION, protocol=2)
    bench.meet("both", tags=BOTH, protocol=2)
    with bench.peers.changing() as changes:
        changes.add_sources(str(tester.peer_id), [ONE])

    plan = bench.foreseeing.plan(ONE, ["production"])

    assert sorted(item["to"] for item in plan["items"]) == ["both", "producer"]
    assert sorted(withdrawal["to"] for withdrawal in plan["withdrawals"]) == ["US", "tester"]
    assert "'production'" in plan["items"][0]["why"]
    assert bench.said == []


@pytest.mark.parametrize(
    ("package_id", "tags", "code"), [(None, ["test"], "PACKAGE_MISSING"), (ONE, ["prod"], "STAGE_UNKNOWN"), (TWO, ["test"], "NOT_FOUND")]
)
def test_a_question_that_makes_no_sense_is_refused(bench: Bench, package_id: str | None, tags: list[str], code: str) -> None:
    """With the code that says why."""
    bench.storage.catalogue = [outline()]

    with pytest.raises((InvalidInput, NotFound)) as caught:
        bench.foreseeing.plan(package_id, tags)

    assert caught.value.code == code


@pytest.mark.parametrize(
    "event",
    [
        lambda one: events.PackageDeletedV1(package_id=one, name="App.pkg", author="A", person="admin"),
        lambda one: events.PackageWithdrawnV1(package_id=one, name="App.pkg", policy="hide"),
    ],
    ids=["deleted", "withdrawn"],
)
def test_a_package_that_is_not_to_be_here_is_not_fetched_on(bench: Bench, event: Any) -> None:
    """Its transfer fails with the reason, and its bytes are dropped."""
    package = signed(some_bytes(5 * CHUNK_SIZE))
    bench.meet("B", package)
    bench.want(package)
    bench.moving.step()

    bench.planning.stop(event(package.package_id))

    assert (bench.transfer().state.value, bench.transfer().error) == ("failed", event(package.package_id).type.split(".")[1])
    assert list(bench.store.layout.incoming.iterdir()) == []
    assert not bench.moving.step()
