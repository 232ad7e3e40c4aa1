"""Claims about what an administrator of this instance writes about packages."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.storage.domain.package import PackageState
from shared.contracts import events
from shared.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.core.meta import MetaField
from shared.runtime.keys import open_meta
from shared.testing.builders import signed
from shared.testing.records import later
from tests.unit.storage.speaking import Author, document
from tests.unit.storage.storage_bench import Bench

DAY = 86_400
ORIGIN = Author()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty storage; bytes stay in the trash for a day, and a second person approves what goes to production."""
    return Bench(tmp_path, trash_seconds=DAY, approval_stages=("production",))


@pytest.fixture
def package_id(bench: Bench) -> str:
    """A package of ours, for tests only."""
    return bench.uploaded(b"bytes", tags=["test"])


def written(bench: Bench, package_id: str) -> list[bytes]:
    """The meta records that are kept of a package."""
    return [one.envelope for one in bench.catalogue.meta([package_id]).get(package_id, ())]


def test_a_retag_is_a_signed_record(bench: Bench, package_id: str) -> None:
    """By this instance, with the person's name; it is told, and the feed has the package anew."""
    shown = bench.do.stewards.retag(package_id, ["development"], "anna")

    (record,) = (open_meta(envelope) for envelope in written(bench, package_id))
    assert (str(record.author), record.person, record.tags) == (str(bench.key.instance_id), "anna", {"development"})
    assert shown["tags"] == ["development"]
    assert bench.last(events.PackageRetaggedV1).tags == ("development",)
    assert [item["seq"] for item in bench.feed()] == [2]


def test_what_is_written_names_what_it_replaces(bench: Bench, package_id: str) -> None:
    """So that nobody takes it for a conflict."""
    bench.do.stewards.retag(package_id, ["development"], "anna")
    first = bench.catalogue.meta([package_id])[package_id][0]

    bench.do.stewards.retag(package_id, ["test"], "ben")

    assert open_meta(written(bench, package_id)[0]).replaces == first.digest


@pytest.mark.parametrize(
    ("tags", "code"), [(["prod"], "STAGE_UNKNOWN"), (["Test"], "TAG_INVALID"), ("test", "TAG_INVALID"), (["*"], "TAG_INVALID")]
)
def test_unknown_stages_are_refused(bench: Bench, package_id: str, tags: object, code: str) -> None:
    """With a code, and nothing is written."""
    with pytest.raises(InvalidInput) as caught:
        bench.do.stewards.retag(package_id, tags, "anna")

    assert caught.value.code == code
    assert written(bench, package_id) == []


@pytest.mark.parametrize("tags", [["production"], ["test", "production"], []])
def test_there_is_no_way_around_an_approval(bench: Bench, package_id: str, tags: list[str]) -> None:
    """Not by a retag, and not by taking all tags off, after which it would go everywhere."""
    with pytest.raises(Conflict) as caught:
        bench.do.stewards.retag(package_id, tags, "anna")

    assert caught.value.code == "APPROVAL_NEEDED"
    assert bench.package(package_id).tags == {"test"}


def test_an_approval_that_ended_meanwhile_is_no_way_around(bench: Bench, package_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard sees the tags of the transaction that writes: a stage that somebody has just taken off is not put back by a retag."""
    approved = replace(bench.package(package_id), tags=frozenset({"test", "production"}))
    monkeypatch.setattr(bench.catalogue, "by_name", lambda _name: approved)

    with pytest.raises(Conflict) as caught:
        bench.do.stewards.retag("App.pkg", ["test", "production"], "anna")

    assert caught.value.code == "APPROVAL_NEEDED"
    assert bench.package(package_id).tags == {"test"}


@pytest.mark.parametrize(("tags", "code"), [(["production"], "APPROVAL_NEEDED"), ([], "TAGS_NEEDED")])
def test_nothing_is_born_past_an_approval(bench: Bench, tags: list[str], code: str) -> None:
    """Nor by an upload."""
    with pytest.raises((Conflict, InvalidInput)) as caught:
        bench.uploads.begin("New.pkg", 1, "anna", tags)

    assert caught.value.code == code  # type: ignore[attr-defined]


def test_a_guarded_stage_that_a_package_has_may_be_kept(bench: Bench, package_id: str) -> None:
    """Only adding it needs the second person."""
    bench.learn(document(package_id, bench_says(bench, package_id, ("production",))))

    assert bench.do.stewards.retag(package_id, ["production", "test"], "anna")["tags"] == ["production", "test"]


def bench_says(bench: Bench, package_id: str, tags: tuple[str, ...]) -> bytes:
    """What this instance wrote before its stages were guarded."""
    return Author(bench.key).says(package_id, MetaField.TAGS, tags, later(0))


def test_deleting_twice_is_deleting_once(bench: Bench, package_id: str) -> None:
    """One record, one event; clients get nothing, peers are told, and the bytes are in the trash."""
    for _ in range(2):
        shown = bench.do.stewards.delete(package_id, "anna")

    assert (shown["state"], shown["bytes_here"], shown["remove_after"]) == ("deleted", True, "2026-11-04T12:00:00Z")
    assert len(written(bench, package_id)) == 1
    assert bench.said.count("package.deleted.v1") == 1
    assert bench.public() is None
    assert [item["kind"] for item in bench.feed()] == ["record"]
    with pytest.raises(NotFound):
        bench.questions.locate_blob(package_id, None)


def test_deleting_the_current_version_leaves_nothing_to_clients(bench: Bench, package_id: str) -> None:
    """The one before does not come back by itself, and deleting the name again is deleting the same; raising it brings it back."""
    newer = bench.uploaded(b"newer", tags=["test"])

    for _ in range(2):
        assert bench.do.stewards.delete("App.pkg", "anna")["package_id"] == newer

    assert bench.public() is None
    assert bench.state_of(package_id) is PackageState.SUPERSEDED
    bench.do.stewards.raise_(package_id, "anna")
    assert bench.public() == b"bytes"


def test_a_retag_does_not_bring_back_what_was_deleted(bench: Bench, package_id: str) -> None:
    """They are different fields."""
    bench.do.stewards.delete(package_id, "anna")

    assert bench.do.stewards.retag(package_id, ["development"], "anna")["state"] == "deleted"


def test_undeleting_brings_a_package_back(bench: Bench, package_id: str) -> None:
    """Without moving any bytes; it can be deleted again after."""
    bench.do.stewards.delete(package_id, "anna")

    assert bench.do.stewards.undelete(package_id, "ben")["state"] == "published"
    assert bench.public() == b"bytes"
    assert bench.last(events.PackageRestoredV1).person == "ben"
    assert bench.do.stewards.delete(package_id, "anna")["state"] == "deleted"


def test_undeleting_is_refused_when_the_bytes_are_gone(bench: Bench, package_id: str) -> None:
    """After the trash was emptied; until then it is possible, however late."""
    bench.do.stewards.delete(package_id, "anna")
    bench.clock.pass_seconds(DAY + 1)
    bench.do.stewards.undelete(package_id, "anna")
    bench.do.stewards.delete(package_id, "anna")
    bench.clock.pass_seconds(DAY + 1)
    bench.do.removing.sweep()

    with pytest.raises(Conflict) as caught:
        bench.do.stewards.undelete(package_id, "anna")

    assert caught.value.code == "BYTES_GONE"


def test_what_is_not_deleted_cannot_be_undeleted(bench: Bench, package_id: str) -> None:
    """With a code."""
    with pytest.raises(Conflict) as caught:
        bench.do.stewards.undelete(package_id, "anna")

    assert caught.value.code == "NOT_DELETED"


def test_a_roll_back_and_forth_again(bench: Bench, package_id: str) -> None:
    """Raising the old one, then the new one; what is uploaded after that is current, even in the same second."""
    newer = bench.uploaded(b"newer", tags=["test"])

    assert bench.do.stewards.raise_(package_id, "anna")["state"] == "published"
    assert bench.public() == b"bytes"
    assert bench.do.stewards.raise_(newer, "anna")["state"] == "published"
    assert bench.public() == b"newer"
    bench.do.stewards.raise_(package_id, "anna")
    bench.uploaded(b"newest", tags=["test"])
    assert bench.public() == b"newest"
    assert [event.package_id for event in bench.events(events.PackageRaisedV1)] == [package_id, newer, package_id]


def test_the_same_bytes_uploaded_again_are_current_again(bench: Bench, package_id: str) -> None:
    """Rolling back by uploading the old file is a new package over the same blob."""
    bench.uploaded(b"newer", tags=["test"])

    again = bench.upload(b"bytes", tags=["test"])

    assert again["state"] == "published"
    assert again["package_id"] != package_id
    assert bench.public() == b"bytes"


def test_what_is_deleted_cannot_be_raised(bench: Bench, package_id: str) -> None:
    """It is undeleted first, on purpose."""
    bench.do.stewards.delete(package_id, "anna")

    with pytest.raises(Conflict) as caught:
        bench.do.stewards.raise_(package_id, "anna")

    assert caught.value.code == "PACKAGE_DELETED"


def test_the_history_of_a_name_has_every_version(bench: Bench, package_id: str) -> None:
    """The current one first, deleted ones too."""
    newer, newest = bench.uploaded(b"newer", tags=["test"]), bench.uploaded(b"newest", tags=["test"])
    bench.do.stewards.delete(newer, "anna")
    bench.do.stewards.raise_(package_id, "anna")

    items = bench.do.stewards.history("App.pkg")["items"]

    assert [(item["package_id"], item["state"]) for item in items] == [
        (package_id, "published"),
        (newest, "superseded"),
        (newer, "deleted"),
    ]
    with pytest.raises(NotFound):
        bench.do.stewards.history("Other.pkg")


WRITES: list[Callable[[Bench, str], Any]] = [
    lambda bench, about: bench.do.stewards.retag(about, ["test"], "anna"),
    lambda bench, about: bench.do.stewards.delete(about, "anna"),
    lambda bench, about: bench.do.stewards.raise_(about, "anna"),
]


@pytest.mark.parametrize("write", WRITES)
def test_who_is_no_steward_cannot_write(bench: Bench, write: Callable[[Bench, str], Any]) -> None:
    """About a package of another origin that does not let us; nothing is written, nothing is told."""
    package = signed(origin=ORIGIN.key)
    bench.have(package)
    said = list(bench.catalogue.dispatched)

    with pytest.raises(Forbidden) as caught:
        write(bench, package.package_id)

    assert caught.value.code == "NOT_STEWARD"
    assert written(bench, package.package_id) == []
    assert bench.catalogue.dispatched == said
    assert bench.files.documents == {}


def test_a_steward_can_write(bench: Bench) -> None:
    """About packages of whoever names us in its charter; and another instance that knows that charter takes it."""
    package, us = signed(origin=ORIGIN.key), Author(bench.key)
    bench.have(package)
    charter = ORIGIN.charter(us)
    bench.learn(charters=[charter])

    bench.do.stewards.delete(package.package_id, "anna")

    other = Bench(bench.store.layout.root / "other")
    assert other.learn(document(package, *written(bench, package.package_id)), charters=[charter]) == []
    assert other.state_of(package) is PackageState.DELETED


def test_a_write_is_later_than_what_it_has_seen(bench: Bench, package_id: str) -> None:
    """Also than what came from a clock that is ahead of ours by less than is refused."""
    steward = Author()
    bench.declare(steward)
    bench.learn(document(package_id, steward.says(package_id, MetaField.TAGS, ("development",), later(200_000))))

    assert bench.do.stewards.retag(package_id, ["test"], "anna")["tags"] == ["test"]


def test_signed_records_are_kept_beside_the_database(bench: Bench, package_id: str) -> None:
    """The manifest from the upload on, and every record that counts."""
    kept = json.loads(bench.files.documents[package_id])
    assert (kept["id"], kept["meta"]) == (package_id, [])
    assert base64.b64decode(kept["manifest"]) == bench.package(package_id).envelope

    bench.do.stewards.delete(package_id, "anna")

    kept = json.loads(bench.files.documents[package_id])
    assert [base64.b64decode(one) for one in kept["meta"]] == written(bench, package_id)


def test_what_is_not_there_cannot_be_written_about(bench: Bench) -> None:
    """By name or by id, hostile ones too."""
    for reference in ("App.pkg", "3f0e8a2c-5b1d-4c7e-9a60-1f2e3d4c5b6a"):
        for write in WRITES:
            with pytest.raises(NotFound):
                write(bench, reference)
    with pytest.raises(InvalidInput):
        bench.do.stewards.delete("../evil", "anna")
