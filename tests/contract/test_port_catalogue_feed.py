"""Storage's catalogue, in memory and in a database: the change feed and what readers compare."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from services.storage.domain.package import PackageState
from services.storage.ports import FeedRow, Known
from shared.runtime.keys import InstanceKey
from shared.testing.builders import ORIGIN, a_package
from shared.testing.records import later
from tests.contract.port_catalogue import EVERY_KIND, OTHER, Kept, charter, empty_catalogue, rotation


@pytest.fixture(params=EVERY_KIND)
def kept(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Kept]:
    """An empty catalogue of each kind."""
    with empty_catalogue(request.param, new_database) as empty:
        yield empty


def test_the_feed_has_each_record_once_at_its_latest_change(kept: Kept) -> None:
    """Numbers grow with each change and are never used twice, of whatever kind the record is."""
    one, two = a_package(b"1"), a_package(b"2")
    kept.save(one)
    kept.save(two)
    kept.know(charter(ORIGIN), rotation(OTHER, InstanceKey.generate(), later(0)))
    first = kept.catalogue.changes(0, 10)
    kept.save(one)

    page = kept.catalogue.changes(0, 10)

    order = [
        ("package", two.package_id),
        ("charter", str(ORIGIN.instance_id)),
        ("rotation", str(OTHER.instance_id)),
        ("package", one.package_id),
    ]
    assert [(row.kind, row.record_id) for row in page.rows] == order
    assert [row.seq for row in page.rows] == [2, 3, 4, 5]
    assert [row.seq for row in first.rows] == [1, 2, 3, 4]
    assert (page.epoch, page.next) == kept.catalogue.feed_position()
    assert not page.more


def test_a_record_that_changes_twice_in_a_transaction_has_one_place(kept: Kept) -> None:
    """The last one."""
    one, two = a_package(b"1"), a_package(b"2")
    kept.save(one, two, replace(one, bytes_here=True, state=PackageState.PUBLISHED))

    rows = kept.catalogue.changes(0, 10).rows

    assert [(row.record_id, row.offered) for row in rows] == [(two.package_id, False), (one.package_id, True)]
    assert rows[-1].seq == kept.catalogue.feed_position()[1]


def test_a_row_of_the_feed_says_what_readers_are_told(kept: Kept) -> None:
    """Of a package as it is now, also if it changed without a new number; of a charter its stamp."""
    package = a_package(
        state=PackageState.PUBLISHED, bytes_here=True, tags=frozenset({"test"}), ever=frozenset({"."}), meta_digest="b" * 64
    )
    known = charter(ORIGIN)
    kept.save(package)
    kept.know(known)
    about = {"meta": "b" * 64, "tags": {"test"}, "ever": {"."}}

    first, second = kept.catalogue.changes(0, 10).rows

    assert first == FeedRow(1, "package", package.package_id, 1, package.manifest_digest, None, offered=True, **about)
    digest = hashlib.sha256(known.envelope).hexdigest()
    assert second == FeedRow(2, "charter", str(ORIGIN.instance_id), 0, digest, str(known.charter.stamp))


@pytest.mark.parametrize(
    ("state", "here", "offered"),
    [
        (PackageState.PUBLISHED, True, True),
        (PackageState.SUPERSEDED, True, True),
        (PackageState.SUPERSEDED, False, False),
        (PackageState.WANTED, False, False),
        (PackageState.WITHHELD, True, False),
        (PackageState.DELETED, True, False),
        (PackageState.QUARANTINED, False, False),
    ],
)
def test_what_is_offered_is_what_can_be_had(kept: Kept, state: PackageState, here: bool, offered: bool) -> None:  # noqa: FBT001 - as above
    """The same in the feed as in the domain."""
    package = a_package(state=state, bytes_here=here)
    kept.save(package)

    assert kept.catalogue.changes(0, 1).rows[0].offered is offered is package.is_offered


def test_the_feed_is_read_in_pages(kept: Kept) -> None:
    """From the cursor of the page before; at the end the cursor stays."""
    kept.save(*(a_package(bytes([number])) for number in range(3)))
    first = kept.catalogue.changes(0, 2)

    second = kept.catalogue.changes(first.next, 2)
    third = kept.catalogue.changes(second.next, 2)

    assert ([row.seq for row in first.rows], first.more) == ([1, 2], True)
    assert ([row.seq for row in second.rows], second.more) == ([3], False)
    assert (third.rows, third.next, third.more) == ((), 3, False)


def test_another_epoch_has_another_name(kept: Kept) -> None:
    """And no number of the one before comes again."""
    kept.save(a_package(b"1"))
    before, seq = kept.catalogue.feed_position()
    with kept.catalogue.changing() as changes:
        changes.begin_epoch("b" * 32)
    kept.save(a_package(b"2"))

    assert before != "b" * 32
    assert kept.catalogue.feed_position() == ("b" * 32, seq + 1)
    assert kept.catalogue.changes(0, 9).epoch == "b" * 32


def test_packages_are_known_in_brief(kept: Kept) -> None:
    """By id, and all whose id begins so, in order: what digests of buckets are made of."""
    packages = sorted(
        (a_package(bytes([number]), tags=frozenset({"test"}), gone=True) for number in range(20)), key=lambda one: one.package_id
    )
    kept.save(*reversed(packages))
    brief = [Known(one.package_id, one.manifest_digest, one.meta_digest, one.tags, one.gone) for one in packages]

    assert list(kept.catalogue.known([packages[3].package_id, "nothing"])) == [brief[3]]
    assert list(kept.catalogue.known_from("")) == brief
    prefix = packages[7].package_id[:2]
    assert list(kept.catalogue.known_from(prefix)) == [one for one in brief if one.package_id.startswith(prefix)]
