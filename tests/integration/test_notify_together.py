"""Claims about changes that are written together: one transaction for all who wait, and nobody fails because of another one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, event, insert, select

from services.notify.adapters.together import Together
from shared.core.errors import NotFound
from shared.runtime.database import Database
from shared.testing.waiting import wait_for
from tests.contract.port_databases import KINDS

NUMBERS = Table("numbers", MetaData(), Column("number", Integer, primary_key=True))
MANY, WRONG = 20, 13


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Database]:
    """An empty database of each kind, with one table."""
    with contextlib.closing(Database(new_database(request.param))) as opened:
        with opened.write() as connection:
            NUMBERS.create(connection)
        yield opened


class Writers:
    """Many who write at the same moment: while the first holds the database, the others come to wait."""

    def __init__(self, database: Database) -> None:
        """None has begun."""
        self.database, self.together = database, Together(database)
        self.commits = 0

    def all_at_once(self, numbers: Sequence[int]) -> list[Future[int]]:
        """What becomes of each."""
        begun, go_on = threading.Event(), threading.Event()

        def first(connection: Connection) -> int:
            begun.set()
            go_on.wait(60)
            return self.number(numbers[0])(connection)

        with ThreadPoolExecutor(len(numbers)) as pool:
            futures = [pool.submit(self.together.write, first)]
            assert begun.wait(60)
            futures += [pool.submit(self.together.write, self.number(number)) for number in numbers[1:]]
            if self.database.is_sqlite:
                wait_for(lambda: len(self.together._waiting) == len(numbers) - 1, "all others wait")
            event.listen(self.database.engine, "before_cursor_execute", self._count)
            go_on.set()
        return futures

    def number(self, number: int) -> Callable[[Connection], int]:
        """A change."""

        def change(connection: Connection) -> int:
            connection.execute(insert(NUMBERS).values(number=number))
            if number == WRONG:
                raise NotFound("this number")
            return number

        return change

    def _count(self, _connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        self.commits += statement == "COMMIT"

    def kept(self) -> list[int]:
        """The numbers that are there."""
        with self.database.read() as connection:
            return list(connection.scalars(select(NUMBERS.c.number).order_by(NUMBERS.c.number)))


def test_each_gets_its_own_answer_and_a_fault_is_its_own(database: Database) -> None:
    """Of many at once, one fails: that one is told so, nothing of it is kept, and all the others are."""
    writers = Writers(database)
    futures = writers.all_at_once(range(MANY))
    right = [number for number in range(MANY) if number != WRONG]

    assert [future.result() for future in futures if not future.exception()] == right
    assert [type(future.exception()) for future in futures if future.exception()] == [NotFound]
    assert writers.kept() == right


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_those_who_wait_are_one_transaction_on_sqlite(database: Database) -> None:
    """The disk is waited for once for the first, and once for all the others."""
    writers = Writers(database)
    writers.all_at_once(range(WRONG))

    assert writers.commits == 2
    assert writers.kept() == list(range(WRONG))
