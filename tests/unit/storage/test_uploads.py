"""Claims about uploads: from the first byte to a published package, and what becomes of those that do not get there."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import pytest

from services.storage.domain.package import PackageState
from shared.contracts import events
from shared.core.errors import Conflict, InsufficientSpace, InvalidInput, NotFound
from shared.core.manifest import MAX_PACKAGE_BYTES
from shared.runtime.logging import bound
from shared.testing.builders import file_digests, signed
from tests.unit.storage.storage_bench import Bench, Crash

NOTHING = "3f0e8a2c-5b1d-4c7e-9a60-1f2e3d4c5b6a"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty storage."""
    return Bench(tmp_path)


def hashed(upload_id: str, content: bytes) -> events.PackageHashedV1:
    """What hashing says about an upload."""
    return events.PackageHashedV1(upload_id=upload_id, digests=file_digests(content))


def test_an_upload_becomes_a_published_package(bench: Bench) -> None:
    """Record, signed manifest, blob, public file, place in the feed, and one event each on the way."""
    shown = bench.upload(b"bytes")

    package = bench.package(shown["package_id"])
    assert shown["state"] == "published"
    assert package.manifest == bench.uploads.signer.open(package.envelope)
    assert str(package.manifest.origin) == str(bench.key.instance_id)
    assert bench.public() == b"bytes"
    assert bench.store.read_blob_chunks(package.sha256) is not None
    assert bench.do.feed.position()["seq"] == 1
    assert bench.said == ["package.received.v1", "package.published.v1"]


def test_the_published_event_says_what_it_is(bench: Bench) -> None:
    """Origin is this instance, and it came from no peer."""
    shown = bench.upload(b"bytes")

    event = bench.last(events.PackagePublishedV1)
    assert (event.package_id, event.size, event.received_from) == (shown["package_id"], 5, None)
    assert event.sha256 == hashlib.sha256(b"bytes").hexdigest()
    assert event.origin == str(bench.key.instance_id)


def test_an_empty_upload_is_a_package_too(bench: Bench) -> None:
    """Of no chunks."""
    assert bench.upload(b"")["state"] == "published"
    assert bench.public() == b""


def test_the_same_bytes_under_the_same_name_are_already_here(bench: Bench) -> None:
    """No second package, no second event: nothing is to be moved."""
    first = bench.upload(b"bytes")

    second = bench.upload(b"bytes")

    assert (second["state"], second["package_id"]) == ("already_here", first["package_id"])
    assert bench.said.count("package.published.v1") == 1
    assert list(bench.store.layout.incoming.iterdir()) == []


def test_tags_that_are_not_taken_are_told(bench: Bench) -> None:
    """What is here already keeps its tags, and the upload says that these are not those that were asked for."""
    first = bench.upload(b"bytes", tags=["test"])

    same, other = bench.upload(b"bytes", tags=["test"]), bench.upload(b"bytes", tags=["production"])

    assert same["error"] is None
    assert (other["state"], other["error"]["code"]) == ("already_here", "TAGS_DIFFER")
    assert bench.package(first["package_id"]).tags == {"test"}


def test_bytes_whose_name_is_about_to_be_taken_are_a_new_package(bench: Bench) -> None:
    """A greater one of that name is on its way here: without a new package, the upload would not be what clients get."""
    first = bench.upload(b"bytes")
    bench.offer(signed(b"newer", created=bench.clock() + dt.timedelta(seconds=5)))

    again = bench.upload(b"bytes")

    assert again["state"] == "published"
    assert again["package_id"] != first["package_id"]
    assert bench.questions.show_package("App.pkg")["package_id"] == again["package_id"]


def test_the_same_bytes_under_another_name_are_another_package(bench: Bench) -> None:
    """With one blob."""
    first, second = bench.upload(b"bytes"), bench.upload(b"bytes", "Other.pkg")

    assert second["state"] == "published"
    assert first["package_id"] != second["package_id"]
    assert bench.public("Other.pkg") == b"bytes"


def test_new_bytes_under_a_name_supersede_the_old(bench: Bench) -> None:
    """Even in the same second; the old blob stays for peers that are still fetching it."""
    old, new = bench.upload(b"old"), bench.upload(b"new")

    assert bench.package(old["package_id"]).state is PackageState.SUPERSEDED
    assert bench.package(new["package_id"]).precedence > bench.package(old["package_id"]).precedence
    assert bench.public() == b"new"
    assert bench.questions.locate_blob(old["package_id"], None)["state"] == "superseded"


def test_a_hashed_event_seen_twice_changes_nothing(bench: Bench) -> None:
    """Knowing is success."""
    upload_id = bench.receive(b"bytes")
    for _ in range(3):
        bench.uploads.take_digests(hashed(upload_id, b"bytes"))

    assert bench.said == ["package.received.v1", "package.published.v1"]
    assert bench.catalogue.figures()["hashed_files"] == 1


def test_digests_of_an_unknown_upload_are_nobodys_business(bench: Bench) -> None:
    """A message from before a restore."""
    bench.uploads.take_digests(hashed(NOTHING, b"bytes"))

    assert bench.said == []


@pytest.mark.parametrize("found", [b"other", b"shorter"])
def test_bytes_that_are_not_what_was_received_are_put_aside(bench: Bench, found: bytes) -> None:
    """The disk gave back something else: quarantined with a note, not published, not deleted."""
    upload_id = bench.receive(b"bytes", sha256=hashlib.sha256(b"bytes").hexdigest())

    bench.uploads.take_digests(hashed(upload_id, found))

    shown = bench.uploads.show(upload_id)
    assert (shown["state"], shown["error"]["code"]) == ("rejected", "DIGEST_INVALID")
    assert bench.store.layout.quarantined(upload_id).exists()
    assert bench.public() is None
    assert "package.published.v1" not in bench.said


def test_a_crash_between_the_move_and_the_commit_is_healed_by_the_sweep(bench: Bench) -> None:
    """Promise B9: the blob is here, the record is not; the sweep completes it, and it is announced once."""
    upload_id = bench.receive(b"bytes")
    bench.catalogue.crashes = lambda changes: bool(changes.packages)
    with pytest.raises(Crash):
        bench.uploads.take_digests(hashed(upload_id, b"bytes"))
    bench.catalogue.crashes = lambda _: False
    assert "package.published.v1" not in bench.said

    bench.clock.pass_seconds(60)
    bench.uploads.sweep(20, 3600)
    bench.uploads.sweep(20, 3600)

    assert bench.uploads.show(upload_id)["state"] == "published"
    assert bench.public() == b"bytes"
    assert bench.said.count("package.published.v1") == 1


def test_a_lost_message_is_rung_again_with_its_correlation_id(bench: Bench) -> None:
    """After `stale_seconds`, not before; then again only after as long."""
    with bound(correlation_id="of-the-request"):
        upload_id = bench.receive(b"bytes")
    bench.uploads.sweep(20, 3600)
    assert bench.said == ["package.received.v1"]

    bench.clock.pass_seconds(21)
    bench.uploads.sweep(20, 3600)
    bench.uploads.sweep(20, 3600)

    assert bench.said == ["package.received.v1"] * 2
    assert bench.catalogue.upload(upload_id).correlation_id == "of-the-request"  # type: ignore[union-attr]


def test_an_upload_whose_bytes_are_gone_says_so(bench: Bench) -> None:
    """It is not rung for ever."""
    upload_id = bench.receive(b"bytes")
    bench.store.drop_incoming(upload_id)
    bench.clock.pass_seconds(21)
    bench.uploads.sweep(20, 3600)

    assert bench.uploads.show(upload_id)["error"]["code"] == "BYTES_LOST"
    assert bench.said == ["package.received.v1"]


def test_an_upload_that_nobody_continues_is_given_up(bench: Bench) -> None:
    """Nothing is left behind."""
    upload_id = bench.uploads.begin("App.pkg", 5, "admin")["upload_id"]
    bench.clock.pass_seconds(3601)

    bench.uploads.sweep(20, 3600)

    assert bench.uploads.show(upload_id)["state"] == "aborted"
    assert list(bench.store.layout.incoming.iterdir()) == []


def test_an_upload_that_brings_bytes_goes_on(bench: Bench) -> None:
    """However long it takes."""
    upload_id = bench.uploads.begin("App.pkg", 5, "admin")["upload_id"]
    bench.store.reserve(upload_id, 5)
    bench.clock.pass_seconds(7200)

    bench.uploads.sweep(20, 3600)

    assert bench.uploads.show(upload_id)["state"] == "receiving"


def test_an_aborted_upload_leaves_nothing_and_cannot_be_finished(bench: Bench) -> None:
    """Aborting what has ended is left alone."""
    upload_id = bench.uploads.begin("App.pkg", 5, "admin")["upload_id"]
    bench.bring(b"byt", upload_id)

    bench.uploads.abort(upload_id, "the connection broke")

    assert list(bench.store.layout.incoming.iterdir()) == []
    assert bench.uploads.show(upload_id)["error"] == {"code": "UPLOAD_ABORTED", "reason": "the connection broke"}
    with pytest.raises(Conflict) as caught:
        bench.uploads.finish(upload_id, 5, None)
    assert caught.value.code == "UPLOAD_ENDED"


def test_aborting_what_is_published_changes_nothing(bench: Bench) -> None:
    """A late signal from the door."""
    shown = bench.upload(b"bytes")

    bench.uploads.abort(shown["upload_id"], "late")
    bench.uploads.abort(NOTHING, "never begun")

    assert bench.uploads.show(shown["upload_id"])["state"] == "published"
    assert bench.public() == b"bytes"


@pytest.mark.parametrize(
    ("name", "size", "code"),
    [("../evil", 5, "NAME_INVALID"), ("A.pkg", -1, "SIZE_INVALID"), ("A.pkg", MAX_PACKAGE_BYTES + 1, "SIZE_INVALID")],
)
def test_an_upload_that_cannot_be_is_refused_at_once(bench: Bench, name: str, size: int, code: str) -> None:
    """Before its first byte, with a code."""
    with pytest.raises(InvalidInput) as caught:
        bench.uploads.begin(name, size, "admin")

    assert caught.value.code == code
    assert bench.catalogue.figures()["uploads_open"] == 0


def test_an_upload_that_does_not_fit_is_refused_at_once(tmp_path: Path) -> None:
    """The floor counts as full."""
    with pytest.raises(InsufficientSpace):
        Bench(tmp_path, free_floor_bytes=1 << 60).uploads.begin("App.pkg", 1, "admin")


def test_progress_only_grows_and_only_while_it_is_hashed(bench: Bench) -> None:
    """Messages may come late and out of order."""
    upload_id = bench.receive(b"bytes")
    for done in (2, 1):
        bench.uploads.note_progress(events.PackageHashProgressedV1(upload_id=upload_id, bytes_done=done))
    assert bench.uploads.show(upload_id)["bytes_hashed"] == 2

    bench.uploads.take_digests(hashed(upload_id, b"bytes"))
    bench.uploads.note_progress(events.PackageHashProgressedV1(upload_id=upload_id, bytes_done=3))

    assert bench.uploads.show(upload_id)["bytes_hashed"] == 5


def test_what_is_not_there_is_not_found(bench: Bench) -> None:
    """Uploads, packages, blobs and names; a hostile name is no other answer than an unknown one."""
    for question in (
        lambda: bench.uploads.show(NOTHING),
        lambda: bench.uploads.finish(NOTHING, 1, None),
        lambda: bench.questions.show_package("App.pkg"),
        lambda: bench.questions.locate_public("../etc/passwd"),
        lambda: bench.questions.locate_blob("App.pkg", None),
        lambda: bench.packages.manifest(NOTHING, None),
    ):
        with pytest.raises(NotFound):
            question()


def test_a_wanted_package_is_shown_but_not_downloadable(bench: Bench) -> None:
    """Its bytes are not here yet."""
    package = signed()
    bench.offer(package)

    assert bench.questions.show_package("App.pkg")["state"] == "wanted"
    assert bench.questions.show_package(package.package_id)["state"] == "wanted"
    for question in (lambda: bench.questions.locate_public("App.pkg"), lambda: bench.questions.locate_blob(package.package_id, None)):
        with pytest.raises(NotFound):
            question()
