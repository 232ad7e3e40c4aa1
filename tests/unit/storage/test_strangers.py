"""Claims about charters and rotations of instances that have nothing to do with us: keys cost nothing, so not all are kept."""

from __future__ import annotations

import base64
import functools
from pathlib import Path

import pytest

from services.storage.domain.strangers import Strangers
from services.storage.handlers import records
from shared.contracts.events import InstanceRotatedV1
from shared.runtime.keys import open_rotation
from shared.testing.builders import signed
from shared.testing.records import later
from tests.unit.storage.speaking import Author, document
from tests.unit.storage.storage_bench import Bench

MOST = 4
PEER, ORIGIN, STEWARD, FAR = Author(), Author(), Author(), Author()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A storage that keeps records of four strangers, and has a peer and an origin."""
    monkeypatch.setattr(records, "Strangers", functools.partial(Strangers, most=MOST))
    bench = Bench(tmp_path)
    bench.declare(registered={PEER: later(-9)})
    bench.learn(document(signed(origin=ORIGIN.key)))
    return bench


def crowd(bench: Bench, number: int) -> list[tuple[str, str]]:
    """Charters and rotations of as many invented keys, half of each; what was refused."""
    found = bench.learn(charters=[Author().charter() for _ in range(number // 2)])
    return found + bench.learn(rotations=[Author().rotation(Author()) for _ in range(number - number // 2)])


def test_a_crowd_of_invented_keys_is_not_kept(bench: Bench) -> None:
    """Beyond some they are refused, and may be told again later."""
    refused = crowd(bench, 10)

    assert refused == [("charter", "RECORD_REFUSED")] * (5 - MOST) + [("rotation", "RECORD_REFUSED")] * 5
    assert len(bench.catalogue.charters()) + len(bench.catalogue.rotations()) == MOST + 1  # and our own


def test_who_has_to_do_with_us_is_heard_in_any_crowd(bench: Bench) -> None:
    """A peer, the origin of a package, whom one of these names, over any number of steps; and their next keys."""
    crowd(bench, 10)

    for author, named in ((PEER, None), (ORIGIN, STEWARD), (STEWARD, FAR), (FAR, None)):
        assert bench.learn(charters=[author.charter(*([named] if named else []))]) == []
    assert bench.learn(rotations=[FAR.rotation(Author(), later(1))]) == []
    assert bench.learn(charters=[Author().charter()]) == [("charter", "RECORD_REFUSED")]


def test_a_stranger_that_is_known_goes_on_being_heard(bench: Bench) -> None:
    """It takes no more room than it has."""
    stranger = Author()
    assert bench.learn(charters=[stranger.charter()]) == []
    crowd(bench, 10)

    assert bench.learn(charters=[stranger.charter(stamp=later(1))]) == []


def test_a_stranger_is_heard_once_it_made_a_package(bench: Bench) -> None:
    """Then what it says may decide something."""
    crowd(bench, 10)
    stranger = Author()
    assert bench.learn(charters=[stranger.charter()]) == [("charter", "RECORD_REFUSED")]

    bench.learn(document(signed(b"more", "More.pkg", origin=stranger.key)))

    assert bench.learn(charters=[stranger.charter()]) == []


def test_our_own_former_keys_are_found_in_any_crowd(bench: Bench) -> None:
    """Only those that lead to the present one, oldest first."""
    crowd(bench, 10)
    for seconds in (1, 2):
        bench.clock.pass_seconds(seconds)
        bench.do.relations.rotate("anna")
    told = [event for event in bench.events(InstanceRotatedV1) if event.person == "anna"]

    found = [open_rotation(base64.b64decode(text)) for text in bench.do.relations.former_keys()["rotations"]]

    assert [(str(one.old), str(one.new)) for one in found] == [(event.old_id, event.new_id) for event in told]
    assert found[-1].new == bench.key.instance_id
