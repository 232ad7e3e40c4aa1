"""The change feed has no gap: who reads it with a cursor while others write has seen every change in the end."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.storage.adapters.catalogue import SqlCatalogue
from services.storage.ports import FeedRow
from shared.testing.builders import a_package, an_upload
from tests.contract.port_databases import KINDS, migrated, outbox_of

WRITERS, CHANGES = 6, 25
LONGEST = 12
"""How many statements may follow in a transaction after its number was taken."""


def write(catalogue: SqlCatalogue, writer: int) -> set[str]:
    """Change the catalogue again and again, in short transactions and in long ones; the ids of what was committed."""
    chance, written = random.Random(writer), set()
    for _ in range(CHANGES):
        package = a_package()
        with catalogue.changing() as changes:
            changes.save_package(package)
            changes.stamp(FeedRow(0, "package", package.package_id, 1, package.sha256.hex))
            for _ in range(chance.randint(0, LONGEST)):
                changes.save_upload(an_upload())
        written.add(package.package_id)
    return written


class Reader:
    """Follows the feed as a peer does: its cursor is the last number that it saw."""

    def __init__(self, catalogue: SqlCatalogue) -> None:
        self.catalogue = catalogue
        self.cursor = 0
        self.seen: list[str] = []

    def read_page(self) -> bool:
        """Read on; False at the end of what there is."""
        page = self.catalogue.changes(self.cursor, 10)
        self.cursor = page.next
        self.seen += [row.record_id for row in page.rows]
        return bool(page.rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_beside_many_writers_misses_nothing(kind: str, new_database: Callable[[str], str]) -> None:
    """A transaction that took its number early and commits late must not appear behind a cursor that went past it.

    Numbers of a sequence, in transactions side by side, do just that: with one this test fails on PostgreSQL.
    """
    with migrated("storage", new_database(kind)) as database, ThreadPoolExecutor(WRITERS) as pool:
        catalogue = SqlCatalogue(database, outbox_of("storage", database))
        reader = Reader(catalogue)
        writing = [pool.submit(write, catalogue, writer) for writer in range(WRITERS)]
        while not all(one.done() for one in writing):
            reader.read_page()
        written = set().union(*(one.result() for one in writing))
        while reader.read_page():
            pass

    assert len(written) == WRITERS * CHANGES
    assert sorted(reader.seen) == sorted(written)
