"""Claims about records of one author that contradict each other: every instance keeps the same one, whichever came first."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import pytest

from shared.core.digest import Digest
from shared.testing.builders import signed
from shared.testing.records import later
from tests.unit.storage.speaking import Author, document
from tests.unit.storage.storage_bench import Bench

ORIGIN, STEWARD, OTHER = Author(), Author(), Author()
ONE, TWO = ORIGIN.charter(STEWARD, stamp=later(0)), ORIGIN.charter(OTHER, stamp=later(0))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty storage."""
    return Bench(tmp_path)


def digest(envelope: bytes) -> str:
    """As the feed has it."""
    return hashlib.sha256(envelope).hexdigest()


GREATER, LESSER = sorted((ONE, TWO), key=digest, reverse=True)


def test_of_two_charters_with_one_stamp_the_same_one_is_kept_everywhere() -> None:
    """An instance that was cloned, or that tells each of its peers something else, does not split the mesh."""
    for order in ([ONE, TWO], [TWO, ONE]):
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder))
            for envelope in (*order, *order):
                assert bench.learn(charters=[envelope]) == []

            kept = bench.do.feed.records([], [ORIGIN.id], [], None)["charters"]
            assert kept == [base64.b64encode(GREATER).decode()]
            assert [item["digest"] for item in bench.feed() if item["kind"] == "charter"] == [digest(GREATER)]


@pytest.mark.parametrize(("here", "there", "wanted"), [(LESSER, GREATER, True), (GREATER, LESSER, False), (GREATER, GREATER, False)])
def test_the_other_charter_is_asked_for_if_it_counts_more(bench: Bench, here: bytes, there: bytes, wanted: bool) -> None:  # noqa: FBT001 - ask or not
    """The feed says the stamp and the digest of what a peer has."""
    bench.learn(charters=[here])
    item = {"kind": "charter", "id": ORIGIN.id, "digest": digest(there), "stamp": str(later(0))}

    assert bench.do.feed.compare([item])["charters"] == ([ORIGIN.id] if wanted else [])


@pytest.mark.parametrize(
    "changed",
    [
        {"chunks_sha256": Digest("sha256", "a" * 64)},
        {"chunks_sha1": Digest("sha256", "a" * 64)},
        {"sha256": Digest("sha256", "a" * 64)},
        {"sha1": Digest("sha1", "a" * 40)},
        {"size": 4},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_no_revision_has_other_bytes(bench: Bench, changed: dict[str, Any]) -> None:
    """Nor other lists of their chunks: who has the bytes would serve what who reads the new manifest refuses."""
    first = signed(b"bytes", origin=ORIGIN.key)
    bench.have(first)

    second = signed(b"bytes", origin=ORIGIN.key, package_id=first.package_id, revision=2, **changed)

    assert bench.learn(document(second)) == [("package", "MANIFEST_INVALID")]
    assert bench.package(first.package_id).envelope == first.envelope
