"""Lists of packages in SQL: one index for each order holds all that is filtered by, so that no list reads packages that it does not show.

With 100,000 packages, the list that nothing fits is found in 25 to 40 ms so; by reading the rows themselves, in 100 to 200 ms. A table of
tags beside the packages answers at once for a tag that nobody has, and must then sort all packages of a common one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, literal, select, tuple_

from services.storage.adapters import rows
from services.storage.adapters.schema import packages
from services.storage.domain.listing import Listing, Newest, Order
from services.storage.domain.package import Package
from shared.core.times import to_text

_AT_ONCE = 500
NewestPage = tuple[Sequence[Any], str | None]


def page_of(connection: Connection, listing: Listing, after: str | None, limit: int) -> tuple[Sequence[Package], str | None]:
    """A page, and the cursor of the next one."""
    found = connection.execute(keys_of(listing, after, limit + 1)).all()
    ids = [row.package_id for row in found[:limit]]
    by_id = dict(_read(connection, ids))
    following = listing.cursor((found[limit - 1].value, ids[-1])) if len(found) > limit else None
    return [by_id[package_id] for package_id in ids], following


def newest_of(connection: Connection, place: tuple[Column[str], Column[str]], asked: Newest, after: str | None, limit: int) -> NewestPage:
    """A page of the rows of a table by falling `place`, which is its time and its id, and the cursor of the next page."""
    table = place[0].table
    query = select(table).order_by(*(one.desc() for one in place)).limit(limit + 1)
    if asked.states:
        query = query.where(_plain(table.c.state).in_(sorted(asked.states)))
    if asked.name is not None:
        query = query.where(table.c.name == asked.name)
    if after is not None:
        query = query.where(tuple_(*place) < tuple_(*map(literal, asked.place(after))))
    found = connection.execute(query).all()
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], None if last is None else asked.cursor((getattr(last, place[0].name), getattr(last, place[1].name)))


def keys_of(listing: Listing, after: str | None, limit: int) -> Select[Any]:
    """The places of a page, from the index of its order alone."""
    column = packages.c[listing.order.value]
    place = (column, packages.c.package_id)
    query = select(column.label("value"), packages.c.package_id).where(*_filters(listing))
    if after is not None:
        told = tuple_(*(literal(value, one.type) for value, one in zip(listing.place(after), place, strict=True)))
        query = query.where(tuple_(*place) < told if listing.falling else tuple_(*place) > told)
    return query.order_by(*(one.desc() if listing.falling else one for one in place)).limit(limit)


def _filters(listing: Listing) -> Iterator[ColumnElement[bool]]:
    spaced = literal(" ").concat(packages.c.tags).concat(" ")
    yield from (spaced.contains(f" {tag} ", autoescape=True) for tag in sorted(listing.tags))
    if listing.untagged:
        yield packages.c.tags == ""
    if listing.states:
        yield _plain(packages.c.state).in_(sorted(listing.states))
    if listing.text:
        yield packages.c.folded.contains(listing.text, autoescape=True)
    if listing.origin is not None:
        yield _plain(packages.c.origin) == listing.origin.text
    created = packages.c.created if listing.order is Order.CREATED else _plain(packages.c.created)
    if listing.created_after is not None:
        yield created >= to_text(listing.created_after)
    if listing.created_before is not None:
        yield created < to_text(listing.created_before)
    if listing.bytes_here is not None:
        yield packages.c.bytes_here.is_(listing.bytes_here)


def _plain(column: ColumnElement[str]) -> ColumnElement[str]:
    """The column's value, so that its own index does not tempt a database to sort what it finds there."""
    return column.concat("")


def _read(connection: Connection, ids: Sequence[str]) -> Iterator[tuple[str, Package]]:
    for start in range(0, len(ids), _AT_ONCE):
        query = select(packages).where(packages.c.package_id.in_(ids[start : start + _AT_ONCE]))
        yield from ((row.package_id, rows.package_of(row)) for row in connection.execute(query))
