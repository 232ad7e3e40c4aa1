"""Storage's catalogue, in memory and in a database: uploads, packages, what is due."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from services.storage.domain.listing import Newest
from services.storage.domain.package import PackageState
from services.storage.domain.promotion import PromotionState
from services.storage.domain.upload import UploadState
from services.storage.handlers.settling import feed_row
from shared.contracts.events import PackageWantedV1
from shared.core.clock import Stamp
from shared.core.errors import Conflict
from shared.testing.builders import ORIGIN, a_package, an_upload, file_digests
from shared.testing.fakes.clock import NOON
from shared.testing.records import later
from tests.contract.port_catalogue import (
    EVERY_KIND,
    LATER,
    OTHER,
    Kept,
    a_promotion,
    charter,
    empty_catalogue,
    rotation,
    said,
)


@pytest.fixture(params=EVERY_KIND)
def kept(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Kept]:
    """An empty catalogue of each kind."""
    with empty_catalogue(request.param, new_database) as empty:
        yield empty


def test_uploads_are_kept_as_they_are(kept: Kept) -> None:
    """Every field comes back, and saving again replaces."""
    upload = an_upload(
        size=5,
        state=UploadState.HASHED,
        digests=file_digests(b"bytes"),
        declared_sha256="a" * 64,
        bytes_hashed=5,
        expires=LATER,
        bytes_received=1 << 40,
        fence=1 << 40,
        metadata="filename QQ==",
    )
    with kept.catalogue.changing() as changes:
        changes.save_upload(an_upload(upload_id=upload.upload_id))
        changes.save_upload(upload)

        assert changes.upload(upload.upload_id) == upload

    assert kept.catalogue.upload(upload.upload_id) == upload
    assert kept.catalogue.upload("nothing") is None


def test_events_are_said_in_order_when_committed(kept: Kept) -> None:
    """In the order in which they happened."""
    facts = [PackageWantedV1(package_id=a_package().package_id, name=f"{number}.pkg", size=number) for number in range(3)]

    with kept.catalogue.changing() as changes:
        for fact in facts:
            changes.dispatch(fact)

    assert list(kept.said()) == facts


def test_stale_uploads_are_those_that_have_not_ended(kept: Kept) -> None:
    """Not changed since the given time, oldest first, no more than asked for."""
    ages = [NOON + dt.timedelta(seconds=number) for number in (2, 0, 1)]
    waiting = [an_upload(changed=changed, state=UploadState.RECEIVED) for changed in ages]
    ended = [
        an_upload(state=state) for state in (UploadState.PUBLISHED, UploadState.ABORTED, UploadState.REJECTED, UploadState.ALREADY_HERE)
    ]
    with kept.catalogue.changing() as changes:
        for upload in (*waiting, *ended, an_upload(changed=LATER)):
            changes.save_upload(upload)

    assert kept.catalogue.stale_uploads(LATER, LATER, 2) == [waiting[1], waiting[2]]
    assert kept.catalogue.stale_uploads(NOON, LATER, 10) == []


def test_an_upload_that_may_be_resumed_is_not_stale_before_it_expires(kept: Kept) -> None:
    """However long it has not changed; once it has all its bytes it is as others."""
    resumable = an_upload(expires=LATER)
    received = an_upload(expires=LATER, state=UploadState.RECEIVED)
    plain = an_upload()
    with kept.catalogue.changing() as changes:
        for upload in (resumable, received, plain):
            changes.save_upload(upload)

    def stale(now: dt.datetime) -> set[str]:
        return {one.upload_id for one in kept.catalogue.stale_uploads(LATER, now, 10)}

    assert stale(LATER - dt.timedelta(microseconds=1)) == {received.upload_id, plain.upload_id}
    assert stale(LATER) == {resumable.upload_id, received.upload_id, plain.upload_id}


def test_packages_are_kept_as_they_are(kept: Kept) -> None:
    """Every field comes back, and saving again replaces; the manifest is read from its signed bytes."""
    package = a_package(
        state=PackageState.QUARANTINED,
        received_from="B",
        published=LATER,
        error_code="DIGEST_INVALID",
        error_reason="bad",
        tags=frozenset({"test", "production"}),
        ever=frozenset({".", "test", "production"}),
        deleted=later(1),
        raised=later(2),
        meta_digest="a" * 64,
        gone=True,
        bytes_here=True,
        remove_after=LATER,
        rung=NOON,
    )
    kept.save(a_package())
    kept.save(replace(package, tags=frozenset(), deleted=None))
    kept.save(package)

    assert kept.catalogue.package(package.package_id) == package
    assert kept.catalogue.package("nothing") is None
    assert list(kept.catalogue.packages([package.package_id, "nothing"])) == [package]
    with kept.catalogue.changing() as changes:
        assert changes.package(package.package_id) == package
        assert changes.package("nothing") is None


def test_many_packages_are_found_at_once(kept: Kept) -> None:
    """More than fit into one list of a database."""
    packages = [a_package() for _ in range(3)]
    kept.save(*packages)
    asked = [*(str(uuid.uuid4()) for _ in range(1100)), *(one.package_id for one in packages)]

    assert {one.package_id for one in kept.catalogue.packages(asked)} == {one.package_id for one in packages}
    assert {one.package_id for one in kept.catalogue.known(asked)} == {one.package_id for one in packages}
    assert kept.catalogue.meta(asked) == {}
    assert list(kept.catalogue.packages([])) == []


@pytest.mark.parametrize("expects", [True, False])
def test_what_is_expected_is_found_as_without_that(kept: Kept, *, expects: bool) -> None:
    """Saying what will be asked for changes no answer, neither before nor after something was saved."""
    here, new, other = a_package(b"1", "One.pkg"), a_package(b"2", "One.pkg"), a_package(b"3", "Other.pkg")
    kept.save(here, other)

    with kept.catalogue.changing() as changes:
        if expects:
            changes.expect([here.package_id, new.package_id, other.package_id, "nothing"], ["One.pkg", "Nobody.pkg"])
        assert changes.package(here.package_id) == here
        assert changes.package(other.package_id) == other
        assert changes.package(new.package_id) is None
        assert list(changes.named("One.pkg")) == [here]
        assert list(changes.named("Nobody.pkg")) == []
        changes.save_package(new)
        assert changes.package(new.package_id) == new
        assert {one.package_id for one in changes.named("One.pkg")} == {here.package_id, new.package_id}

    assert kept.catalogue.package(new.package_id) == new


def test_what_was_saved_counts_within_the_transaction(kept: Kept) -> None:
    """Also in answers that are about all packages."""
    package = a_package(rung=NOON)

    with kept.catalogue.changing() as changes:
        changes.save_package(package)
        assert changes.rung_wanted(NOON) == 1
        assert changes.holds_blob(package.sha256.hex, "another")
        changes.save_package(replace(package, rung=None, state=PackageState.SUPERSEDED))
        assert changes.rung_wanted(NOON) == 0
        assert not changes.holds_blob(package.sha256.hex, "another")


def test_a_transaction_that_fails_leaves_nothing(kept: Kept) -> None:
    """Neither record, nor feed, nor event: the fact and its announcement are one."""
    package, position = a_package(), kept.catalogue.feed_position()

    with pytest.raises(Conflict), kept.catalogue.changing() as changes:
        changes.save_package(package)
        changes.stamp(feed_row(package))
        changes.replace_meta(package.package_id, [said(package)])
        changes.save_charter(charter(ORIGIN))
        changes.save_rotation(rotation(ORIGIN, OTHER, later(0)))
        changes.flag("stale", "B", "yes")
        changes.save_promotion(a_promotion())
        changes.begin_epoch("another")
        changes.count_hashed(file_digests(b"x"))
        changes.dispatch(PackageWantedV1(package_id=package.package_id, name=package.name, size=1))
        raise Conflict

    assert kept.catalogue.package(package.package_id) is None
    assert kept.catalogue.feed_position() == position
    assert kept.catalogue.changes(0, 10).rows == ()
    assert list(kept.catalogue.to_reconsider([])) == []
    assert (list(kept.catalogue.charters()), list(kept.catalogue.rotations()), kept.catalogue.promotions(Newest(), None, 9)) == (
        [],
        [],
        ([], None),
    )
    assert kept.catalogue.figures()["hashed_files"] == 0
    with kept.catalogue.changing() as changes:
        assert changes.flag_value("stale", "B") == ""
    assert kept.said() == []


def test_a_name_finds_the_published_package_else_the_greatest(kept: Kept) -> None:
    """What is being replaced stays visible while the new one is on its way; the name's case counts."""
    old, new = a_package(b"1", state=PackageState.PUBLISHED), a_package(b"2", created=LATER)
    kept.save(old, new, a_package(b"3", "app.pkg"))

    assert kept.catalogue.by_name("App.pkg") == old
    assert {one.package_id for one in kept.catalogue.named("App.pkg")} == {old.package_id, new.package_id}
    with kept.catalogue.changing() as changes:
        assert {one.package_id for one in changes.named("App.pkg")} == {old.package_id, new.package_id}
    quarantined = old.quarantined("X", "x")
    kept.save(quarantined)
    assert kept.catalogue.by_name("App.pkg") == new
    raised = replace(quarantined, raised=Stamp.of(LATER + dt.timedelta(milliseconds=1)))
    kept.save(raised)
    assert kept.catalogue.by_name("App.pkg") == raised
    kept.save(raised.judged("its origin was revoked before it was made"))
    assert kept.catalogue.by_name("App.pkg") == new
    assert kept.catalogue.by_name("Other.pkg") is None
    assert list(kept.catalogue.named("Other.pkg")) == []


def test_bytes_that_are_here_are_found_by_their_digest(kept: Kept) -> None:
    """Whatever became of their package; not those that are wanted."""
    here, wanted = a_package(b"1", state=PackageState.DELETED, bytes_here=True), a_package(b"2")
    kept.save(here, wanted)

    assert kept.catalogue.with_sha256(here.sha256.hex) == here
    assert kept.catalogue.with_sha256(wanted.sha256.hex) is None


def test_bytes_that_clients_may_have_are_found_by_digest(kept: Kept) -> None:
    """Published or superseded ones that are here, a published one before others; not what is deleted, withheld or on its way."""
    hidden = (PackageState.DELETED, PackageState.WITHHELD, PackageState.QUARANTINED)
    digest = a_package(b"same").sha256.hex
    kept.save(*(a_package(b"same", f"{state}.pkg", state=state, bytes_here=True) for state in hidden))
    kept.save(*(a_package(b"same", f"{state}.pkg", state=state) for state in (PackageState.WANTED, PackageState.SUPERSEDED)))
    assert kept.catalogue.offered_with_sha256(digest) is None

    kept.save(superseded := a_package(b"same", "old.pkg", state=PackageState.SUPERSEDED, bytes_here=True))
    assert kept.catalogue.offered_with_sha256(digest) == superseded
    kept.save(published := a_package(b"same", "new.pkg", state=PackageState.PUBLISHED, bytes_here=True))
    assert kept.catalogue.offered_with_sha256(digest) == published


@pytest.mark.parametrize(
    ("other", "needed"),
    [
        ({"state": PackageState.SUPERSEDED, "bytes_here": True}, True),
        ({"state": PackageState.WANTED}, True),
        ({"state": PackageState.SUPERSEDED}, False),
        ({"state": PackageState.DELETED}, False),
    ],
)
def test_bytes_are_needed_by_whoever_has_or_wants_them(kept: Kept, other: dict[str, Any], needed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Of other packages than the one that is asked for."""
    package = a_package(b"same", bytes_here=True)
    kept.save(package, a_package(b"same", "Other.pkg", **other), a_package(b"different", bytes_here=True))

    with kept.catalogue.changing() as changes:
        assert changes.holds_blob(package.sha256.hex, package.package_id) is needed


@pytest.mark.parametrize(("state", "needed"), [(UploadState.HASHED, True), (UploadState.PUBLISHED, False), (UploadState.RECEIVED, False)])
def test_bytes_are_needed_by_an_upload_that_is_being_completed(kept: Kept, state: UploadState, needed: bool) -> None:  # noqa: FBT001 - as above
    """It may have found them here already."""
    package = a_package(b"same", bytes_here=True)
    kept.save(package)
    with kept.catalogue.changing() as changes:
        changes.save_upload(an_upload(state=state, digests=None if state is UploadState.RECEIVED else file_digests(b"same")))
        changes.save_upload(an_upload(state=UploadState.HASHED, digests=file_digests(b"different")))

        assert changes.holds_blob(package.sha256.hex, package.package_id) is needed


def test_an_outline_goes_by_id(kept: Kept) -> None:
    """After the last one of the page before; so do packages with bytes."""
    packages = sorted((a_package(bytes([number]), bytes_here=number % 2 == 0) for number in range(6)), key=lambda one: one.package_id)
    kept.save(*reversed(packages))

    assert list(kept.catalogue.outline(None, 4)) == packages[:4]
    assert list(kept.catalogue.outline(packages[3].package_id, 4)) == packages[4:]
    with_bytes = [one for one in packages if one.bytes_here]
    assert list(kept.catalogue.with_bytes(None, 2)) == with_bytes[:2]
    assert list(kept.catalogue.with_bytes(with_bytes[1].package_id, 9)) == with_bytes[2:]


def test_promotions_are_kept_as_they_are(kept: Kept) -> None:
    """Every field comes back; newest first, as many as asked for; due are scheduled ones whose time has come, the earliest first."""
    ended = a_promotion(requested=LATER, state=PromotionState.REJECTED, approved_by="ben", reason="no", ended=LATER, due=NOON)
    waiting = a_promotion(requested=LATER + dt.timedelta(1), state=PromotionState.WAITS_FOR_APPROVAL, due=NOON)
    due, soon, early = a_promotion(), a_promotion(due=LATER + dt.timedelta(seconds=1)), a_promotion(due=NOON)
    with kept.catalogue.changing() as changes:
        for one in (replace(ended, state=PromotionState.SCHEDULED), ended, waiting, due, soon, early):
            changes.save_promotion(one)
        assert changes.promotion(ended.promotion_id) == ended
        assert changes.promotion("nothing") is None

    newest, following = kept.catalogue.promotions(Newest(), None, 2)
    assert list(newest) == [waiting, ended]
    rest, last = kept.catalogue.promotions(Newest(), following, 9)
    assert ({one.promotion_id for one in rest}, last) == ({due.promotion_id, soon.promotion_id, early.promotion_id}, None)
    assert kept.catalogue.promotions(Newest(frozenset({"rejected"})), None, 9) == ([ended], None)
    assert (kept.catalogue.promotion(due.promotion_id), kept.catalogue.promotion("nobody")) == (due, None)
    assert list(kept.catalogue.due_promotions(LATER)) == [early, due]


def test_removals_are_due_when_their_time_has_come(kept: Kept) -> None:
    """The earliest first, no more than asked for."""
    dates = [LATER, NOON, None, LATER + dt.timedelta(microseconds=1)]
    packages = [a_package(bytes([number]), bytes_here=True, remove_after=date) for number, date in enumerate(dates)]
    kept.save(*packages)

    assert list(kept.catalogue.due_removals(LATER, 9)) == [packages[1], packages[0]]
    assert list(kept.catalogue.due_removals(LATER, 1)) == [packages[1]]


def test_wanted_packages_take_turns(kept: Kept) -> None:
    """Those that were not rung since, what changed least recently first; and those that were rung since are counted."""
    ages = {"never": (NOON, None), "stale": (NOON + dt.timedelta(seconds=1), NOON), "new": (LATER, None), "fresh": (NOON, LATER)}
    made = {name: a_package(name.encode(), name, changed=changed, rung=rung) for name, (changed, rung) in ages.items()}
    kept.save(*made.values(), a_package(b"here", state=PackageState.PUBLISHED))

    assert [one.name for one in kept.catalogue.wanted_to_ring(LATER, 9)] == ["never", "stale", "new"]
    assert [one.name for one in kept.catalogue.wanted_to_ring(LATER, 2)] == ["never", "stale"]
    with kept.catalogue.changing() as changes:
        assert (changes.rung_wanted(LATER), changes.rung_wanted(NOON)) == (1, 2)


def test_a_ring_in_the_future_does_not_count(kept: Kept) -> None:
    """It was noted with a clock that was a day ahead."""
    package = a_package(rung=LATER + dt.timedelta(days=1))
    kept.save(package)

    assert list(kept.catalogue.wanted_to_ring(LATER, 9)) == [package]


def test_figures_count_what_is_here(kept: Kept) -> None:
    """Bytes are those that are here, in whatever state, not those that are wanted."""
    kept.save(a_package(b"12345", state=PackageState.PUBLISHED, bytes_here=True), a_package(b"123"))
    kept.save(a_package(b"12", state=PackageState.DELETED, bytes_here=True), a_package(b"1", state=PackageState.WITHHELD))
    with kept.catalogue.changing() as changes:
        changes.save_upload(an_upload())
        changes.count_hashed(file_digests(b"12345"))
        changes.dispatch(PackageWantedV1(package_id=a_package().package_id, name="a", size=1))

    assert kept.catalogue.figures() == {
        "packages_wanted": 1,
        "packages_published": 1,
        "packages_superseded": 0,
        "packages_quarantined": 0,
        "packages_deleted": 1,
        "packages_withheld": 1,
        "packages_refused": 0,
        "hashed_files": 1,
        "hashed_bytes": 5,
        "hashed_seconds": pytest.approx(0.1),
        "uploads_open": 1,
        "package_bytes": 7,
        "feed_seq": 4,
        "outbox_waiting": 1,
    }
