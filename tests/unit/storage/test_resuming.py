"""Claims about resumable uploads: where they stand, who may go on, when they end, and bytes that are known beforehand."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pytest

from services.storage.domain.package import PackageState
from services.storage.domain.upload import UploadState
from shared.contracts import events
from shared.core.errors import Conflict, Forbidden, Gone, InsufficientSpace, InvalidInput, NotFound, OdstError
from shared.testing.builders import file_digests, signed
from tests.unit.storage.storage_bench import Bench, Crash

NOTHING = "3f0e8a2c-5b1d-4c7e-9a60-1f2e3d4c5b6a"
CONTENT = b"all the bytes"
WEEK = 7 * 24 * 3600


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty storage."""
    return Bench(tmp_path)


def begin(bench: Bench, name: str = "App.pkg", content: bytes = CONTENT, **said: Any) -> dict[str, Any]:
    """An upload of anna's with its place."""
    wish = {"uploaded_by": "anna", "tags": [], "sha256": None, "metadata": "filename QQ==", **said}
    upload = bench.do.resuming.begin(name, len(content), **wish)
    if upload["state"] == "receiving":
        bench.bring(content, upload["upload_id"])
    return upload


def claim(bench: Bench, upload: dict[str, Any], offset: int = 0, person: str = "anna", *, of_others: bool = False) -> int:
    """The fence of a writer that goes on there."""
    return int(bench.do.resuming.claim(upload["upload_id"], person, offset, of_others=of_others)["fence"])


def advance(bench: Bench, upload: dict[str, Any], fence: int, offset: int) -> dict[str, Any]:
    """The writer says how far it is."""
    return bench.do.resuming.advance(upload["upload_id"], fence, offset)


def stands_at(bench: Bench, upload: dict[str, Any]) -> int:
    """Its offset."""
    return int(bench.do.resuming.offset(upload["upload_id"], "anna", of_others=False)["bytes_received"])


def refusal(code: str, kind: type[OdstError] = Conflict) -> Any:
    """What is raised with this code."""
    return pytest.raises(kind, check=lambda error: error.code == code)


def test_it_goes_on_where_it_stands_and_is_received_with_the_last_byte(bench: Bench) -> None:
    """Hashing is told once, when all of it is here; from there on it is an upload like others."""
    upload = begin(bench)
    assert (upload["state"], upload["bytes_received"], upload["size"]) == ("receiving", 0, len(CONTENT))

    assert advance(bench, upload, claim(bench, upload), 5)["state"] == "receiving"
    assert bench.said == []
    assert advance(bench, upload, claim(bench, upload, 5), len(CONTENT))["state"] == "received"
    bench.uploads.take_digests(events.PackageHashedV1(upload_id=upload["upload_id"], digests=file_digests(CONTENT)))

    shown = bench.uploads.show(upload["upload_id"])
    assert (shown["state"], shown["bytes_received"], shown["expires"]) == ("published", len(CONTENT), None)
    assert bench.public() == CONTENT
    assert bench.said == ["package.received.v1", "package.published.v1"]
    assert stands_at(bench, upload) == len(CONTENT)


@pytest.mark.parametrize("offset", [0, 4, 6, len(CONTENT), 1 << 60])
def test_nobody_goes_on_elsewhere_than_where_it_stands(bench: Bench, offset: int) -> None:
    """Neither before nor beyond; and nothing changes by trying."""
    upload = begin(bench)
    fence = claim(bench, upload)
    advance(bench, upload, fence, 5)

    with refusal("OFFSET_MISMATCH"):
        claim(bench, upload, offset)

    assert stands_at(bench, upload) == 5
    assert advance(bench, upload, fence, 6)["bytes_received"] == 6


@pytest.mark.parametrize("offset", [4, len(CONTENT) + 1])
def test_it_neither_goes_back_nor_beyond_its_end(bench: Bench, offset: int) -> None:
    """Whatever a writer says."""
    upload = begin(bench)
    fence = claim(bench, upload)
    advance(bench, upload, fence, 5)

    with refusal("OFFSET_MISMATCH"):
        advance(bench, upload, fence, offset)


def test_what_a_former_writer_says_late_does_not_count(bench: Bench) -> None:
    """Its message was on the bus while another one took over: the fence refuses it, even if it would be the last byte."""
    upload = begin(bench)
    late, present = claim(bench, upload), claim(bench, upload)

    with refusal("UPLOAD_TAKEN_OVER"):
        advance(bench, upload, late, len(CONTENT))

    assert stands_at(bench, upload) == 0
    assert advance(bench, upload, present, 3)["bytes_received"] == 3


def test_a_finished_upload_has_nothing_to_be_claimed(bench: Bench) -> None:
    """Asking to go on at its end is no error; its writer has no say any more."""
    upload = begin(bench)
    fence = claim(bench, upload)
    advance(bench, upload, fence, len(CONTENT))

    assert claim(bench, upload, len(CONTENT)) == fence
    with refusal("UPLOAD_ENDED"):
        advance(bench, upload, fence, len(CONTENT))
    assert bench.said == ["package.received.v1"]


def test_only_its_owner_and_administrators_act_on_it(bench: Bench) -> None:
    """Another person is refused; what an administrator may do is known at the door."""
    upload = begin(bench)
    resuming, upload_id = bench.do.resuming, upload["upload_id"]
    for attempt in (
        lambda: resuming.offset(upload_id, "ben", of_others=False),
        lambda: resuming.claim(upload_id, "ben", 0, of_others=False),
        lambda: resuming.cancel(upload_id, "ben", of_others=False),
    ):
        with refusal("NOT_YOUR_UPLOAD", Forbidden):
            attempt()

    assert claim(bench, upload, person="root", of_others=True) == 1


def test_an_upload_in_one_request_cannot_be_resumed_but_cancelled(bench: Bench) -> None:
    """Nothing of it stays."""
    upload_id = bench.uploads.begin("App.pkg", 5, "anna")["upload_id"]
    bench.bring(b"bytes", upload_id)

    with pytest.raises(NotFound):
        bench.do.resuming.claim(upload_id, "anna", 0, of_others=False)
    bench.do.resuming.cancel(upload_id, "anna", of_others=False)

    assert bench.uploads.show(upload_id)["error"]["code"] == "UPLOAD_CANCELLED"
    assert list(bench.store.layout.incoming.iterdir()) == []


def test_a_cancelled_upload_is_gone_even_for_its_writer(bench: Bench) -> None:
    """Its bytes are removed; whoever goes on is told; cancelling it again too."""
    upload = begin(bench)
    fence = claim(bench, upload)

    bench.do.resuming.cancel(upload["upload_id"], "anna", of_others=False)

    assert list(bench.store.layout.incoming.iterdir()) == []
    for attempt in (
        lambda: advance(bench, upload, fence, 3),
        lambda: claim(bench, upload),
        lambda: stands_at(bench, upload),
        lambda: bench.do.resuming.cancel(upload["upload_id"], "anna", of_others=False),
    ):
        with refusal("UPLOAD_CANCELLED", Gone):
            attempt()


def test_what_has_all_its_bytes_is_not_cancelled(bench: Bench) -> None:
    """It is a package, or just becomes one."""
    upload = begin(bench)
    advance(bench, upload, claim(bench, upload), len(CONTENT))

    with refusal("UPLOAD_ENDED"):
        bench.do.resuming.cancel(upload["upload_id"], "anna", of_others=False)


def test_it_outlives_the_idle_time_and_expires_later(bench: Bench) -> None:
    """A week after its last byte, with or without a sweep; then its bytes are removed."""
    upload = begin(bench)
    bench.clock.pass_seconds(WEEK - 10)
    bench.sweep()
    fence = claim(bench, upload)
    advance(bench, upload, fence, 5)
    bench.clock.pass_seconds(WEEK - 10)
    bench.sweep()
    assert stands_at(bench, upload) == 5

    bench.clock.pass_seconds(11)

    with refusal("UPLOAD_EXPIRED", Gone):
        claim(bench, upload, 5)
    with refusal("UPLOAD_EXPIRED", Gone):
        advance(bench, upload, fence, 6)
    bench.sweep()
    assert bench.uploads.show(upload["upload_id"])["error"]["code"] == "UPLOAD_EXPIRED"
    assert list(bench.store.layout.incoming.iterdir()) == []
    with refusal("UPLOAD_EXPIRED", Gone):
        claim(bench, upload, 5)


def test_many_that_wait_keep_no_other_waiting(bench: Bench) -> None:
    """The sweep looks at a few at a time: those that may be resumed are not among them."""
    for number in range(60):
        begin(bench, f"{number}.pkg")
    bench.clock.pass_seconds(1)
    waiting = bench.receive(b"bytes")
    bench.clock.pass_seconds(100)

    bench.sweep()

    assert bench.said == ["package.received.v1"] * 2
    assert bench.last(events.PackageReceivedV1).upload_id == waiting


def test_a_declared_digest_is_compared_with_what_is_on_the_disk(bench: Bench) -> None:
    """Bytes that turn out otherwise are rejected, put aside, and not to be continued."""
    upload = begin(bench, sha256=hashlib.sha256(b"other").hexdigest())
    advance(bench, upload, claim(bench, upload), len(CONTENT))

    bench.uploads.take_digests(events.PackageHashedV1(upload_id=upload["upload_id"], digests=file_digests(CONTENT)))

    assert bench.uploads.show(upload["upload_id"])["error"]["code"] == "DIGEST_INVALID"
    assert bench.store.layout.quarantined(upload["upload_id"]).exists()
    assert bench.public() is None
    with refusal("DIGEST_INVALID", Gone):
        stands_at(bench, upload)


def test_known_bytes_are_not_asked_for(bench: Bench) -> None:
    """Published under another name with a record of their own, from one blob; the upload is complete as it begins."""
    first = bench.uploaded(CONTENT, "First.pkg")

    upload = begin(bench, "Second.pkg", sha256=hashlib.sha256(CONTENT).hexdigest().upper(), tags=["test"])

    package = bench.package(upload["package_id"])
    assert (upload["state"], upload["bytes_received"], upload["expires"]) == ("published", len(CONTENT), None)
    assert (package.name, package.tags, package.manifest.size) == ("Second.pkg", {"test"}, len(CONTENT))
    assert package.package_id != first
    assert bench.public("Second.pkg") == CONTENT
    assert "package.received.v1" not in bench.said[2:]
    assert stands_at(bench, upload) == len(CONTENT)


def test_known_bytes_under_the_same_name_are_already_here(bench: Bench) -> None:
    """As if they had been sent."""
    first = bench.uploaded(CONTENT)

    upload = begin(bench, sha256=hashlib.sha256(CONTENT).hexdigest())

    assert (upload["state"], upload["package_id"]) == ("already_here", first)


def hidden(bench: Bench, how: str) -> None:
    """Bytes that were here, and that nobody can download."""
    package_id = bench.uploaded(CONTENT)
    if how == "deleted":
        bench.do.stewards.delete(package_id, "root")
    else:
        bench.store.remove_blob(bench.package(package_id).sha256)


@pytest.mark.parametrize("how", ["deleted", "lost"])
def test_only_bytes_that_anybody_can_download_are_known(bench: Bench, how: str) -> None:
    """Knowing a digest brings no bytes back that clients do not get: they must be sent."""
    hidden(bench, how)

    upload = begin(bench, "Again.pkg", sha256=hashlib.sha256(CONTENT).hexdigest())

    assert (upload["state"], upload["bytes_received"]) == ("receiving", 0)


def test_a_superseded_version_is_known(bench: Bench) -> None:
    """Its bytes can be had by their digest, by anybody."""
    bench.uploaded(CONTENT)
    bench.upload(b"newer")

    assert begin(bench, "Again.pkg", sha256=hashlib.sha256(CONTENT).hexdigest())["state"] == "published"


def test_bytes_of_another_size_are_not_known(bench: Bench) -> None:
    """The digest may be right, the length is not: hashing will say so."""
    bench.uploaded(CONTENT)

    assert begin(bench, "Again.pkg", CONTENT + b"!", sha256=hashlib.sha256(CONTENT).hexdigest())["state"] == "receiving"


def test_bytes_that_a_peer_brought_are_known_too(bench: Bench) -> None:
    """They were verified like others, and are published."""
    bench.have(signed(CONTENT, "Theirs.pkg"))

    assert begin(bench, "Ours.pkg", sha256=hashlib.sha256(CONTENT).hexdigest())["state"] == "published"


def test_a_crash_before_known_bytes_are_published_is_healed(bench: Bench) -> None:
    """The upload is kept as hashed: the sweep publishes it, and nobody removes the bytes meanwhile."""
    first = bench.uploaded(CONTENT, "First.pkg")
    bench.catalogue.crashes = lambda changes: len(changes.packages) > 1
    with pytest.raises(Crash):
        begin(bench, "Second.pkg", sha256=hashlib.sha256(CONTENT).hexdigest())
    bench.catalogue.crashes = lambda _: False
    bench.do.stewards.delete(first, "root")
    bench.clock.pass_seconds(31 * 24 * 3600)

    bench.sweep()

    assert bench.public("Second.pkg") == CONTENT
    assert bench.package(first).state is PackageState.DELETED


@pytest.mark.parametrize(
    ("said", "code"),
    [({"name": "../evil"}, "NAME_INVALID"), ({"sha256": "12"}, "DIGEST_MALFORMED"), ({"tags": ["nowhere"]}, "STAGE_UNKNOWN")],
)
def test_what_cannot_be_is_refused_at_once(bench: Bench, said: dict[str, Any], code: str) -> None:
    """By the rules of every upload."""
    with refusal(code, InvalidInput):
        begin(bench, **said)

    assert bench.do.resuming.listed(None, 10)["items"] == []


def test_what_does_not_fit_is_refused_unless_it_is_known(tmp_path: Path) -> None:
    """Known bytes need no room."""
    bench = Bench(tmp_path)
    bench.uploaded(CONTENT, "First.pkg")
    bench.store._floor = 1 << 60

    with pytest.raises(InsufficientSpace):
        begin(bench)
    assert begin(bench, sha256=hashlib.sha256(CONTENT).hexdigest())["state"] == "published"


def test_uploads_are_listed_newest_first(bench: Bench) -> None:
    """Of both kinds, ended ones too, page by page."""
    names = []
    for number in range(5):
        bench.clock.pass_seconds(1)
        names.append(f"{number}.pkg")
        if number % 2:
            begin(bench, names[-1])
        else:
            bench.upload(b"bytes", names[-1])
    seen, after = list[str](), None
    while True:
        page = bench.do.resuming.listed(after, 2)
        seen += [item["name"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break

    assert seen == names[::-1]


def test_a_stranger_learns_nothing_about_an_upload_that_never_was(bench: Bench) -> None:
    """Not found, whatever is asked."""
    for attempt in (
        lambda: bench.do.resuming.offset(NOTHING, "anna", of_others=False),
        lambda: bench.do.resuming.claim(NOTHING, "anna", 0, of_others=True),
        lambda: bench.do.resuming.advance(NOTHING, 1, 0),
        lambda: bench.do.resuming.cancel(NOTHING, "anna", of_others=True),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_when_it_expires_is_told(bench: Bench) -> None:
    """A week from now, as the setting has it; later with each byte."""
    upload = begin(bench)
    told = dt.datetime.fromisoformat(upload["expires"])
    assert told == bench.clock() + dt.timedelta(seconds=WEEK)

    bench.clock.pass_seconds(60)
    later = advance(bench, upload, claim(bench, upload), 1)["expires"]

    assert dt.datetime.fromisoformat(later) - told == dt.timedelta(seconds=60)
    kept = bench.catalogue.upload(upload["upload_id"])
    assert kept is not None
    assert kept.state is UploadState.RECEIVING
