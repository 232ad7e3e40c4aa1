"""One suite for storage's catalogue, in memory and in a database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from services.storage.adapters.catalogue import SqlCatalogue
from services.storage.domain.package import Package, PackageState
from services.storage.domain.upload import UploadState
from services.storage.ports import Catalogue
from shared.contracts.events import Event, PackageWantedV1
from shared.core.errors import Conflict, InvalidInput
from shared.testing.builders import a_package, an_upload, file_digests
from shared.testing.fakes.catalogue import FakeCatalogue
from shared.testing.fakes.clock import NOON
from tests.contract.port_databases import dispatched, migrated, outbox_of

LATER = NOON + dt.timedelta(minutes=1)


@dataclass
class Kept:
    """A catalogue, and what it said to the bus."""

    catalogue: Catalogue
    said: Callable[[], Sequence[Event]]

    def save(self, *packages: Package) -> None:
        """Keep and stamp packages, in order."""
        with self.catalogue.changing() as changes:
            for package in packages:
                changes.save_package(package)
                changes.stamp(package)


@pytest.fixture(params=["memory", "database"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    """An empty catalogue of each kind."""
    if request.param == "memory":
        fake = FakeCatalogue()
        yield Kept(fake, lambda: fake.dispatched)
        return
    with migrated("storage", tmp_path) as database:
        yield Kept(SqlCatalogue(database, outbox_of("storage", database)), lambda: dispatched("storage", database))


def test_uploads_are_kept_as_they_are(kept: Kept) -> None:
    """Every field comes back, and saving again replaces."""
    upload = an_upload(size=5, state=UploadState.HASHED, digests=file_digests(b"bytes"), declared_sha256="a" * 64, bytes_hashed=5)
    with kept.catalogue.changing() as changes:
        changes.save_upload(an_upload(upload_id=upload.upload_id))
        changes.save_upload(upload)

        assert changes.upload(upload.upload_id) == upload

    assert kept.catalogue.upload(upload.upload_id) == upload
    assert kept.catalogue.upload("nothing") is None


def test_packages_are_kept_as_they_are(kept: Kept) -> None:
    """Every field comes back; the manifest is read from its signed bytes."""
    package = a_package(state=PackageState.QUARANTINED, received_from="B", published=LATER, error_code="DIGEST_INVALID", error_reason="bad")
    kept.save(package)

    assert kept.catalogue.package(package.package_id) == package
    assert kept.catalogue.package("nothing") is None


def test_a_transaction_that_fails_leaves_nothing(kept: Kept) -> None:
    """Neither record, nor feed, nor event: the fact and its announcement are one."""
    package, position = a_package(), kept.catalogue.feed_position()

    with pytest.raises(Conflict), kept.catalogue.changing() as changes:
        changes.save_package(package)
        changes.stamp(package)
        changes.count_hashed(file_digests(b"x"))
        changes.dispatch(PackageWantedV1(package_id=package.package_id, name=package.name, size=1))
        raise Conflict

    assert kept.catalogue.package(package.package_id) is None
    assert kept.catalogue.feed_position() == position
    assert kept.catalogue.figures()["hashed_files"] == 0
    assert kept.said() == []


def test_events_are_said_in_order_when_committed(kept: Kept) -> None:
    """In the order in which they happened."""
    facts = [PackageWantedV1(package_id=a_package().package_id, name=f"{number}.pkg", size=number) for number in range(3)]

    with kept.catalogue.changing() as changes:
        for fact in facts:
            changes.dispatch(fact)

    assert list(kept.said()) == facts


def test_the_current_package_is_the_published_one(kept: Kept) -> None:
    """Not the wanted, not the superseded one, not one of another name, and the name's case counts."""
    published = a_package(b"2", state=PackageState.PUBLISHED)
    kept.save(a_package(b"1", state=PackageState.SUPERSEDED), published, a_package(b"3"), a_package(b"4", "app.pkg"))

    with kept.catalogue.changing() as changes:
        assert changes.current("App.pkg") == published
        assert changes.current("app.pkg") is None


def test_a_name_finds_the_published_package_else_the_newest(kept: Kept) -> None:
    """What is being replaced stays visible while the new one is on its way."""
    old, new = a_package(b"1", state=PackageState.PUBLISHED), a_package(b"2", created=LATER)
    kept.save(old, new)

    assert kept.catalogue.by_name("App.pkg") == old
    kept.save(old.quarantined("X", "x"))
    assert kept.catalogue.by_name("App.pkg") == new
    assert kept.catalogue.by_name("Other.pkg") is None


def test_bytes_that_are_here_are_found_by_their_digest(kept: Kept) -> None:
    """Published and superseded ones; not the wanted ones."""
    here, wanted = a_package(b"1", state=PackageState.SUPERSEDED), a_package(b"2")
    kept.save(here, wanted)

    assert kept.catalogue.with_sha256(here.sha256.hex) == here
    assert kept.catalogue.with_sha256(wanted.sha256.hex) is None


def test_pages_hold_every_package_once(kept: Kept) -> None:
    """By name, then id; each page says where the next begins, the last says that it is the last."""
    packages = [a_package(bytes([number]), name) for number, name in enumerate(["b.pkg", "a.pkg", "b.pkg", "Ä.pkg", "B.pkg"])]
    kept.save(*packages)

    seen, after = list[Package](), None
    while True:
        items, after = kept.catalogue.page(after, 2)
        seen += items
        if after is None:
            break

    assert seen == sorted(packages, key=lambda package: (package.name, package.package_id))


def test_an_invented_cursor_is_refused(kept: Kept) -> None:
    """With a code, not with a stack."""
    with pytest.raises(InvalidInput) as caught:
        kept.catalogue.page("invented", 10)

    assert caught.value.code == "CURSOR_INVALID"


def test_the_feed_has_each_package_once_at_its_latest_change(kept: Kept) -> None:
    """Numbers grow with each change and are never used twice."""
    one, two = a_package(b"1"), a_package(b"2")
    kept.save(one, two, one)

    page = kept.catalogue.changes(None, 0, 10)

    assert [(seq, package_id) for seq, package_id, _, _ in page.items] == [(2, two.package_id), (3, one.package_id)]
    assert (page.epoch, page.next) == kept.catalogue.feed_position()
    assert not page.more


def test_the_feed_is_read_in_pages(kept: Kept) -> None:
    """From the cursor of the page before; at the end the cursor stays."""
    kept.save(*(a_package(bytes([number])) for number in range(3)))
    first = kept.catalogue.changes(None, 0, 2)

    second = kept.catalogue.changes(first.epoch, first.next, 2)
    third = kept.catalogue.changes(first.epoch, second.next, 2)

    assert ([item[0] for item in first.items], first.more) == ([1, 2], True)
    assert ([item[0] for item in second.items], second.more) == ([3], False)
    assert (third.items, third.next, third.more) == ((), 3, False)


def test_a_reader_of_another_epoch_begins_anew(kept: Kept) -> None:
    """After a restore the numbers may mean other changes."""
    kept.save(a_package(b"1"), a_package(b"2"))

    assert len(kept.catalogue.changes("another", 2, 10).items) == 2


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

    assert kept.catalogue.stale_uploads(LATER, 2) == [waiting[1], waiting[2]]
    assert kept.catalogue.stale_uploads(NOON, 10) == []


def test_stale_packages_are_those_that_are_wanted(kept: Kept) -> None:
    """Not changed since the given time, oldest first."""
    old, older = a_package(b"1"), replace(a_package(b"2"), changed=NOON - dt.timedelta(seconds=1))
    kept.save(old, older, a_package(b"3", state=PackageState.PUBLISHED), a_package(b"4", changed=LATER))

    assert kept.catalogue.stale_packages(LATER, 10) == [older, old]
    assert kept.catalogue.stale_packages(LATER, 1) == [older]


def test_figures_count_what_is_here(kept: Kept) -> None:
    """Bytes are those that are here, not those that are wanted."""
    kept.save(a_package(b"12345", state=PackageState.PUBLISHED), a_package(b"123"))
    with kept.catalogue.changing() as changes:
        changes.save_upload(an_upload())
        changes.count_hashed(file_digests(b"12345"))
        changes.dispatch(PackageWantedV1(package_id=a_package().package_id, name="a", size=1))

    assert kept.catalogue.figures() == {
        "packages_wanted": 1,
        "packages_published": 1,
        "packages_superseded": 0,
        "packages_quarantined": 0,
        "hashed_files": 1,
        "hashed_bytes": 5,
        "hashed_seconds": pytest.approx(0.1),
        "uploads_open": 1,
        "package_bytes": 5,
        "feed_seq": 2,
        "outbox_waiting": 1,
    }
