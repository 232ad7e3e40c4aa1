"""Claims about how much replication is told of at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.contracts.events import PackageWantedV1
from shared.testing.builders import Signed, signed
from tests.unit.storage.speaking import document
from tests.unit.storage.storage_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A storage that has three packages fetched at a time."""
    return Bench(tmp_path, wanted_at_once=3)


PACKAGES = [signed(bytes([number]), f"{number}.pkg") for number in range(8)]


def rung(bench: Bench) -> list[str]:
    """Ids of the packages that replication was told of, in order."""
    return [event.package_id for event in bench.events(PackageWantedV1)]


def ids(packages: list[Signed]) -> list[str]:
    """Their ids."""
    return [one.package_id for one in packages]


def test_no_more_are_rung_than_are_wanted_at_once(bench: Bench) -> None:
    """Of a whole catalogue that a new peer brings, in one batch and in the next."""
    bench.learn(*map(document, PACKAGES[:5]))
    bench.learn(*map(document, PACKAGES[5:]))
    bench.packages.sweep()

    assert rung(bench) == ids(PACKAGES[:3])
    assert bench.catalogue.figures()["packages_wanted"] == len(PACKAGES)


def test_the_sweep_rings_the_next_when_some_have_come(bench: Bench) -> None:
    """Until all are here; each is rung once."""
    bench.learn(*map(document, PACKAGES))
    for package in PACKAGES:
        assert package.package_id in rung(bench)
        bench.verify(package)
        bench.packages.sweep()

    assert sorted(rung(bench)) == sorted(ids(PACKAGES))
    assert bench.catalogue.figures()["packages_published"] == len(PACKAGES)


def test_what_is_no_longer_wanted_leaves_its_place(bench: Bench) -> None:
    """Withdrawn or given up: the next one is rung."""
    bench.learn(*map(document, PACKAGES))
    bench.packages.withdraw([PACKAGES[0].package_id], "PEER")
    bench.packages.give_up(PACKAGES[1].package_id, "MANIFEST_SUSPECT", "bad")

    bench.packages.sweep()

    assert rung(bench) == ids(PACKAGES[:5])


def test_what_nobody_has_does_not_keep_the_others_waiting(bench: Bench) -> None:
    """The only source of the first three is away; whatever others have is rung within a few sweeps, and so are those again."""
    bench.learn(*map(document, PACKAGES))
    for _ in range(4):
        bench.clock.pass_seconds(21)
        bench.packages.sweep()

    assert set(rung(bench)) == set(ids(PACKAGES))
    assert all(rung(bench).count(one) >= 2 for one in ids(PACKAGES[:3]))
    per_sweep = len(rung(bench)) / 5
    assert per_sweep <= 3


def test_a_source_that_has_it_now_is_used_at_once(bench: Bench) -> None:
    """Without waiting for the sweep; but not beyond what is wanted at once, and only what is wanted."""
    bench.learn(*map(document, PACKAGES[:2]))

    bench.packages.ring_wanted([PACKAGES[1].package_id, PACKAGES[7].package_id])
    bench.learn(*map(document, PACKAGES[2:]))
    bench.packages.ring_wanted(ids(PACKAGES[3:]))

    assert rung(bench) == [*ids(PACKAGES[:2]), PACKAGES[1].package_id, PACKAGES[2].package_id]
