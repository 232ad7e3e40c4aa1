"""Claims about the change feed and what is behind it, as peers read it."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest

from shared.core.errors import Forbidden, InvalidInput, NotFound
from shared.core.meta import MetaField
from shared.testing.builders import Signed, signed
from shared.testing.records import later
from tests.unit.storage.speaking import Author, document, text
from tests.unit.storage.storage_bench import Bench, View

ORIGIN, OTHER = Author(), Author()
TAGS, DELETED = MetaField.TAGS, MetaField.DELETED


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A storage that bears every tag."""
    return Bench(tmp_path, staging_tags=("*",))


def view(*tags: str, ever: tuple[str, ...] = (), number: int = 0) -> View:
    """A registration that lets a peer see these tags."""
    return {"tags": list(tags), "ever": [".", *tags, *ever], "number": number}


def made(name: str, *tags: str) -> Signed:
    """A package of ORIGIN."""
    return signed(name.encode(), name, ORIGIN.key, tags=frozenset(tags))


def retag(bench: Bench, package: Signed, *tags: str, at: int = 1) -> None:
    """Its origin gives it other tags."""
    assert bench.learn(document(package, ORIGIN.says(package, TAGS, tags, later(at)))) == []


def kinds(bench: Bench, of: View | None = None) -> list[tuple[str, str]]:
    """Kind and id of every item."""
    return [(item["kind"], item["id"]) for item in bench.feed(of)]


def test_every_record_has_one_place_in_the_feed(bench: Bench) -> None:
    """Packages with their bytes, those that are only known, charters and rotations; each with what a reader compares."""
    here, known, new = made("here.pkg"), made("known.pkg"), Author()
    bench.have(here)
    bench.learn(document(known, ORIGIN.says(known, DELETED)), charters=[OTHER.charter()], rotations=[OTHER.rotation(new)])

    told = {item["kind"]: item for item in bench.feed()}

    assert kinds(bench) == [("package", here.package_id), ("rotation", OTHER.id), ("charter", OTHER.id), ("record", known.package_id)]
    assert told["package"] == item(2, "package", here, meta=[])
    assert told["record"] == item(5, "record", known, meta=[ORIGIN.says(known, DELETED)])
    assert (told["charter"]["rev"], told["charter"]["digest"], told["charter"]["stamp"]) == (0, digest(OTHER.charter()), str(later(0)))
    assert told["rotation"]["digest"] == digest(OTHER.rotation(new))


def item(seq: int, kind: str, package: Signed, meta: list[bytes]) -> dict[str, Any]:
    """An item as the protocol has it."""
    said = hashlib.sha256("\n".join(sorted(digest(one) for one in meta)).encode()).hexdigest()
    return {"seq": seq, "kind": kind, "id": package.package_id, "rev": 1, "digest": digest(package.envelope), "meta": said}


def digest(envelope: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(envelope).hexdigest()


def test_a_view_shows_what_its_tags_admit(bench: Bench) -> None:
    """Packages without tags to everybody, tagged ones to whom bears one of them; what was never shown is not told."""
    untagged, test, production = made("1"), made("2", "test"), made("3", "test", "production")
    for package in (untagged, test, production):
        bench.offer(package)

    assert [about for _, about in kinds(bench, view())] == [untagged.package_id]
    assert [about for _, about in kinds(bench, view("production"))] == [untagged.package_id, production.package_id]
    assert len(kinds(bench, view("*"))) == len(kinds(bench)) == 3


def test_what_a_peer_may_no_longer_see_is_gone_to_it(bench: Bench) -> None:
    """Because its tags changed: to those who may have seen it, and to nobody else."""
    untagged, test = made("1"), made("2", "test")
    for package in (untagged, test):
        bench.offer(package)
        retag(bench, package, "production")

    assert kinds(bench, view("test")) == [("gone", untagged.package_id), ("gone", test.package_id)]
    assert kinds(bench, view()) == [("gone", untagged.package_id)]
    assert [kind for kind, _ in kinds(bench, view("production"))] == ["record", "record"]
    assert [sorted(one) for one in bench.feed(view("test"))] == [["id", "kind", "seq"]] * 2


def test_what_a_package_was_born_with_may_have_been_seen(bench: Bench) -> None:
    """Also by peers of a database that is lost, and filled again with what has happened since."""
    package = made("1", "test")
    retagged = ORIGIN.says(package, MetaField.TAGS, ("production",), later(1))

    bench.learn(document(package, retagged))

    assert kinds(bench, view("test")) == [("gone", package.package_id)]
    assert kinds(bench, view("development")) == []


def test_what_a_registration_let_a_peer_see_once_is_gone_to_it(bench: Bench) -> None:
    """Because the registration was narrowed."""
    package = made("1", "test")
    bench.offer(package)

    assert kinds(bench, view("production", ever=("test",), number=1)) == [("gone", package.package_id)]


def test_a_changed_view_is_read_from_the_start(bench: Bench) -> None:
    """The epoch that the peer sees has the view's number; a cursor of another epoch counts for nothing."""
    for number in range(3):
        bench.offer(made(f"{number}.pkg"))
    first = bench.do.feed.changes(None, 0, 2, view())
    epoch = bench.do.feed.position()["epoch"]
    assert (first["epoch"], first["next"], first["more"]) == (epoch, 2, True)

    assert [one["seq"] for one in bench.do.feed.changes(epoch, 2, 2, view())["items"]] == [3]
    changed = bench.do.feed.changes(epoch, 2, 10, view(number=1))
    assert (changed["epoch"], len(changed["items"])) == (f"{epoch}.1", 3)
    assert bench.do.feed.changes(f"{epoch}.1", 2, 10, view(number=1))["items"] == changed["items"][2:]
    assert len(bench.do.feed.changes("another", 2, 10, None)["items"]) == 3


def test_a_page_that_shows_nothing_moves_the_cursor(bench: Bench) -> None:
    """A peer that may see nothing of it reads on after it."""
    for number in range(3):
        bench.offer(made(f"{number}.pkg", "test"))

    page = bench.do.feed.changes(None, 0, 2, view())

    assert (page["items"], page["next"], page["more"]) == ([], 2, True)


@pytest.mark.parametrize(("limit", "found"), [(-5, 1), (0, 1), (2, 2), (10_000_000, 3)])
def test_a_page_is_never_without_bounds(bench: Bench, limit: int, found: int) -> None:
    """Whatever is asked for; a cursor before the start is the start."""
    for number in range(3):
        bench.offer(made(f"{number}.pkg"))

    assert len(bench.do.feed.changes(None, -1, limit, None)["items"]) == found


def test_what_was_told_is_remembered_beside_the_database(bench: Bench) -> None:
    """By a page and by an announcement, before it is told."""
    bench.offer(made("1"))
    bench.feed()
    assert bench.told.told == (bench.do.feed.position()["epoch"], 1)

    bench.offer(made("2"))
    bench.do.feed.position()

    assert bench.told.told[1] == 2  # type: ignore[index]


def test_comparing_finds_what_is_unknown_or_different(bench: Bench, tmp_path: Path) -> None:
    """Of packages, charters and rotations; what is the same is not asked for again, and what is gone is."""
    theirs = Bench(tmp_path / "theirs", staging_tags=("*",))
    packages = [made(f"{number}.pkg") for number in range(4)]
    for one in (bench, theirs):
        one.learn(*map(document, packages[:3]), charters=[ORIGIN.charter()])
    new = Author()
    theirs.learn(document(packages[3]), document(packages[0], ORIGIN.says(packages[0], DELETED)), rotations=[OTHER.rotation(new)])
    theirs.learn(charters=[ORIGIN.charter(stamp=later(1))])
    bench.packages.withdraw([packages[1].package_id], "PEER")

    found = bench.do.feed.compare(theirs.feed())

    assert set(found["packages"]) == {packages[number].package_id for number in (0, 1, 3)}
    assert (found["charters"], found["rotations"]) == ([ORIGIN.id], [OTHER.id])
    everything = theirs.do.feed.records(found["packages"], found["charters"], found["rotations"], None)
    assert bench.do.records.offer(everything["packages"], everything["charters"], everything["rotations"], "PEER") == {"refused": []}
    assert bench.do.feed.compare(theirs.feed()) == {"packages": [], "charters": [], "rotations": []}


def test_items_of_the_first_protocol_are_compared_by_their_manifest(bench: Bench) -> None:
    """They have no digest of what was said."""
    package = made("1")
    bench.learn(document(package, ORIGIN.says(package, DELETED)))
    told = {"kind": "package", "id": package.package_id, "digest": digest(package.envelope)}

    assert bench.do.feed.compare([told])["packages"] == []
    assert bench.do.feed.compare([told | {"digest": "0" * 64}])["packages"] == [package.package_id]
    assert bench.do.feed.compare([{"kind": "gone", "id": package.package_id}, {"kind": "new", "id": "x"}])["packages"] == []


def test_records_are_given_verbatim_to_whom_may_see_them(bench: Bench) -> None:
    """Manifest and all that was said; unknown ids are left out."""
    package = made("1", "test")
    tombstone = ORIGIN.says(package, DELETED)
    bench.learn(document(package, tombstone))

    (found,) = bench.do.feed.records([package.package_id, "unknown"], [], [], view("test"))["packages"]

    assert found == {"id": package.package_id, "manifest": text(package.envelope), "meta": [text(tombstone)]}


def test_of_what_is_gone_only_what_was_said_is_given(bench: Bench) -> None:
    """So that the peer comes to the same tags by itself; of what it never might see it gets nothing."""
    package = made("1")
    bench.offer(package)
    retag(bench, package, "production")
    hidden = made("2", "production")
    bench.offer(hidden)

    (found,) = bench.do.feed.records([package.package_id, hidden.package_id], [], [], view("test"))["packages"]

    assert sorted(found) == ["id", "meta"]
    assert len(found["meta"]) == 1


def test_what_does_not_fit_into_an_answer_is_left_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for again. No answer has more than two hundred packages."""
    packages = [made(f"{number}.pkg") for number in range(3)]
    bench.learn(*map(document, packages))
    ids = [one.package_id for one in packages]
    monkeypatch.setattr("services.storage.handlers.feed.MAX_ANSWER_CHARACTERS", 4000)
    assert 0 < len(bench.do.feed.records(ids, [], [], None)["packages"]) < 3

    monkeypatch.undo()
    assert len(bench.do.feed.records(ids, [], [], None)["packages"]) == 3
    assert bench.do.feed.records(["unknown"] * 200 + ids, [], [], None)["packages"] == []


def test_charters_and_rotations_are_given_by_id_or_all(bench: Bench) -> None:
    """As their authors signed them."""
    new = Author()
    bench.learn(charters=[ORIGIN.charter(), OTHER.charter()], rotations=[OTHER.rotation(new)])

    some = bench.do.feed.records([], [ORIGIN.id, "unknown"], [], None)
    every = bench.do.feed.records([], ["*"], ["*"], None)

    assert [base64.b64decode(one) for one in some["charters"]] == [ORIGIN.charter()]
    assert (some["rotations"], some["packages"]) == ([], [])
    assert {base64.b64decode(one) for one in every["charters"]} == {ORIGIN.charter(), OTHER.charter()}
    assert [base64.b64decode(one) for one in every["rotations"]] == [OTHER.rotation(new)]


def test_manifest_and_bytes_are_for_whom_the_registration_admits(bench: Bench) -> None:
    """Refused with a code to others; our own doors do not ask."""
    package = made("1", "test")
    bench.have(package)

    for question in (bench.packages.manifest, bench.questions.locate_blob):
        assert question(package.package_id, ["test"])
        assert question(package.package_id, None)
        with pytest.raises(Forbidden) as caught:
            question(package.package_id, ["production"])
        assert caught.value.code == "NOT_ENTITLED"
        with pytest.raises(NotFound):
            question("3f0e8a2c-5b1d-4c7e-9a60-1f2e3d4c5b6a", ["production"])


def test_holdings_are_told_to_whom_may_see_the_package(bench: Bench) -> None:
    """State, and whether the bytes are here; of anything else nothing is said."""
    here, wanted, hidden = made("1"), made("2"), made("3", "test")
    bench.have(here)
    bench.learn(document(wanted), document(hidden))
    ids = [one.package_id for one in (here, wanted, hidden)]

    assert bench.do.feed.holdings([*ids, "unknown"], ["production"])["packages"] == {
        here.package_id: {"state": "published", "bytes_here": True},
        wanted.package_id: {"state": "wanted", "bytes_here": False},
    }
    assert set(bench.do.feed.holdings(ids, None)["packages"]) == set(ids)


def test_the_outline_has_every_package_once(bench: Bench) -> None:
    """By id, page by page, the last says that it is the last."""
    packages = sorted((made(f"{number}.pkg", "test") for number in range(5)), key=lambda one: one.package_id)
    bench.learn(*map(document, packages))
    seen, after = list[dict[str, Any]](), None
    while True:
        page = bench.do.feed.outline(after, 2)
        seen += page["items"]
        after = page["next"]
        if after is None:
            break

    assert [one["package_id"] for one in seen] == [one.package_id for one in packages]
    assert seen[0] == {
        "package_id": packages[0].package_id,
        "name": packages[0].manifest.name.text,
        "size": 5,
        "tags": ["test"],
        "state": "wanted",
        "bytes_here": False,
        "origin": ORIGIN.id,
    }
    assert len(bench.do.feed.outline(None, -1)["items"]) == 1


def expected_buckets(bench: Bench, ids: set[str]) -> list[str]:
    """As the protocol document says: SHA-256 over `id digest meta` lines by id, a bucket for each first byte of the id."""
    lines: dict[int, list[str]] = {number: [] for number in range(256)}
    for one in sorted(bench.feed(), key=lambda item: str(item["id"])):
        if one["id"] in ids:
            lines[int(one["id"][:2], 16)].append(f"{one['id']} {one['digest']} {one['meta']}\n")
    return [hashlib.sha256("".join(lines[number]).encode()).hexdigest() for number in range(256)]


def test_buckets_are_of_what_both_sides_may_see(bench: Bench) -> None:
    """Recomputed by the formula of the protocol."""
    packages = [made(f"{number}.pkg") for number in range(20)]
    test, production, both = made("t", "test"), made("p", "production"), made("b", "test", "production")
    bench.learn(*map(document, [*packages, test, production, both]))
    retag(bench, packages[0], "development")
    retag(bench, packages[1])

    found = bench.do.feed.digest_buckets(["test"], ["production"])

    shared = {one.package_id for one in packages[1:]} | {both.package_id}
    assert found == {"epoch": bench.do.feed.position()["epoch"], "buckets": expected_buckets(bench, shared)}
    assert bench.do.feed.digest_buckets(["*"], ["*"])["buckets"] == expected_buckets(bench, {one["id"] for one in bench.feed()})


def test_what_is_behind_a_bucket_is_what_its_digest_is_of(bench: Bench) -> None:
    """The same packages, by id."""
    packages = [made(f"{number}.pkg", *(["test"] if number % 2 else [])) for number in range(20)]
    bench.learn(*map(document, packages))
    buckets = bench.do.feed.digest_buckets(["test"], ["*"])["buckets"]

    for number in (0, 255, int(packages[0].package_id[:2], 16), int(packages[1].package_id[:2], 16)):
        items = bench.do.feed.list_bucket(number, ["test"], ["*"])["items"]
        lines = "".join(f"{one['id']} {one['digest']} {one['meta']}\n" for one in items)
        assert hashlib.sha256(lines.encode()).hexdigest() == buckets[number]
        assert all(int(one["id"][:2], 16) == number for one in items)
    hidden = packages[1].package_id
    assert hidden not in {one["id"] for one in bench.do.feed.list_bucket(int(hidden[:2], 16), ["production"], ["*"])["items"]}


@pytest.mark.parametrize("number", [-1, 256, 10**9])
def test_there_are_256_buckets(bench: Bench, number: int) -> None:
    """Others are refused with a code."""
    with pytest.raises(InvalidInput) as caught:
        bench.do.feed.list_bucket(number, ["*"], ["*"])

    assert caught.value.code == "BUCKET_INVALID"
