"""Claims about records that peers relay: what is merged, what is refused, and that the order does not matter."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import itertools
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.storage.domain.package import PackageState
from shared.contracts import events
from shared.core.meta import MetaField
from shared.testing.builders import Signed, signed
from shared.testing.fakes.clock import NOON
from shared.testing.records import NOON_STAMP, later
from tests.unit.storage.speaking import Author, document, text
from tests.unit.storage.storage_bench import Bench

TAGS, DELETED, RAISED = MetaField.TAGS, MetaField.DELETED, MetaField.RAISED
ORIGIN, STEWARD, SECOND, STRANGER = Author(), Author(), Author(), Author()
TRUSTING = ORIGIN.charter(STEWARD, stamp=later(-1000))
CHAINED = STEWARD.charter(SECOND, stamp=later(-1000))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A storage that bears every tag, and knows whom ORIGIN trusts."""
    bench = Bench(tmp_path, staging_tags=("*",))
    assert bench.learn(charters=[TRUSTING, CHAINED]) == []
    return bench


def made(content: bytes = b"bytes", **fields: object) -> Signed:
    """A package of ORIGIN."""
    return signed(content, origin=ORIGIN.key, **fields)


def view(bench: Bench, package: Signed) -> tuple[object, ...]:
    """All that records decide about a package."""
    known = bench.package(package.package_id)
    return known.tags, known.deleted, known.raised, known.meta_digest, known.manifest_digest, known.state


PACKAGE = made()
RECORDS = [
    ORIGIN.says(PACKAGE, TAGS, ("test",), later(1)),
    ORIGIN.says(PACKAGE, TAGS, ("production",), later(3)),
    STEWARD.says(PACKAGE, TAGS, ("development",), later(2)),
    SECOND.says(PACKAGE, TAGS, ("production", "test"), later(3)),
    STEWARD.says(PACKAGE, DELETED, stamp=later(2)),
    ORIGIN.says(PACKAGE, DELETED, value=False, stamp=later(1)),
    SECOND.says(PACKAGE, RAISED, stamp=later(4)),
]


@settings(max_examples=20)
@given(st.permutations(RECORDS), st.integers(1, 3), st.integers(0, 1))
def test_the_same_records_come_to_the_same_in_every_order(order: list[bytes], batch: int, again: int) -> None:
    """In batches of any size, and if everything is relayed again: the latest word of each author is kept, the greatest counts."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), staging_tags=("*",))
        bench.learn(charters=[TRUSTING, CHAINED])
        for start in range(0, len(order), batch):
            assert bench.learn(document(PACKAGE, *order[start : start + batch])) == []
        for _ in range(again):
            bench.learn(document(PACKAGE, *order))

        known = bench.package(PACKAGE.package_id)
        assert known.deleted == later(2)
        assert known.raised == later(4)
        winner = max(ORIGIN.id, SECOND.id)
        assert known.tags == ({"production"} if winner == ORIGIN.id else {"production", "test"})
        kept = {base64.b64decode(one) for one in bench.do.feed.records([PACKAGE.package_id], [], [], None)["packages"][0]["meta"]}
        assert kept == set(RECORDS) - {RECORDS[0]}


def test_what_is_relayed_again_is_no_news(bench: Bench) -> None:
    """Neither a place in the feed, nor an event, nor a doorbell."""
    bench.learn(document(PACKAGE, *RECORDS))
    position, said = bench.do.feed.position(), list(bench.catalogue.dispatched)

    bench.learn(document(PACKAGE, *reversed(RECORDS)))

    assert bench.do.feed.position() == position
    assert bench.catalogue.dispatched == said


def test_who_is_not_entitled_is_refused_and_the_rest_is_kept(bench: Bench) -> None:
    """Told by kind and code; the others of the batch are taken, also of the same package."""
    other = made(b"other", name="Other.pkg")

    refused = bench.learn(
        document(PACKAGE, STRANGER.says(PACKAGE, DELETED), STEWARD.says(PACKAGE, TAGS, ("test",))),
        document(other, STEWARD.says(other, TAGS, ("production",))),
    )

    assert refused == [("meta", "RECORD_REFUSED")]
    assert bench.package(PACKAGE.package_id).deleted is None
    assert bench.package(PACKAGE.package_id).tags == {"test"}
    assert bench.package(other.package_id).tags == {"production"}


def test_who_is_refused_is_heard_once_it_may_speak(bench: Bench) -> None:
    """The charter that entitles it comes later, or in the same batch."""
    entitling = ORIGIN.charter(STEWARD, STRANGER, stamp=later(0))
    deleting = document(PACKAGE, STRANGER.says(PACKAGE, DELETED))
    assert bench.learn(deleting) == [("meta", "RECORD_REFUSED")]

    assert bench.learn(deleting, charters=[entitling]) == []

    assert bench.state_of(PACKAGE) is PackageState.DELETED


@pytest.mark.parametrize("kind", ["manifest", "meta", "charter", "rotation"])
def test_what_comes_from_the_future_waits(bench: Bench, kind: str) -> None:
    """More than five minutes ahead of our clock: refused for now, and taken when its time has come."""
    ahead = later(301_000)
    manifest = made(b"ahead", created=NOON + dt.timedelta(seconds=301))
    bench.learn(document(PACKAGE))

    def relay() -> list[tuple[str, str]]:
        if kind == "manifest":
            return bench.learn(document(manifest))
        if kind == "meta":
            return bench.learn(document(PACKAGE, STEWARD.says(PACKAGE, DELETED, stamp=ahead)))
        if kind == "charter":
            return bench.learn(charters=[ORIGIN.charter(stamp=ahead)])
        return bench.learn(rotations=[STRANGER.rotation(Author(), ahead)])

    assert [code for _, code in relay()] == ["CLOCK_AHEAD"]
    bench.clock.pass_seconds(1)
    assert relay() == []


def test_what_is_forged_is_refused(bench: Bench) -> None:
    """Each kind, with a code that says that it will never be right."""
    meta, charter = STEWARD.says(PACKAGE, DELETED), ORIGIN.charter(stamp=later(1))
    rotation = ORIGIN.rotation(Author())

    refused = bench.learn(
        document(made(b"1"), manifest=forged(made(b"1").envelope)),
        document(PACKAGE, forged(meta)),
        charters=[forged(charter)],
        rotations=[forged(rotation)],
    )

    expected = [("rotation", "RECORD_INVALID"), ("charter", "RECORD_INVALID"), ("package", "MANIFEST_INVALID"), ("meta", "RECORD_INVALID")]
    assert refused == expected
    assert bench.package(PACKAGE.package_id).deleted is None


def forged(envelope: bytes) -> bytes:
    """With another signature."""
    return envelope.replace(b'"sig": "', b'"sig": "AAAA', 1)


def test_records_belong_to_the_package_that_they_are_about(bench: Bench) -> None:
    """A hop that puts them under another id is refused; so are, for now, records without anything that they could be about."""
    other = made(b"other", name="Other.pkg")
    bench.learn(document(other))

    assert bench.learn(document(other, STEWARD.says(PACKAGE, DELETED))) == [("meta", "RECORD_INVALID")]
    assert bench.learn(document(other.package_id, manifest=PACKAGE.envelope)) == [("package", "MANIFEST_INVALID")]
    assert bench.learn(document(PACKAGE.package_id, STEWARD.says(PACKAGE, DELETED))) == [("package", "NOT_DELIVERED")]
    assert bench.catalogue.package(PACKAGE.package_id) is None


def test_the_manifest_of_another_package_is_refused_even_if_all_else_is_the_same(bench: Bench) -> None:
    """Same origin, name and bytes under a known id: it is still another package."""
    bench.learn(document(PACKAGE))

    assert bench.learn(document(PACKAGE.package_id, manifest=made(revision=2).envelope)) == [("package", "MANIFEST_INVALID")]
    assert (
        bench.package(PACKAGE.package_id).manifest_digest
        == bench.do.feed.list_bucket(int(PACKAGE.package_id[:2], 16), ["*"], ["*"])["items"][0]["digest"]
    )


def test_junk_is_refused_and_breaks_nothing(bench: Bench) -> None:
    """Whatever a peer puts where base64 should be."""
    junk = {"id": PACKAGE.package_id, "manifest": "?", "meta": ["?", text(b"{}"), text(b"\xff"), ""]}

    refused = bench.learn(junk, {"id": None, "meta": None}, charters=[b"", b"[]"], rotations=[b"null"])

    assert {code for _, code in refused} == {"RECORD_INVALID", "NOT_DELIVERED"}


def test_a_write_that_lost_is_told_once(bench: Bench) -> None:
    """Side by side, seen in either order and however often; it names who lost against whom, for the audit."""
    bench.learn(document(PACKAGE))
    first, second = ORIGIN.says(PACKAGE, TAGS, ("test",), later(1)), STEWARD.says(PACKAGE, TAGS, ("production",), later(2))
    for envelope in (first, second, first, second, first):
        bench.learn(document(PACKAGE, envelope))

    (told,) = bench.events(events.MetaOverruledV1)
    assert (told.lost_author, told.lost_value, told.won_author, told.won_value) == (ORIGIN.id, "test", STEWARD.id, "production")


def test_a_write_that_lost_before_it_came_is_told_once(bench: Bench) -> None:
    """The later one was here first."""
    first, second = ORIGIN.says(PACKAGE, TAGS, ("test",), later(1)), STEWARD.says(PACKAGE, TAGS, ("production",), later(2))
    for envelope in (second, first, first, second):
        bench.learn(document(PACKAGE, envelope))

    assert [told.lost_author for told in bench.events(events.MetaOverruledV1)] == [ORIGIN.id]


def test_who_knew_what_it_wrote_over_did_not_overrule_it(bench: Bench) -> None:
    """A record names the one that it replaces."""
    first = ORIGIN.says(PACKAGE, TAGS, ("test",), later(1))
    second = STEWARD.says(PACKAGE, TAGS, ("production",), later(2), replaces=hashlib.sha256(first).hexdigest())
    for envelope in (first, second, first):
        bench.learn(document(PACKAGE, envelope))

    assert bench.events(events.MetaOverruledV1) == []


def test_what_changed_is_told_with_who_wrote_it(bench: Bench) -> None:
    """Tags, a deletion, its end and a raise: each once, with author and person."""
    bench.learn(document(PACKAGE))
    for envelope in (
        STEWARD.says(PACKAGE, TAGS, ("test",), later(1), person="ben"),
        STEWARD.says(PACKAGE, DELETED, stamp=later(2), person="ben"),
        STEWARD.says(PACKAGE, DELETED, value=False, stamp=later(3), person="ben"),
        STEWARD.says(PACKAGE, RAISED, stamp=later(4), person="ben"),
    ):
        bench.learn(document(PACKAGE, envelope))

    told = [event for event in bench.catalogue.dispatched if hasattr(event, "person")]
    kinds = [events.PackageRetaggedV1, events.PackageDeletedV1, events.PackageRestoredV1, events.PackageRaisedV1]
    assert [type(event) for event in told] == kinds
    assert {(event.author, event.person) for event in told} == {(STEWARD.id, "ben")}  # type: ignore[attr-defined]


def test_a_package_that_comes_with_its_tombstone_is_never_wanted(bench: Bench) -> None:
    """An instance that was away for months learns of both at once."""
    bench.learn(document(PACKAGE, STEWARD.says(PACKAGE, DELETED)))

    assert bench.state_of(PACKAGE) is PackageState.DELETED
    assert "package.wanted.v1" not in bench.said


def test_initial_tags_hold_until_somebody_writes_others(bench: Bench) -> None:
    """They stand in the manifest, so no hop can take them off."""
    package = made(tags=frozenset({"test"}))
    bench.learn(document(package))
    assert bench.package(package.package_id).tags == {"test"}

    bench.learn(document(package, STEWARD.says(package, TAGS, ())))

    assert bench.package(package.package_id).tags == frozenset()
    assert bench.package(package.package_id).ever == {"test", "."}


@pytest.mark.parametrize("order", list(itertools.permutations((0, 1, 2))))
def test_the_greatest_revision_of_a_manifest_counts(bench: Bench, order: Iterable[int]) -> None:
    """Whatever the order: an older one never comes back."""
    revisions = [made(package_id=PACKAGE.package_id, revision=number + 1, created=NOON - dt.timedelta(hours=number)) for number in range(3)]
    for number in order:
        assert bench.learn(document(revisions[number])) == []

    known = bench.package(PACKAGE.package_id)
    assert (known.manifest.revision, known.envelope) == (3, revisions[2].envelope)


def test_what_a_revoked_origin_made_since_is_refused(bench: Bench) -> None:
    """Revoked by us, or by whom we let steward our packages; what it made before stays."""
    bench.declare(STEWARD)
    bench.learn(charters=[STEWARD.charter(revoked={STRANGER: later(0)}, stamp=later(0))])

    before = signed(b"1", "1.pkg", STRANGER.key, created=NOON - dt.timedelta(seconds=1))
    after = signed(b"2", "2.pkg", STRANGER.key, created=NOON + dt.timedelta(seconds=1))
    assert bench.learn(document(before), document(after)) == [("package", "RECORD_REFUSED")]
    assert bench.state_of(before) is PackageState.WANTED


def test_what_others_revoked_is_their_business(bench: Bench) -> None:
    """A stranger's charter revokes nobody here."""
    bench.learn(charters=[STRANGER.charter(revoked={ORIGIN: later(-9000)}, stamp=later(0))])

    assert bench.learn(document(PACKAGE)) == []
    assert bench.events(events.InstanceRevokedV1) == []


def test_a_steward_that_revokes_is_followed(bench: Bench) -> None:
    """Told once, so that our own registration of that instance ends too."""
    bench.declare(STEWARD)
    for stamp in (later(0), later(1)):
        bench.learn(charters=[STEWARD.charter(revoked={STRANGER: later(0)}, stamp=stamp)])

    told = [(event.instance_id, event.revoked_by) for event in bench.events(events.InstanceRevokedV1)]
    assert told == [(STRANGER.id, STEWARD.id)]


def test_what_was_written_after_a_rotation_with_the_old_key_is_refused(bench: Bench) -> None:
    """Manifests, meta records and charters; what the new key writes counts for the same instance."""
    new = Author()
    assert bench.learn(document(PACKAGE), rotations=[ORIGIN.rotation(new, later(0))]) == []
    late = made(b"late", name="Late.pkg", created=NOON + dt.timedelta(seconds=2))

    refused = bench.learn(
        document(late),
        document(PACKAGE, ORIGIN.says(PACKAGE, TAGS, ("test",), later(1))),
        charters=[ORIGIN.charter(STRANGER, stamp=later(1))],
    )
    assert refused == [("charter", "RECORD_REFUSED"), ("package", "RECORD_REFUSED"), ("meta", "RECORD_REFUSED")]
    assert bench.learn(document(PACKAGE, new.says(PACKAGE, TAGS, ("production",), later(1)))) == []
    assert bench.package(PACKAGE.package_id).tags == {"production"}


def test_a_rotation_is_told_once(bench: Bench) -> None:
    """So that replication pins the new key."""
    new = Author()
    for _ in range(2):
        bench.learn(rotations=[ORIGIN.rotation(new)])

    (told,) = bench.events(events.InstanceRotatedV1)
    assert (told.old_id, told.new_id, base64.b64decode(told.new_key)) == (ORIGIN.id, new.id, new.key.public_bytes)


def test_a_rival_rotation_is_refused(bench: Bench) -> None:
    """Of two, the one with the later stamp counts nowhere, in whatever order they come."""
    new, thief = Author(), Author()
    bench.learn(rotations=[ORIGIN.rotation(new, later(0))])

    assert bench.learn(rotations=[ORIGIN.rotation(thief, later(1))]) == [("rotation", "RECORD_REFUSED")]
    assert [item["digest"] for item in bench.feed() if item["kind"] == "rotation"] == [digest_of(ORIGIN.rotation(new, later(0)))]


def digest_of(envelope: bytes) -> str:
    """As the feed has it."""
    return hashlib.sha256(envelope).hexdigest()


def test_an_older_charter_changes_nothing(bench: Bench) -> None:
    """A hop that replays one cannot bring a dismissed steward back; it is no fault either."""
    bench.learn(charters=[ORIGIN.dismissing(STEWARD, until=later(0), stamp=later(1))])

    assert bench.learn(charters=[TRUSTING]) == []

    assert bench.learn(document(PACKAGE, STEWARD.says(PACKAGE, DELETED, stamp=later(1)))) == [("meta", "RECORD_REFUSED")]


def test_a_dismissal_undoes_what_was_written_after_it_and_nothing_before(bench: Bench) -> None:
    """What arrived before the dismissal did is looked at again by the sweep; and found again in the feed as changed."""
    early, late = made(b"1", name="1.pkg"), made(b"2", name="2.pkg")
    bench.learn(document(early, STEWARD.says(early, DELETED, stamp=later(1))), document(late, STEWARD.says(late, DELETED, stamp=later(3))))
    bench.do.healing.sweep()
    before = bench.do.feed.position()["seq"]

    bench.learn(charters=[ORIGIN.dismissing(STEWARD, until=later(2), stamp=later(4))])
    bench.do.healing.sweep()

    assert bench.state_of(early) is PackageState.DELETED
    assert bench.state_of(late) is PackageState.WANTED
    changed = [item["id"] for item in bench.do.feed.changes(bench.do.feed.position()["epoch"], before, 100, None)["items"]]
    assert changed == [ORIGIN.id, late.package_id]


def test_a_charter_that_changes_no_relation_makes_no_work(bench: Bench) -> None:
    """The heartbeat of an instance is not a change of trust."""
    bench.do.healing.sweep()
    bench.learn(document(PACKAGE, STEWARD.says(PACKAGE, TAGS, ("test",))))
    calls = list[str]()
    bench.do.records.trust_changed = lambda: calls.append("changed")

    bench.learn(charters=[ORIGIN.charter(STEWARD, stamp=later(5))])
    assert calls == []
    bench.learn(charters=[ORIGIN.charter(STEWARD, STRANGER, stamp=later(6))])
    assert calls == ["changed"]


def test_what_a_package_is_told_with_first_and_last_is_the_same(bench: Bench) -> None:
    """Records that came before the manifest was known are relayed again with it, and then they count."""
    tombstone = STEWARD.says(PACKAGE, DELETED, stamp=NOON_STAMP)
    assert bench.learn(document(PACKAGE.package_id, tombstone)) == [("package", "NOT_DELIVERED")]

    assert bench.learn(document(PACKAGE, tombstone)) == []

    assert bench.state_of(PACKAGE) is PackageState.DELETED


def test_more_records_than_one_call_looks_at_are_all_kept_in_the_end(bench: Bench) -> None:
    """As many stewards as a large mesh has may have written about one package."""
    stewards = [Author() for _ in range(70)]
    bench.learn(charters=[ORIGIN.charter(*stewards, stamp=later(0))])

    bench.learn(document(PACKAGE, *(one.says(PACKAGE, TAGS, ("test",)) for one in stewards)))

    assert len(bench.catalogue.meta([PACKAGE.package_id])[PACKAGE.package_id]) == len(stewards)
