"""Storage's lists of packages, in memory and in a database: filters, orders, cursors; and that no database sorts them all for a page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite

from services.storage.adapters.catalogue import SqlCatalogue
from services.storage.adapters.listing import keys_of
from services.storage.domain.listing import Listing, Newest, Order
from services.storage.domain.package import Package, PackageState
from services.storage.domain.upload import UploadState
from shared.core.errors import InvalidInput
from shared.testing.builders import ORIGIN, a_package, an_upload
from shared.testing.fakes.clock import NOON
from tests.contract.port_catalogue import EVERY_KIND, OTHER, Kept, empty_catalogue, listed, pages_of
from tests.contract.port_databases import KINDS, migrated, outbox_of

HOUR = dt.timedelta(hours=1)


@pytest.fixture(params=EVERY_KIND)
def kept(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Kept]:
    """An empty catalogue of each kind."""
    with empty_catalogue(request.param, new_database) as empty:
        yield empty


def names(kept: Kept, **asked: Any) -> list[str]:
    """What a list shows, by name."""
    return [one.name for one in listed(kept.catalogue, Listing(**asked), 2)]


def test_pages_hold_every_package_once(kept: Kept) -> None:
    """By name, then id; each page says where the next begins, the last says that it is the last."""
    packages = [a_package(bytes([number]), name) for number, name in enumerate(["b.pkg", "a.pkg", "b.pkg", "Ä.pkg", "B.pkg"])]
    kept.save(*packages)

    seen = listed(kept.catalogue, Listing(), 2)

    assert seen == sorted(packages, key=lambda package: (package.name, package.package_id))


def test_an_invented_cursor_is_refused(kept: Kept) -> None:
    """With a code, not with a stack."""
    pages: list[Callable[[str], object]] = [
        lambda cursor: kept.catalogue.page(Listing(), cursor, 10),
        lambda cursor: kept.catalogue.uploads(Newest(), cursor, 10),
        lambda cursor: kept.catalogue.promotions(Newest(), cursor, 10),
    ]
    for page in pages:
        with pytest.raises(InvalidInput) as caught:
            page("invented")

        assert caught.value.code == "CURSOR_INVALID"


def test_uploads_are_paged_newest_first(kept: Kept) -> None:
    """Each once, those of one moment too; the last page says so."""
    uploads = [an_upload(created=NOON + dt.timedelta(seconds=seconds)) for seconds in (1, 0, 1, 2, 1)]
    with kept.catalogue.changing() as changes:
        for upload in uploads:
            changes.save_upload(upload)

    def asked(**asked: Any) -> list[str]:
        pages = pages_of(lambda after: kept.catalogue.uploads(Newest(**asked), after, 2))
        return [one.upload_id for page in pages for one in page]

    named = next(one for one in uploads if one.created == NOON)
    with kept.catalogue.changing() as changes:
        changes.save_upload(replace(named, name="other.pkg", state=UploadState.ABORTED))
    assert asked(name="other.pkg") == asked(states=frozenset({"aborted"})) == [named.upload_id]
    assert asked(name="OTHER.pkg") == []
    assert asked() == [one.upload_id for one in sorted(uploads, key=lambda one: (one.created, one.upload_id), reverse=True)]


@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize("order", list(Order))
def test_every_order_shows_each_package_once(kept: Kept, order: Order, *, falling: bool) -> None:
    """By what it says, those that are equal by id; falling is the other way round."""
    contents = [b"333", b"1", b"22", b"333", b"1"]
    packages = [
        a_package(content, f"{'bacab'[number]}{number % 2}.pkg", created=NOON + number % 3 * HOUR)
        for number, content in enumerate(contents)
    ]
    kept.save(*packages)
    listing = Listing(order, falling=falling)

    assert listed(kept.catalogue, listing, 2) == sorted(packages, key=listing.place_of, reverse=falling)


def test_filters_are_all_to_fit(kept: Kept) -> None:
    """Each finds what it says, several find what all of them do."""
    kept.save(
        a_package(b"1", "A.pkg", tags=frozenset({"test", "late-test"}), state=PackageState.PUBLISHED, bytes_here=True),
        a_package(b"2", "B.pkg", tags=frozenset({"late-test"}), created=NOON + HOUR),
        a_package(b"3", "C.pkg", origin=OTHER, created=NOON + 2 * HOUR, state=PackageState.DELETED),
    )

    assert names(kept, tags=frozenset({"test"})) == ["A.pkg"]
    assert names(kept, tags=frozenset({"late-test"})) == ["A.pkg", "B.pkg"]
    assert names(kept, tags=frozenset({"late-test", "test"})) == ["A.pkg"]
    assert names(kept, tags=frozenset({"late"})) == []
    assert names(kept, untagged=True) == ["C.pkg"]
    assert names(kept, states=frozenset({PackageState.DELETED, PackageState.PUBLISHED})) == ["A.pkg", "C.pkg"]
    assert names(kept, origin=OTHER.instance_id) == ["C.pkg"]
    assert names(kept, origin=ORIGIN.instance_id) == ["A.pkg", "B.pkg"]
    for order in Order:
        assert names(kept, order=order, created_after=NOON + HOUR, created_before=NOON + 2 * HOUR) == ["B.pkg"]
    assert names(kept, bytes_here=True) == ["A.pkg"]
    assert names(kept, bytes_here=False) == ["B.pkg", "C.pkg"]
    assert names(kept, bytes_here=False, untagged=True, text="c") == ["C.pkg"]


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ("FIREFOX", ["Firefox 100%.pkg"]),
        ("äpfel", ["ÄPFEL_Straße.pkg"]),
        ("A\u0308pfel", ["ÄPFEL_Straße.pkg"]),
        ("strasse", ["ÄPFEL_Straße.pkg"]),
        ("STRASSE", ["ÄPFEL_Straße.pkg"]),
        ("ΟΔΟΣ", ["οδος.pkg"]),
        ("Москва", ["МОСКВА.pkg"]),
        ("%", ["Firefox 100%.pkg"]),
        ("_", ["ÄPFEL_Straße.pkg"]),
        ("/", []),
        ("\\", []),
        ("f.r", []),
        (".PKG", ["Firefox 100%.pkg", "ÄPFEL_Straße.pkg", "МОСКВА.pkg", "οδος.pkg"]),
    ],
)
def test_text_is_found_whatever_its_case(kept: Kept, sought: str, found: list[str]) -> None:
    """In every script that has cases; and no character of it means anything but itself."""
    kept.save(*(a_package(name.encode(), name) for name in ("Firefox 100%.pkg", "ÄPFEL_Straße.pkg", "МОСКВА.pkg", "οδος.pkg")))

    assert sorted(one.name for one in listed(kept.catalogue, Listing.read({"text": sought}, None))) == sorted(found)


def test_a_page_skips_and_doubles_nothing_that_stays(kept: Kept) -> None:
    """While others come, go, and move between the pages, also that behind which the page ended."""
    stay = [a_package(bytes([number]), f"{number}.pkg", state=PackageState.PUBLISHED) for number in range(0, 60, 10)]
    kept.save(*stay)
    listing = Listing(states=frozenset({PackageState.PUBLISHED}))

    items, after = kept.catalogue.page(listing, None, 3)
    kept.save(
        replace(items[-1], state=PackageState.DELETED),
        a_package(b"a", "05.pkg", state=PackageState.PUBLISHED),
        a_package(b"b", "35.pkg", state=PackageState.PUBLISHED),
    )
    rest, last = kept.catalogue.page(listing, after, 9)

    assert [one.name for one in (*items, *rest)] == ["0.pkg", "10.pkg", "20.pkg", "30.pkg", "35.pkg", "40.pkg", "50.pkg"]
    assert last is None


OTHERS = [
    Listing(falling=True),
    Listing(Order.CREATED),
    Listing(Order.SIZE),
    Listing(untagged=True),
    Listing(tags=frozenset({"test"})),
    Listing(states=frozenset({PackageState.WANTED})),
    Listing(text="a"),
    Listing(origin=ORIGIN.instance_id),
    Listing(created_after=NOON),
    Listing(created_before=NOON),
    Listing(bytes_here=True),
]


@pytest.mark.parametrize("other", OTHERS)
def test_a_cursor_belongs_to_one_list(other: Listing) -> None:
    """With another order or another filter it is refused, and it is said why: what it would skip nobody could know."""
    cursor = Listing().cursor(("a.pkg", "id"))

    assert Listing().place(cursor) == ("a.pkg", "id")
    with pytest.raises(InvalidInput, match="another order or other filters") as caught:
        other.place(cursor)
    assert caught.value.code == "CURSOR_INVALID"


@pytest.mark.parametrize(
    ("filters", "sort", "code"),
    [
        ({"states": ["eaten"]}, None, "QUERY_INVALID"),
        ({"tags": ["No Tag"]}, None, "TAG_INVALID"),
        ({"origin": "nobody"}, None, "INSTANCE_ID_INVALID"),
        ({"created_after": "2026-01-01T00:00:00"}, None, "QUERY_INVALID"),
        ({"created_after": "0001-01-01T00:00:00+14:00"}, None, "QUERY_INVALID"),
        ({"created_before": "9999-12-31T23:59:59-14:00"}, None, "QUERY_INVALID"),
        ({"tags": ["test"], "untagged": True}, None, "QUERY_INVALID"),
        ({"colour": "red"}, None, "QUERY_INVALID"),
        ({}, "colour", "QUERY_INVALID"),
    ],
)
def test_what_lists_do_not_know_is_refused(filters: dict[str, Any], sort: str | None, code: str) -> None:
    """With a code that says what it is."""
    with pytest.raises(InvalidInput) as caught:
        Listing.read(filters, sort)

    assert caught.value.code == code


FILTERED = [
    Listing(),
    Listing(tags=frozenset({"test"})),
    Listing(states=frozenset({PackageState.WANTED}), origin=ORIGIN.instance_id),
    Listing(text="a", created_after=NOON, bytes_here=False, untagged=True),
]


@pytest.mark.parametrize("listing", FILTERED)
@pytest.mark.parametrize("order", list(Order))
def test_sqlite_reads_a_page_from_one_index(new_database: Callable[[str], str], order: Order, listing: Listing) -> None:
    """It sorts nothing, and reads no package that is not shown, whatever is filtered by."""
    asked = replace(listing, order=order)
    query = keys_of(asked, asked.cursor((0 if order is Order.SIZE else "a", "id")), 101)
    with migrated("storage", new_database("sqlite")) as database, database.read() as connection:
        made = str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
        plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {made.replace('%', '%%')}")]

    assert len(plan) == 1
    assert f"USING COVERING INDEX packages_by_{order}" in plan[0]


@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize("order", list(Order))
def test_postgresql_reads_a_page_from_one_index(new_database: Callable[[str], str], order: Order, *, falling: bool) -> None:
    """With enough packages that it could gain by it."""
    with migrated("storage", new_database("postgresql")) as database:
        _fill(SqlCatalogue(database, outbox_of("storage", database)))
        with database.write() as connection:
            connection.execute(text("ANALYZE packages"))
            made = str(
                keys_of(Listing(order, falling), None, 11).compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
            )
            plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {made.replace('%', '%%')}"))

    assert f"packages_by_{order}" in plan
    assert "Sort" not in plan


def _fill(catalogue: SqlCatalogue) -> None:
    like = a_package()
    with catalogue.changing() as changes:
        for number in range(300):
            changes.save_package(_copy(like, number))


def _copy(package: Package, number: int) -> Package:
    return a_package(bytes([number % 250, number // 250]), f"{number}.pkg", state=package.state)


@pytest.mark.parametrize("kind", KINDS)
def test_the_longest_names_and_all_tags_fit_into_the_indexes(new_database: Callable[[str], str], kind: str) -> None:
    """PostgreSQL refuses entries above 2.7 kB: a package that cannot be stored would be lost."""
    name = "\u0390" * 125 + ".pkg"
    tags = frozenset(f"{number:040d}" for number in range(32))
    package = a_package(b"1", name, tags=tags, ever=tags)
    with migrated("storage", new_database(kind)) as database:
        catalogue = SqlCatalogue(database, outbox_of("storage", database))
        with catalogue.changing() as changes:
            changes.save_package(package)

        assert listed(catalogue, Listing.read({"text": name.upper(), "tags": sorted(tags)[:32]}, "-size")) == [package]
