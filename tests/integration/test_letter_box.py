"""Claims about the dead letters as notify sees them, at a real broker."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Any

import pika
import pytest

from services.notify.adapters.letters import BrokerLetterBox
from services.notify.domain.letters import Letter
from shared.core.errors import ServiceUnavailable
from shared.testing.waiting import wait_for

HEADERS = {"odst-queue": "odst.storage.package.hashed.v1.q1", "odst-code": "PACKAGE_GONE", "odst-time": "2026-11-03T12:00:00+00:00"}


@pytest.fixture
def box(amqp_uri: str) -> Iterator[BrokerLetterBox]:
    """On a virtual host where nobody has declared anything yet."""
    with contextlib.closing(BrokerLetterBox(amqp_uri, 10)) as opened:
        yield opened


@pytest.fixture
def channel(amqp_uri: str) -> Iterator[Any]:
    """For who buries messages."""
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(amqp_uri))) as connection:
        yield connection.channel()


def bury(channel: Any, box: BrokerLetterBox, headers: dict[str, Any]) -> None:
    """One more dead letter with these headers."""
    channel.queue_declare(box.name, durable=True)
    waiting = box.number()
    channel.basic_publish("", box.name, b"{}", pika.BasicProperties(headers=headers))
    wait_for(lambda: box.number() > waiting, "the letter is there")


def test_letters_are_counted_and_the_oldest_is_described(box: BrokerLetterBox, channel: Any) -> None:
    """Nothing is there before there is a queue; to look takes nothing away."""
    nothing = (box.number(), box.oldest())
    bury(channel, box, HEADERS)
    bury(channel, box, {})

    oldest = box.oldest()

    assert nothing == (0, None)
    assert oldest == Letter("odst.storage.package.hashed.v1.q1", "PACKAGE_GONE", dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC))
    assert wait_for(lambda: box.number() == 2, "both are back")
    assert box.oldest() == oldest


@pytest.mark.parametrize("time", ["yesterday", "2026-11-03T12:00:00", 7, None, ["2026"]])
def test_headers_that_somebody_made_up_are_shown_for_what_they_are(box: BrokerLetterBox, channel: Any, time: Any) -> None:
    """One line of bounded length without anything invisible, and no time if it is none."""
    bury(channel, box, {"odst-queue": "q\n\u202e" + "x" * 500, "odst-code": "C\tD", "odst-time": time})

    oldest = box.oldest()

    assert oldest is not None
    assert (oldest.code, oldest.time) == ("C\\tD", None)
    assert oldest.queue.startswith("q\\n\\u202ex")
    assert len(oldest.queue) == 120


def test_a_connection_that_is_lost_is_made_anew(box: BrokerLetterBox, channel: Any) -> None:
    """The number is asked over one connection that is kept; when it breaks meanwhile, that is nobody's business."""
    bury(channel, box, HEADERS)
    with box._depth._connections.one() as kept:
        kept.connection.sock.close()

    assert box.number() == 1


def test_a_broker_that_is_away_is_not_taken_for_one_without_letters() -> None:
    """To know nothing is not to know that there are none."""
    with contextlib.closing(BrokerLetterBox("amqp://nobody:nothing@127.0.0.1:1/", 1)) as box:
        for question in (box.number, box.oldest):
            with pytest.raises(ServiceUnavailable):
                question()
