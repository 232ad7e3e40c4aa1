"""Claims about packages whose origin's key was not good when they were made: it does not matter which is heard of first."""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from services.storage.domain.package import PackageState
from shared.contracts import events
from shared.core.errors import NotFound
from shared.core.meta import MetaField
from shared.testing.builders import Signed, signed
from shared.testing.fakes.clock import NOON
from shared.testing.records import later
from tests.unit.storage.speaking import Author, document
from tests.unit.storage.storage_bench import Bench

ORIGIN, STEWARD, NEW = Author(), Author(), Author()
BEFORE, AFTER = NOON - dt.timedelta(seconds=60), NOON + dt.timedelta(seconds=60)


def made(content: bytes = b"late", name: str = "App.pkg", created: dt.datetime = AFTER, **more: Any) -> Signed:
    """A package that the old, stolen or revoked key signed; too late, if nothing else is said."""
    return signed(content, name, ORIGIN.key, created=created, **more)


EARLY, LATE = made(b"early", created=BEFORE), made()
SAID_OF_LATE = STEWARD.says(LATE, MetaField.TAGS, ("test",), later(61_000))
ROTATED = {"rotations": [ORIGIN.rotation(NEW, later(0))]}
REVOKED = {"charters": [STEWARD.charter(revoked={ORIGIN: later(0)}, stamp=later(1))]}
EVIDENCE = pytest.mark.parametrize("evidence", [ROTATED, REVOKED], ids=["rotated", "revoked"])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A storage that bears every tag, has a steward, and has learnt that ORIGIN lets that one write."""
    return prepared(tmp_path)


def prepared(folder: Path, **settings: Any) -> Bench:
    """The same, in a folder."""
    bench = Bench(folder, staging_tags=("*",), **settings)
    bench.declare(STEWARD)
    bench.learn(charters=[ORIGIN.charter(STEWARD, stamp=later(-9000))])
    return bench


def tell(bench: Bench, said: object) -> None:
    """One thing that is heard of, and what follows from it a little later; bytes that are wanted come."""
    if isinstance(said, Signed):
        bench.learn(document(said))
    elif isinstance(said, bytes):
        bench.learn(document(LATE, said))
    else:
        assert isinstance(said, dict)
        bench.learn(**said)
    bench.do.healing.sweep()
    for package in (EARLY, LATE, said):
        known = bench.catalogue.package(package.package_id) if isinstance(package, Signed) else None
        if known is not None and known.state is PackageState.WANTED:
            assert isinstance(package, Signed)
            bench.verify(package)


def shown(bench: Bench) -> tuple[object, ...]:
    """All that anybody outside can see of ORIGIN's packages, but for what is said about those that are gone."""
    about = [EARLY.package_id, LATE.package_id]
    items = sorted((item["id"], item["kind"], item["digest"], item["meta"]) for item in bench.feed() if "meta" in item)
    buckets = [bench.do.feed.digest_buckets(["*"], ["*"])["buckets"], bench.do.feed.list_bucket(int(about[1][:2], 16), ["*"], ["*"])]
    return items, buckets, bench.do.feed.records(about, [], [], None), bench.do.feed.holdings(about, ["*"]), bench.public()


@EVIDENCE
def test_what_is_seen_does_not_depend_on_what_was_heard_of_first(evidence: dict[str, Any]) -> None:
    """Two packages of one name, what was said about the later one, and why it does not count: in every order."""
    views = []
    for order in itertools.permutations([EARLY, LATE, SAID_OF_LATE, evidence]):
        with tempfile.TemporaryDirectory() as folder:
            bench = prepared(Path(folder))
            for said in order:
                tell(bench, said)
            views.append(shown(bench))

    assert all(view == views[0] for view in views)
    assert views[0][-1] == EARLY.content


@EVIDENCE
def test_what_a_stolen_key_signed_is_public_no_longer(bench: Bench, evidence: dict[str, Any]) -> None:
    """Unlinked, told, and not to be had: neither manifest, nor bytes, nor records; its bytes stay here."""
    tell(bench, LATE)
    assert bench.public() == LATE.content

    tell(bench, evidence)

    package = bench.package(LATE.package_id)
    assert (package.state, package.bytes_here, bench.public()) == (PackageState.REFUSED, True, None)
    assert [event.package_id for event in bench.events(events.PackageWithdrawnV1)] == [LATE.package_id]
    assert bench.questions.show_package(LATE.package_id)["error"]["code"] == "RECORD_REFUSED"
    assert bench.do.feed.records([LATE.package_id], [], [], None)["packages"] == []
    assert bench.do.feed.holdings([LATE.package_id], ["*"])["packages"] == {}
    for question in (bench.packages.manifest, bench.questions.locate_blob):
        with pytest.raises(NotFound):
            question(LATE.package_id, ["*"])


@EVIDENCE
def test_whoever_was_shown_it_is_told_that_it_is_gone(bench: Bench, evidence: dict[str, Any]) -> None:
    """So that nobody takes us for a source any more; whom it was never shown is told nothing."""
    package = made(b"tagged", "Tagged.pkg", tags=frozenset({"test"}))
    tell(bench, package)

    tell(bench, evidence)

    def told(*tags: str) -> list[str]:
        view = {"tags": list(tags), "ever": [".", *tags], "number": 0}
        return [item["kind"] for item in bench.feed(view) if item["id"] == package.package_id]

    assert told("test") == ["gone"]
    assert told("production") == []


@EVIDENCE
def test_told_again_it_is_refused_again(bench: Bench, evidence: dict[str, Any]) -> None:
    """As if it had come after the evidence; and a reader that compares takes it for unknown."""
    tell(bench, LATE)
    tell(bench, evidence)

    assert bench.learn(document(LATE)) == [("package", "RECORD_REFUSED")]
    item = {"kind": "package", "id": LATE.package_id, "digest": bench.package(LATE.package_id).manifest_digest}
    assert bench.do.feed.compare([item])["packages"] == [LATE.package_id]


@pytest.mark.parametrize("policy", ["keep", "hide", "remove"])
def test_its_bytes_go_only_if_policy_says_so(tmp_path: Path, policy: str) -> None:
    """And under no policy is it public."""
    bench = prepared(tmp_path, gone_policy=policy)
    tell(bench, LATE)

    tell(bench, ROTATED)
    bench.sweep()

    assert bench.package(LATE.package_id).bytes_here == (policy != "remove")
    assert bench.public() is None


def test_a_revocation_that_is_withdrawn_brings_it_back(bench: Bench) -> None:
    """Without anything being moved."""
    tell(bench, LATE)
    tell(bench, REVOKED)

    tell(bench, {"charters": [STEWARD.charter(stamp=later(2))]})

    assert (bench.state_of(LATE), bench.public()) == (PackageState.PUBLISHED, LATE.content)
    assert "package" in [item["kind"] for item in bench.feed() if item["id"] == LATE.package_id]


@pytest.mark.parametrize("order", list(itertools.permutations((0, 1, 2))))
def test_a_revision_that_does_not_count_hides_none_that_does(bench: Bench, order: Iterable[int]) -> None:
    """Of several revisions, the greatest of those that count; what the stolen key signed in between is found out at last."""
    right = made(b"bytes", created=BEFORE, revision=1)
    wrong = made(b"bytes", created=AFTER, revision=2, package_id=right.package_id)
    told = [right, wrong, ROTATED]
    for number in order:
        tell(bench, told[number])
    tell(bench, right)  # whoever has it goes on telling it

    assert bench.package(right.package_id).envelope == right.envelope
    assert bench.public() == b"bytes"


def test_a_tombstone_on_it_keeps_no_place(bench: Bench) -> None:
    """What nobody can see must not hide what is below it."""
    tell(bench, EARLY)
    tell(bench, LATE)
    tell(bench, STEWARD.says(LATE, MetaField.DELETED, stamp=later(61_500)))
    assert bench.public() is None

    tell(bench, ROTATED)

    assert bench.public() == EARLY.content


def test_our_own_packages_stay_ours_whoever_revokes_us(bench: Bench) -> None:
    """A steward of ours may shut us out of the mesh; what our clients get is our own business."""
    package_id = bench.uploaded(b"ours")
    us = Author(bench.key)

    tell(bench, {"charters": [STEWARD.charter(revoked={us: later(-9000)}, stamp=later(1))]})

    assert bench.state_of(package_id) is PackageState.PUBLISHED


def test_it_is_not_counted_in_a_census(bench: Bench) -> None:
    """Whoever heard of the evidence first has nothing to count."""
    tell(bench, LATE)
    tell(bench, ROTATED)

    assert bench.catalogue.census(ORIGIN.key.instance_id, later(100_000)).count == 0
