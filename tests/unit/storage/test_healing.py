"""Claims about databases that were restored, rules that changed, and clocks that were ahead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.storage.domain.package import PackageState
from shared.contracts import events
from shared.core.meta import MetaField
from shared.testing.builders import signed
from shared.testing.records import later
from tests.unit.storage.speaking import Author, document
from tests.unit.storage.storage_bench import Bench, Crash

HOUR = 3600


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty storage, of which nobody was told anything."""
    return Bench(tmp_path, superseded_kept=1)


def tell(bench: Bench) -> tuple[str, int]:
    """Peers read the feed to its end; epoch and number that they were told."""
    bench.feed()
    position = bench.do.feed.position()
    return position["epoch"], position["seq"]


# A database that was restored


def test_a_start_on_the_same_database_is_none(bench: Bench) -> None:
    """The epoch stays, nothing is told."""
    bench.uploaded(b"bytes")
    told = tell(bench)

    bench.start()

    assert tell(bench) == told
    assert bench.events(events.CatalogueRestoredV1) == []


def test_a_database_older_than_what_was_told_begins_another_epoch(bench: Bench) -> None:
    """An alarm, once; readers begin anew, whatever number they had."""
    backup = bench.catalogue.snapshot()
    bench.uploaded(b"bytes")
    epoch, seq = tell(bench)

    bench.catalogue.restore(backup)
    bench.start()
    bench.start()

    (told,) = bench.events(events.CatalogueRestoredV1)
    assert (told.told_seq, told.found_seq, told.epoch) == (seq, 0, tell(bench)[0])
    assert tell(bench)[0] != epoch


def test_a_database_that_nobody_knew_the_end_of_is_no_alarm(bench: Bench) -> None:
    """What was never told is missed by nobody."""
    backup = bench.catalogue.snapshot()
    bench.uploaded(b"bytes")

    bench.catalogue.restore(backup)
    bench.start()

    assert bench.events(events.CatalogueRestoredV1) == []


def test_what_we_made_and_wrote_comes_back(bench: Bench) -> None:
    """Packages with their bytes, tags and tombstones, from the files beside the database; nobody need be asked."""
    old = bench.uploaded(b"old")
    backup = bench.catalogue.snapshot()
    bench.do.stewards.delete(old, "anna")
    new = bench.uploaded(b"new", "New.pkg", tags=["test"])
    bench.do.stewards.retag(new, ["development"], "anna")
    tell(bench)

    bench.catalogue.restore(backup)
    bench.start()

    assert bench.state_of(old) is PackageState.DELETED
    assert (bench.state_of(new), bench.package(new).tags) == (PackageState.PUBLISHED, {"development"})
    assert bench.package(new).received_from is None
    assert bench.public() is None
    assert bench.public("New.pkg") == b"new"


def test_who_may_have_seen_a_package_is_not_forgotten(bench: Bench) -> None:
    """Tags that it had in between too, so that peers that had it then are told that it is gone."""
    backup = bench.catalogue.snapshot()
    package_id = bench.uploaded(b"bytes", tags=["test"])
    for tags in (["development"], ["production"]):
        bench.do.stewards.retag(package_id, tags, "anna")
    tell(bench)

    bench.catalogue.restore(backup)
    bench.start()

    assert bench.package(package_id).ever == {"test", "development", "production"}


@pytest.mark.parametrize("junk", [None, 5, "test", [5, "a b"], {"test": 1}])
def test_a_record_file_that_says_nothing_of_it_is_read_all_the_same(bench: Bench, junk: object) -> None:
    """As those of earlier versions."""
    backup = bench.catalogue.snapshot()
    package_id = bench.uploaded(b"bytes", tags=["test"])
    tell(bench)
    document = json.loads(bench.files.documents[package_id])
    bench.files.documents[package_id] = json.dumps(document | {"ever": junk}).encode()

    bench.catalogue.restore(backup)
    bench.start()

    assert bench.package(package_id).ever == {"test"}


@pytest.mark.parametrize("backups", [0, 1, 2])
def test_versions_come_back_with_the_bytes_that_are_here(bench: Bench, backups: int) -> None:
    """Superseded ones and those in the trash too, whatever the order in which their files are read; so they can be had and undeleted."""
    snapshots, ids = [bench.catalogue.snapshot()], list[str]()
    for number in range(4):
        ids.append(bench.uploaded(bytes([65 + number])))
        snapshots.append(bench.catalogue.snapshot())
    bench.do.stewards.delete(ids[3], "anna")
    bench.do.removing.sweep()
    here = {one: (bench.package(one).state, bench.package(one).bytes_here) for one in ids}
    tell(bench)

    bench.catalogue.restore(snapshots[backups])
    bench.start()

    assert {one: (bench.package(one).state, bench.package(one).bytes_here) for one in ids} == here
    assert bench.public() is None
    assert bench.do.stewards.undelete(ids[3], "anna")["state"] == "published"


def test_bytes_that_are_gone_since_the_backup_are_found_missing(bench: Bench) -> None:
    """Of every version at once: none of them is shown in place of another, and the service starts."""
    for number in range(3):
        bench.have(signed(bytes([65 + number]), created=bench.clock.pass_seconds(1)))
    backup = bench.catalogue.snapshot()
    for package in list(bench.catalogue.named("App.pkg")):
        bench.store.remove_blob(package.sha256)
    bench.offer(signed(b"later", "Later.pkg"))
    tell(bench)

    bench.catalogue.restore(backup)
    bench.start()

    packages = sorted(bench.catalogue.named("App.pkg"), key=lambda one: one.precedence)
    assert [one.state for one in packages] == [PackageState.SUPERSEDED, PackageState.SUPERSEDED, PackageState.WANTED]
    assert not any(one.bytes_here for one in packages)
    assert bench.public() is None


def test_superseded_bytes_that_are_gone_since_the_backup_are_found_missing(bench: Bench) -> None:
    """They are not offered to peers any more, although what clients get is as it was."""
    old, new = bench.uploaded(b"old"), bench.uploaded(b"new")
    backup = bench.catalogue.snapshot()
    bench.store.remove_blob(bench.package(old).sha256)
    bench.uploaded(b"later", "Later.pkg")
    tell(bench)

    bench.catalogue.restore(backup)
    bench.start()

    assert (bench.package(old).bytes_here, bench.package(new).bytes_here) == (False, True)
    assert {item["id"]: item["kind"] for item in bench.feed()}[old] == "record"


def test_what_is_no_record_beside_the_database_is_left_alone(bench: Bench) -> None:
    """A file that was damaged costs one package, not the start."""
    backup = bench.catalogue.snapshot()
    first, second = bench.uploaded(b"1", "1.pkg"), bench.uploaded(b"2", "2.pkg")
    tell(bench)
    bench.files.documents[first] = b'{"id": '
    bench.files.documents["list"] = b"[1]"

    bench.catalogue.restore(backup)
    bench.start()

    assert bench.catalogue.package(first) is None
    assert bench.state_of(second) is PackageState.PUBLISHED


# Rules of the house that changed


def test_other_rules_are_applied_at_the_next_start(bench: Bench) -> None:
    """To all that is known: what is wanted, what is kept, what is in the trash."""
    tagged = signed(b"t", "T.pkg", tags=frozenset({"test"}))
    bench.offer(tagged)
    first, _, third = (bench.uploaded(bytes([65 + number])) for number in range(3))
    assert bench.state_of(tagged) is PackageState.WITHHELD
    assert bench.package(first).remove_after is not None

    bench.settings = bench.settings.model_copy(update={"staging_tags": ("test",), "superseded_kept": 5})
    bench.start()

    assert bench.state_of(tagged) is PackageState.WANTED
    assert bench.package(first).remove_after is None
    assert bench.state_of(third) is PackageState.PUBLISHED


def test_the_same_rules_make_no_work(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start with a large catalogue does not look at every package."""
    bench.uploaded(b"bytes")
    monkeypatch.setattr(bench.catalogue, "outline", lambda *_: pytest.fail("looked at everything"))

    bench.start()


def test_a_crash_while_rules_are_applied_is_made_good(bench: Bench) -> None:
    """They count as applied when they are."""
    package = signed(b"t", tags=frozenset({"test"}))
    bench.offer(package)
    bench.settings = bench.settings.model_copy(update={"staging_tags": ("test",)})
    bench.catalogue.crashes = lambda changes: changes.packages[package.package_id].state is PackageState.WANTED
    with pytest.raises(Crash):
        bench.start()
    bench.catalogue.crashes = lambda _: False

    bench.start()

    assert bench.state_of(package) is PackageState.WANTED


# A clock that was ahead


def test_what_was_written_with_a_clock_ahead_is_written_again(bench: Bench, tmp_path: Path) -> None:
    """Another instance refused it; once our clock is right, the sweep signs it anew, and it is taken."""
    other = Bench(tmp_path / "other")
    bench.clock.pass_seconds(HOUR)
    package_id = bench.uploaded(b"bytes")
    bench.do.stewards.delete(package_id, "anna")
    refused = other.do.records.offer(bench.do.feed.records([package_id], [], [], None)["packages"], [], [], "PEER")["refused"]
    assert {one["code"] for one in refused} == {"CLOCK_AHEAD"}

    bench.clock.pass_seconds(-HOUR)
    bench.do.healing.sweep()

    package = bench.package(package_id)
    assert (package.manifest.revision, package.manifest.created) == (2, bench.clock())
    assert package.deleted == later(0)
    everything = bench.do.feed.records([package_id], [], [], None)["packages"]
    assert other.do.records.offer(everything, [], [], "PEER") == {"refused": []}
    assert other.state_of(package_id) is PackageState.DELETED
    position = bench.do.feed.position()
    bench.do.healing.sweep()
    assert bench.do.feed.position() == position


def test_a_clock_that_is_ahead_by_little_needs_nothing(bench: Bench) -> None:
    """Others take what is less than five minutes in the future."""
    bench.clock.pass_seconds(299)
    package_id = bench.uploaded(b"bytes")
    bench.clock.pass_seconds(-299)

    bench.do.healing.sweep()

    assert bench.package(package_id).manifest.revision == 1


def test_versions_made_with_a_clock_ahead_keep_their_order(bench: Bench) -> None:
    """The last one stays current, also if all are signed anew in one second; so does what was raised last."""
    bench.clock.pass_seconds(HOUR)
    ids = [bench.uploaded(bytes([65 + number])) for number in range(6)]
    for one in (ids[2], ids[4], ids[1]):
        bench.do.stewards.raise_(one, "anna")
    before = [one["package_id"] for one in bench.do.stewards.history("App.pkg")["items"]]

    bench.clock.pass_seconds(-HOUR)
    bench.do.healing.sweep()

    assert [one["package_id"] for one in bench.do.stewards.history("App.pkg")["items"]] == before
    assert bench.public() == b"B"


def test_a_clock_that_is_behind_takes_nothing_back(bench: Bench) -> None:
    """What others wrote later was accepted when our clock was right: our words that supersede it stay as they are."""
    origin = Author()
    theirs = signed(b"theirs", origin=origin.key)
    package_id = theirs.manifest.package_id
    records = [origin.says(theirs, MetaField.RAISED, stamp=later(0)), origin.says(theirs, MetaField.TAGS, ("test",), stamp=later(0))]
    bench.learn(document(theirs, *records), charters=[origin.charter(Author(bench.key))])

    bench.clock.pass_seconds(-HOUR)
    ours = bench.uploaded(b"ours", theirs.manifest.name.text)
    bench.do.stewards.retag(package_id, ["production"], "anna")
    before = bench.do.stewards.history(theirs.manifest.name.text)
    assert [one["package_id"] for one in before["items"]] == [ours, package_id]
    bench.do.healing.sweep()

    assert bench.do.stewards.history(theirs.manifest.name.text) == before
    assert (bench.package(ours).manifest.revision, bench.package(package_id).tags) == (1, {"production"})
    bench.do.stewards.raise_(package_id, "anna")
    bench.do.healing.sweep()
    assert bench.do.stewards.history(theirs.manifest.name.text)["items"][0]["package_id"] == package_id


def test_what_is_signed_anew_is_kept_beside_the_database(bench: Bench) -> None:
    """A restored database gets what others know, not what they refused."""
    backup = bench.catalogue.snapshot()
    bench.clock.pass_seconds(HOUR)
    package_id = bench.uploaded(b"bytes")
    bench.do.stewards.retag(package_id, ["test"], "anna")
    bench.clock.pass_seconds(-HOUR)
    bench.do.healing.sweep()
    envelope = bench.package(package_id).envelope
    tell(bench)

    bench.catalogue.restore(backup)
    bench.start()

    assert (bench.package(package_id).envelope, bench.package(package_id).tags) == (envelope, {"test"})


# Trust that changed


def test_a_look_at_everything_that_failed_is_taken_again(bench: Bench) -> None:
    """The database was away while trust changed."""
    origin, steward = Author(), Author()
    package = signed(origin=origin.key)
    bench.learn(document(package), charters=[origin.charter(steward)])
    bench.learn(document(package, steward.says(package, MetaField.DELETED, stamp=later(3))))
    bench.do.healing.sweep()
    bench.learn(charters=[origin.dismissing(steward, until=later(2), stamp=later(4))])

    bench.catalogue.crashes = lambda _: True
    with pytest.raises(Crash):
        bench.do.healing.sweep()
    bench.catalogue.crashes = lambda _: False
    bench.do.healing.sweep()

    assert bench.state_of(package) is PackageState.WANTED


def test_one_fault_does_not_keep_the_sweep_from_the_rest(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be put right in one place stops neither charters nor what is due elsewhere; it is told all the same."""
    bench.declare()
    package_id = bench.uploaded(b"bytes")
    bench.do.stewards.delete(package_id, "anna")
    before = bench.do.feed.position()["seq"]
    bench.clock.pass_seconds(31 * 24 * HOUR)

    def fails(*_: object) -> None:
        raise Crash

    for part in (bench.do.uploads, bench.do.packages, bench.do.healing):
        monkeypatch.setattr(part, "sweep", fails)
    with pytest.raises(Crash):
        bench.sweep()

    assert not bench.package(package_id).bytes_here
    assert bench.do.feed.position()["seq"] == before + 1
