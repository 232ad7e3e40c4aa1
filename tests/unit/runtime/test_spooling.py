"""Claims about events that the broker does not take at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.events import DoorActedV1
from shared.core.errors import ServiceUnavailable
from shared.runtime.logging import bound
from shared.runtime.spooling import SpoolingDispatcher
from shared.testing.waiting import wait_for


class Broker:
    """A publisher in memory that can be away."""

    def __init__(self) -> None:
        """It is there."""
        self.away = False
        self.took: list[tuple[dict[str, Any], str]] = []

    def publish(self, body: bytes, *, routing_key: str, **_more: Any) -> None:
        """As `Publisher` has it."""
        if self.away:
            raise ServiceUnavailable("the broker is away")
        self.took.append((json.loads(body), routing_key))

    def close(self) -> None:
        """Nothing is open."""


def act(number: int) -> DoorActedV1:
    """Something that was done."""
    return DoorActedV1(operation=f"o{number}", method="POST", path="/x", address="192.0.2.7", status=200)


@pytest.fixture
def broker() -> Broker:
    """One that is there."""
    return Broker()


@pytest.fixture
def dispatcher(broker: Broker, tmp_path: Path) -> Iterator[SpoolingDispatcher]:
    """Impatient, with nothing on its disk yet."""
    made = SpoolingDispatcher(broker, tmp_path / "unsaid", again_seconds=0.01)  # type: ignore[arg-type]
    yield made
    made.close()


def test_what_the_broker_takes_is_on_no_disk(broker: Broker, dispatcher: SpoolingDispatcher, tmp_path: Path) -> None:
    """With the correlation id of the request."""
    with bound(correlation_id="c0ffee-c0ffee"):
        dispatcher.dispatch(act(1))

    ((envelope, key),) = broker.took
    assert (envelope["data"]["operation"], envelope["correlation_id"], key) == ("o1", "c0ffee-c0ffee", "door.acted.v1")
    assert not (tmp_path / "unsaid").exists()


def test_what_it_does_not_take_is_said_when_it_is_back(broker: Broker, dispatcher: SpoolingDispatcher) -> None:
    """In the order in which it was done, each once, as it was."""
    broker.away = True
    for number in range(3):
        dispatcher.dispatch(act(number))
    assert dispatcher.waiting() == 3

    broker.away = False
    wait_for(lambda: dispatcher.waiting() == 0, "everything was said")
    assert [envelope["data"]["operation"] for envelope, _ in broker.took] == ["o0", "o1", "o2"]


def test_the_next_process_says_what_the_last_one_could_not(broker: Broker, tmp_path: Path) -> None:
    """A file that nobody can read keeps no others, and is put aside."""
    broker.away = True
    first = SpoolingDispatcher(broker, tmp_path / "unsaid", again_seconds=30)  # type: ignore[arg-type]
    first.dispatch(act(1))
    first.close()
    (tmp_path / "unsaid" / "0.json").write_text("nonsense")

    broker.away = False
    second = SpoolingDispatcher(broker, tmp_path / "unsaid", again_seconds=0.01)  # type: ignore[arg-type]
    wait_for(lambda: second.waiting() == 0, "everything was said")
    second.close()

    assert [envelope["data"]["operation"] for envelope, _ in broker.took] == ["o1"]
    assert (tmp_path / "unsaid" / "0.unreadable").exists()


def test_a_disk_that_takes_nothing_ends_no_request(broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then it is in the log of the process, and nowhere else."""
    (tmp_path / "unsaid").write_text("a file where a folder should be")
    dispatcher = SpoolingDispatcher(broker, tmp_path / "unsaid", again_seconds=30)  # type: ignore[arg-type]
    broker.away = True

    dispatcher.dispatch(act(1))

    assert "event_lost" in capsys.readouterr().out
