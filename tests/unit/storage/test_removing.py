"""Claims about bytes that are no longer to be kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.storage.domain.package import Package, PackageState
from shared.contracts.events import PackageHashedV1, PackageWantedV1, PackageWithdrawnV1
from shared.core.meta import MetaField
from shared.testing.builders import file_digests, signed
from shared.testing.fakes.catalogue import FakeChanges
from shared.testing.records import later
from tests.unit.storage.speaking import Author, document
from tests.unit.storage.storage_bench import TRANSFER, Bench, Crash

DAY = 86_400
ORIGIN = Author()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A storage that keeps one superseded package of a name, and its trash for a day."""
    return Bench(tmp_path, superseded_kept=1, trash_seconds=DAY)


def has_bytes(bench: Bench, package: Package) -> tuple[bool, bool]:
    """What the catalogue says, and what the disk says."""
    return bench.package(package.package_id).bytes_here, bench.store.has_blob(package.sha256)


def test_what_is_beyond_retention_is_removed(bench: Bench) -> None:
    """The oldest go first; it asks nothing of the peers, and they are told that the bytes cannot be had here."""
    old, middle, new = (bench.package(bench.uploaded(bytes([65 + number]))) for number in range(3))

    bench.do.removing.sweep()

    assert [has_bytes(bench, one) for one in (old, middle, new)] == [(False, False), (True, True), (True, True)]
    assert bench.state_of(old.package_id) is PackageState.SUPERSEDED
    assert {item["id"]: item["kind"] for item in bench.feed()}[old.package_id] == "record"
    assert bench.public() == b"C"
    assert bench.events(PackageWantedV1) == []


def test_the_trash_is_emptied_when_it_is_time(bench: Bench) -> None:
    """From the stamp of the tombstone on; not before."""
    package = bench.package(bench.uploaded(b"bytes"))
    bench.do.stewards.delete(package.package_id, "anna")

    bench.clock.pass_seconds(DAY - 1)
    bench.do.removing.sweep()
    assert has_bytes(bench, package) == (True, True)
    bench.clock.pass_seconds(1)
    bench.do.removing.sweep()
    bench.do.removing.sweep()

    assert has_bytes(bench, package) == (False, False)
    assert bench.state_of(package.package_id) is PackageState.DELETED


def test_bytes_that_another_package_has_stay(bench: Bench) -> None:
    """Only the record is emptied; the blob goes with the last one that has it."""
    mine, other = bench.package(bench.uploaded(b"bytes")), bench.package(bench.uploaded(b"bytes", "Other.pkg"))
    bench.do.stewards.delete(mine.package_id, "anna")
    bench.clock.pass_seconds(DAY)
    bench.do.removing.sweep()
    assert (has_bytes(bench, mine), has_bytes(bench, other)) == ((False, True), (True, True))
    assert bench.public("Other.pkg") == b"bytes"

    bench.do.stewards.delete(other.package_id, "anna")
    bench.clock.pass_seconds(DAY)
    bench.do.removing.sweep()

    assert has_bytes(bench, other) == (False, False)


def test_bytes_that_are_just_becoming_another_package_stay(bench: Bench) -> None:
    """A second upload of the same bytes found them here already, and dropped its own copy, just before they were due."""
    mine = bench.package(bench.uploaded(b"bytes"))
    bench.do.stewards.delete(mine.package_id, "anna")
    upload_id = bench.receive(b"bytes", "Again.pkg")
    crash_when(bench, lambda changes: any(one.name == "Again.pkg" for one in changes.packages.values()))
    with pytest.raises(Crash):
        bench.uploads.take_digests(PackageHashedV1(upload_id=upload_id, digests=file_digests(b"bytes")))
    bench.catalogue.crashes = lambda _: False
    bench.clock.pass_seconds(DAY)

    bench.do.removing.sweep()
    bench.uploads.sweep(20, 3600)

    assert bench.public("Again.pkg") == b"bytes"


def test_bytes_that_just_came_for_another_package_stay(bench: Bench) -> None:
    """The same, of a package that comes from a peer."""
    mine = bench.package(bench.uploaded(b"bytes"))
    bench.do.stewards.delete(mine.package_id, "anna")
    bench.store.remove_blob(mine.sha256)
    package = signed(b"bytes", "Theirs.pkg")
    bench.offer(package)
    crash_when(bench, lambda changes: changes.packages[package.package_id].bytes_here)
    with pytest.raises(Crash):
        bench.verify(package)
    bench.catalogue.crashes = lambda _: False
    bench.clock.pass_seconds(DAY)

    bench.do.removing.sweep()
    bench.packages.sweep()

    assert bench.state_of(package) is PackageState.PUBLISHED
    assert bench.store.has_blob(package.manifest.sha256)


def crash_when(bench: Bench, when: object) -> None:
    """The process ends before the first commit of which this is so."""

    def crashes(changes: FakeChanges) -> bool:
        return bool(when(changes))  # type: ignore[operator]

    bench.catalogue.crashes = crashes


def test_a_crash_before_the_commit_is_made_good(bench: Bench) -> None:
    """The bytes are gone, the record says otherwise: due again, and removing twice is removing once."""
    package = bench.package(bench.uploaded(b"bytes"))
    bench.do.stewards.delete(package.package_id, "anna")
    bench.clock.pass_seconds(DAY)
    crash_when(bench, lambda _: True)
    with pytest.raises(Crash):
        bench.do.removing.sweep()
    bench.catalogue.crashes = lambda _: False

    bench.do.removing.sweep()

    assert has_bytes(bench, package) == (False, False)


def test_what_is_raised_after_its_removal_is_wanted_again(bench: Bench) -> None:
    """Its bytes come from whoever kept them; until then clients get what they got."""
    old, *_ = (bench.package(bench.uploaded(bytes([65 + number]))) for number in range(3))
    bench.do.removing.sweep()

    bench.do.stewards.raise_(old.package_id, "anna")
    assert bench.state_of(old.package_id) is PackageState.WANTED
    assert bench.public() == b"C"
    bench.bring(b"A", TRANSFER)
    bench.verify(signed(b"A", package_id=old.package_id))

    assert bench.public() == b"A"


def test_what_others_undelete_after_our_trash_is_empty_is_wanted_again(bench: Bench) -> None:
    """They may keep theirs for longer."""
    package = signed(origin=ORIGIN.key)
    bench.have(package)
    bench.learn(document(package, ORIGIN.says(package, MetaField.DELETED, stamp=later(0))))
    bench.clock.pass_seconds(DAY)
    bench.do.removing.sweep()

    bench.learn(document(package, ORIGIN.says(package, MetaField.DELETED, value=False, stamp=later(1))))

    assert bench.state_of(package) is PackageState.WANTED
    assert len(bench.events(PackageWantedV1)) == 2


def test_what_is_undeleted_before_it_is_due_is_not_removed(bench: Bench) -> None:
    """Its date goes with the tombstone."""
    package = bench.package(bench.uploaded(b"bytes"))
    bench.do.stewards.delete(package.package_id, "anna")
    bench.do.stewards.undelete(package.package_id, "anna")
    bench.clock.pass_seconds(2 * DAY)

    bench.do.removing.sweep()

    assert has_bytes(bench, package) == (True, True)


@pytest.mark.parametrize(("policy", "public", "here"), [("keep", b"bytes", True), ("hide", None, True), ("remove", None, False)])
@pytest.mark.parametrize("why", ["tags", "gone"])
def test_what_is_no_longer_for_us_follows_the_policy(tmp_path: Path, policy: str, public: bytes | None, here: bool, why: str) -> None:  # noqa: FBT001 - a parameter of the test
    """Kept, hidden or removed, whether it was retagged or a peer says that it is gone; told once if clients lose it."""
    bench = Bench(tmp_path, gone_policy=policy)
    package = signed(origin=ORIGIN.key)
    bench.have(package)
    for _ in range(2):
        if why == "tags":
            bench.learn(document(package, ORIGIN.says(package, MetaField.TAGS, ("test",), later(1))))
        else:
            bench.packages.withdraw([package.package_id, "3f0e8a2c-5b1d-4c7e-9a60-1f2e3d4c5b6a"], "PEER")
        bench.do.removing.sweep()

    assert (bench.public(), bench.package(package.package_id).bytes_here) == (public, here)
    assert [event.policy for event in bench.events(PackageWithdrawnV1)] == ([] if policy == "keep" else [policy])


def test_what_is_shown_again_comes_back(tmp_path: Path) -> None:
    """At once if the bytes were hidden, from a peer if they were removed."""
    for policy, state in (("hide", PackageState.PUBLISHED), ("remove", PackageState.WANTED)):
        bench = Bench(tmp_path / policy, gone_policy=policy)
        package = signed(origin=ORIGIN.key)
        bench.have(package)
        bench.packages.withdraw([package.package_id], "PEER")
        bench.do.removing.sweep()
        assert bench.state_of(package) is PackageState.WITHHELD

        bench.learn(document(package))

        assert bench.state_of(package) is state


def test_what_we_made_ourselves_stays_when_a_peer_says_that_it_is_gone(bench: Bench) -> None:
    """Nobody can take it from us."""
    package_id = bench.uploaded(b"bytes")

    bench.packages.withdraw([package_id], "PEER")

    assert bench.public() == b"bytes"
