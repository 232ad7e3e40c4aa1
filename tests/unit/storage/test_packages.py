"""Claims about packages that peers offer."""

from __future__ import annotations

import base64
import datetime as dt
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.storage.domain.package import PackageState
from shared.contracts import events
from shared.core.digest import Digest
from shared.core.errors import ManifestInvalid, NotFound
from shared.testing.builders import Signed, file_digests, signed
from shared.testing.fakes.clock import NOON
from tests.unit.storage.storage_bench import TRANSFER, Bench, Crash


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty storage."""
    return Bench(tmp_path)


def rejected(package: Signed) -> events.PackageRejectedV1:
    """What hashing says about a bad file."""
    return events.PackageRejectedV1(package_id=package.package_id, transfer_id=TRANSFER, code="DIGEST_INVALID", reason="not it")


def test_an_offered_package_is_wanted_then_published(bench: Bench) -> None:
    """From verified on, as after a local upload: the same events, and the envelope that the origin signed."""
    package = signed()
    assert bench.offer(package, "PEER") == "wanted"

    bench.verify(package)

    assert bench.said == ["package.wanted.v1", "package.published.v1"]
    assert bench.public() == package.content
    assert base64.b64decode(bench.packages.manifest(package.package_id, None)["envelope"]) == package.envelope
    event = bench.last(events.PackagePublishedV1)
    assert (event.received_from, event.origin) == ("PEER", str(package.manifest.origin))


def test_an_offer_seen_twice_is_answered_with_the_state(bench: Bench) -> None:
    """Whoever relays it; nothing is said again."""
    package = signed()
    bench.offer(package)

    assert bench.offer(package, "ANOTHER") == "wanted"
    bench.verify(package)
    assert bench.offer(package) == "published"
    assert bench.said == ["package.wanted.v1", "package.published.v1"]


def test_bytes_that_are_here_are_not_moved_again(bench: Bench) -> None:
    """Under another name, from another origin: published at once, nothing is wanted."""
    bench.upload(b"bytes", "Mine.pkg")
    package = signed(b"bytes", "Theirs.pkg")

    assert bench.offer(package) == "published"

    assert bench.public("Theirs.pkg") == b"bytes"
    assert "package.wanted.v1" not in bench.said


@pytest.mark.parametrize("field", ["sha1", "size", "chunks_sha1", "chunks_sha256"])
def test_a_manifest_that_contradicts_the_bytes_that_are_here_gets_none_of_them(bench: Bench, field: str) -> None:
    """Its SHA-256 is that of bytes that are here, and the rest is not (promise B5): put aside, and what clients get stays."""
    bench.upload(b"bytes", "Mine.pkg")
    bench.have(signed(b"before", "Theirs.pkg", created=NOON - dt.timedelta(days=1)))
    wrong = {
        "sha1": Digest("sha1", "0" * 40),
        "size": 4,
        "chunks_sha1": Digest("sha256", "0" * 64),
        "chunks_sha256": Digest("sha256", "0" * 64),
    }

    assert bench.offer(signed(b"bytes", "Theirs.pkg", **{field: wrong[field]})) == "quarantined"

    assert bench.last(events.PackageQuarantinedV1).code == "MANIFEST_INVALID"
    assert bench.public("Theirs.pkg") == b"before"
    assert bench.public("Mine.pkg") == b"bytes"


@pytest.mark.parametrize("other", [signed(b"other"), signed(b"bytes", "Other.pkg")])
def test_a_known_id_with_another_story_is_refused(bench: Bench, other: Signed) -> None:
    """An id stands for one name and one content for ever."""
    package = signed(b"bytes")
    bench.offer(package)

    with pytest.raises(ManifestInvalid, match="is known with other"):
        bench.offer(signed(other.content, other.manifest.name.text, package_id=package.package_id))


def test_a_manifest_that_its_origin_did_not_sign_is_refused(bench: Bench) -> None:
    """And leaves nothing."""
    package = signed()
    forged = base64.b64encode(package.envelope.replace(b'"sig": "', b'"sig": "AAAA', 1)).decode()

    with pytest.raises(ManifestInvalid):
        bench.do.records.offer_manifest(forged, "PEER")

    assert bench.said == []


def test_verified_digests_that_are_not_those_of_the_manifest_are_put_aside(bench: Bench) -> None:
    """Storage compares once more."""
    package = signed(b"bytes")
    bench.offer(package)

    bench.verify(package, b"wrong")

    assert bench.state_of(package) is PackageState.QUARANTINED
    assert bench.said[-1] == "package.quarantined.v1"
    assert bench.public() is None
    assert bench.store.layout.quarantined(TRANSFER).read_bytes() == b"wrong"


def test_a_rejected_file_is_put_aside_once(bench: Bench) -> None:
    """With a note; the manifest is no longer given out; a second message changes nothing."""
    package = signed(b"bytes")
    bench.offer(package)
    bench.bring(b"wrong", TRANSFER)

    bench.packages.quarantine_rejected(rejected(package))
    bench.packages.quarantine_rejected(rejected(package))

    assert bench.said == ["package.wanted.v1", "package.quarantined.v1"]
    assert bench.questions.show_package(package.package_id)["error"] == {"code": "DIGEST_INVALID", "reason": "not it"}
    with pytest.raises(NotFound):
        bench.packages.manifest(package.package_id, None)


def test_what_is_published_cannot_be_rejected_any_more(bench: Bench) -> None:
    """A late message about an earlier try."""
    package = signed()
    bench.offer(package)
    bench.verify(package)

    bench.packages.quarantine_rejected(rejected(package))
    bench.packages.give_up(package.package_id, "MANIFEST_SUSPECT", "late")

    assert bench.state_of(package) is PackageState.PUBLISHED
    assert bench.public() == package.content


def test_a_suspect_package_is_given_up(bench: Bench) -> None:
    """Without any file."""
    package = signed()
    bench.offer(package)

    bench.packages.give_up(package.package_id, "MANIFEST_SUSPECT", "different peers gave the same wrong chunk 3")

    assert bench.state_of(package) is PackageState.QUARANTINED
    assert bench.last(events.PackageQuarantinedV1).code == "MANIFEST_SUSPECT"


def test_a_verdict_seen_twice_publishes_once(bench: Bench) -> None:
    """The incoming file is gone the second time."""
    package = signed()
    bench.offer(package)
    bench.verify(package)

    bench.packages.publish_verified(
        events.PackageVerifiedV1(package_id=package.package_id, transfer_id=TRANSFER, digests=file_digests(package.content))
    )

    assert bench.said.count("package.published.v1") == 1
    assert bench.catalogue.figures()["hashed_files"] == 1


def test_a_crash_between_the_move_and_the_commit_is_healed_by_the_sweep(bench: Bench) -> None:
    """Promise B9: the blob is here, the package still wanted; published by the sweep, once."""
    package = signed()
    bench.offer(package)
    bench.catalogue.crashes = lambda changes: changes.seq > 0
    with pytest.raises(Crash):
        bench.verify(package)
    bench.catalogue.crashes = lambda _: False
    assert bench.state_of(package) is PackageState.WANTED

    bench.clock.pass_seconds(60)
    bench.packages.sweep()
    bench.packages.sweep()

    assert bench.state_of(package) is PackageState.PUBLISHED
    assert bench.public() == package.content
    assert bench.said.count("package.published.v1") == 1


def test_a_wanted_package_is_rung_again(bench: Bench) -> None:
    """For as long as it is wanted, each time after `stale_seconds`."""
    bench.offer(signed())
    for seconds in (10, 11, 10, 11):
        bench.clock.pass_seconds(seconds)
        bench.packages.sweep()

    assert bench.said == ["package.wanted.v1"] * 3


VERSIONS = [signed(bytes([65 + number]) * 3, created=NOON + dt.timedelta(seconds=number // 2)) for number in range(4)]


@settings(max_examples=24)
@given(st.permutations(VERSIONS))
def test_the_same_package_is_current_whatever_the_order(order: list[Signed]) -> None:
    """Four versions of one name, two of them in the same second: every instance ends with the same one."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for package in order:
            bench.offer(package)
            bench.verify(package)

        winner = max(VERSIONS, key=lambda package: package.manifest.precedence)
        assert bench.public() == winner.content
        assert {package.package_id for package in VERSIONS if bench.state_of(package) is PackageState.PUBLISHED} == {winner.package_id}
        assert bench.questions.locate_public("App.pkg")["package_id"] == winner.package_id


@pytest.mark.parametrize("order", list(itertools.permutations(["offer", "offer", "verify"])))
def test_a_verdict_before_its_offer_is_no_fault(bench: Bench, order: tuple[str, ...]) -> None:
    """Messages overtake each other; with the offers known in the end, the sweep brings the same state (promise M8)."""
    package = signed()
    for step in (*order, "offer"):
        bench.offer(package) if step == "offer" else bench.verify(package)
    bench.verify(package)

    assert bench.state_of(package) is PackageState.PUBLISHED
    assert bench.said.count("package.published.v1") == 1


def test_the_feed_tells_what_can_be_had_from_what_is_only_known(bench: Bench) -> None:
    """A wanted package is a record; once its bytes are here it is told again, as a package."""
    package = signed()
    bench.offer(package)
    assert [item["kind"] for item in bench.feed()] == ["record"]

    bench.verify(package)

    assert [(item["seq"], item["kind"], item["id"]) for item in bench.feed()] == [(2, "package", package.package_id)]


def test_bytes_that_were_removed_meanwhile_are_not_said_to_be_here(bench: Bench) -> None:
    """Between the blob and the commit, a removal for another package takes bytes that a superseded one does not hold yet."""
    package = signed(b"old", created=NOON - dt.timedelta(hours=1))
    bench.offer(package)
    bench.have(signed(b"new"))
    assert bench.state_of(package) is PackageState.SUPERSEDED

    def offload(make_blob: Callable[..., None], incoming_id: str, sha256: Digest) -> None:
        make_blob(incoming_id, sha256)
        bench.store.remove_blob(sha256)

    bench.packages.offload = offload
    bench.verify(package)

    assert (bench.state_of(package), bench.package(package.package_id).bytes_here) == (PackageState.SUPERSEDED, False)
