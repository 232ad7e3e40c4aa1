"""One suite for requests with an `Idempotency-Key`, in memory and in a database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from services.directory.adapters.keyed_requests import DatabaseKeyedRequests
from services.directory.domain.keyed_requests import KeyedRequest
from services.directory.ports import KeyedRequests
from shared.core.errors import TooMany
from shared.runtime.database import Database
from shared.testing.fakes.clock import NOON, FakeClock
from tests.contract.port_databases import KINDS, migrated
from tests.unit.directory.directory_fakes import FakeKeyedRequests

LATER = FakeClock(NOON).pass_seconds(10)
MANY = 100


@pytest.fixture(params=["fake", *KINDS])
def kept(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[KeyedRequests]:
    """Each implementation of the port in turn."""
    if request.param == "fake":
        yield FakeKeyedRequests()
        return
    with migrated("directory", new_database(request.param)) as opened:
        yield DatabaseKeyedRequests(opened)


def a_request(number: int = 1, person_id: str = "p1", key: str = "k") -> KeyedRequest:
    """A request that is about to be done."""
    return KeyedRequest(f"r{number}", person_id, key * 64, "f" * 64, NOON)


def test_a_key_is_taken_once_by_a_person(kept: KeyedRequests) -> None:
    """Who comes second gets the first as it is; another person has keys of their own."""
    assert kept.take(a_request(1), NOON, MANY) is None

    assert kept.take(a_request(2), NOON, MANY) == a_request(1)
    assert kept.take(a_request(3, "p2"), NOON, MANY) is None
    assert kept.take(a_request(4, key="l"), NOON, MANY) is None


def test_what_was_answered_is_kept_as_it_was(kept: KeyedRequests) -> None:
    """Once, with the order of its fields; also after somebody wanted to take it back."""
    answer = {"z": "\N{GRINNING FACE}\x00", "a": [1, None], "m": {}}
    kept.take(a_request(), NOON, MANY)
    kept.end("r1", LATER, 201, answer, secret=True)
    kept.end("r1", LATER, 200, None, secret=False)
    kept.release("r1")
    kept.end("nobody", LATER, 201, {}, secret=False)

    known = kept.take(a_request(2), NOON, MANY)

    assert known == replace(a_request(), ended=LATER, status=201, answer=answer, secret=True)
    assert list(known.answer or {}) == list(answer)


def test_a_key_is_free_again_when_nothing_was_done_and_when_its_time_is_over(kept: KeyedRequests) -> None:
    """The next one is new."""
    kept.take(a_request(1), NOON, MANY)
    kept.release("r1")
    assert kept.take(a_request(2), NOON, MANY) is None
    kept.end("r2", NOON, 201, {}, secret=False)
    kept.forget(NOON)
    assert kept.take(a_request(3), NOON, MANY) == replace(a_request(2), ended=NOON, status=201, answer={})

    kept.forget(LATER)
    assert kept.take(a_request(3), NOON, MANY) is None
    assert kept.take(replace(a_request(4), begun=LATER), LATER, MANY) is None


def test_nobody_has_more_keys_than_there_may_be(kept: KeyedRequests) -> None:
    """A new one is refused; those that are there still answer, and others have their own limit."""
    kept.take(a_request(1, key="1"), NOON, 2)
    kept.take(a_request(2, key="2"), NOON, 2)

    with pytest.raises(TooMany):
        kept.take(a_request(3, key="3"), NOON, 2)

    assert kept.take(a_request(3, key="2"), NOON, 2) == a_request(2, key="2")
    assert kept.take(a_request(4, "p2"), NOON, 2) is None


@pytest.mark.parametrize("kind", KINDS)
def test_of_many_at_once_exactly_one_is_new(kind: str, new_database: Callable[[str], str]) -> None:
    """On two connections each, as two processes have them."""
    url = new_database(kind)
    with migrated("directory", url) as first:
        second, gate, new = Database(url), threading.Barrier(8), list[str]()

        def take(number: int) -> None:
            wished = a_request(number)
            gate.wait()
            if DatabaseKeyedRequests((first, second)[number % 2]).take(wished, NOON, MANY) is None:
                new.append(wished.request_id)

        threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        second.close()

        assert len(new) == 1
