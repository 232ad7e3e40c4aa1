"""Dead letters: list them, replay them, discard them. Broker administration by pika, one short connection an operation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker, UnroutableError

from shared.core.errors import NotFound, ServiceUnavailable
from shared.runtime.bus import topology

_QUEUE = topology.DEAD_LETTER_QUEUE.name
_SHOWN_BODY = 2000


class DeadLetters:
    """The dead letters of one instance."""

    def __init__(self, amqp_uri: str, timeout_seconds: float = 10) -> None:
        """Nothing is opened before the first call."""
        self._amqp_uri, self._timeout_seconds = amqp_uri, timeout_seconds

    @property
    def _parameters(self) -> pika.URLParameters:
        parameters = pika.URLParameters(self._amqp_uri)
        parameters.socket_timeout = self._timeout_seconds
        parameters.blocked_connection_timeout = self._timeout_seconds
        parameters.connection_attempts = 1
        return parameters

    @contextmanager
    def _channel(self) -> Iterator[BlockingChannel]:
        parameters = self._parameters
        try:
            connection = pika.BlockingConnection(parameters)
        except (AMQPError, OSError) as error:
            raise ServiceUnavailable(f"the broker cannot be reached: {error or type(error).__name__}") from error
        try:
            yield connection.channel()
        except (AMQPError, OSError) as error:
            raise ServiceUnavailable(f"the broker ended the conversation: {error}") from error
        finally:
            if connection.is_open:
                connection.close()

    def list(self, limit: int = 100) -> list[dict[str, Any]]:
        """Up to `limit` dead letters, oldest first; looking changes nothing (closing the channel gives them all back)."""
        with self._channel() as channel:
            return [_describe(*got) for got in _take(channel, limit)]

    def replay(self, letter_id: str | None = None) -> int:
        """Put one letter, or all, back on the queue that it came from. Returns how many.

        Raises:
            NotFound: if `letter_id` is not among them.
        """
        return self._settle(letter_id, replay=True)

    def discard(self, letter_id: str) -> int:
        """Delete one letter for good.

        Raises:
            NotFound: if it is not among them.
        """
        return self._settle(letter_id, replay=False)

    def _settle(self, letter_id: str | None, *, replay: bool) -> int:
        settled = 0
        with self._channel() as channel:
            channel.confirm_delivery()
            for method, properties, body in list(_take(channel, 10_000)):
                if letter_id is None or _letter_id(properties, body) == letter_id:
                    if replay:
                        _send_home(channel, properties, body)
                    channel.basic_ack(method.delivery_tag)
                    settled += 1
        if letter_id is not None and not settled:
            raise NotFound(f"no dead letter has the id {letter_id[:40]!r}")
        return settled

    def depths(self, names: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Messages ready and consumers of each queue that exists."""
        found: dict[str, tuple[int, int]] = {}
        with self._channel() as first:
            channel, connection = first, first.connection
            for name in names:
                try:
                    method = channel.queue_declare(name, passive=True).method
                    found[name] = (method.message_count, method.consumer_count)
                except ChannelClosedByBroker:
                    channel = connection.channel()
        return found


def _take(channel: BlockingChannel, limit: int) -> Iterator[tuple[Any, Any, bytes]]:
    for _ in range(limit):
        try:
            method, properties, body = channel.basic_get(_QUEUE)
        except ChannelClosedByBroker:
            return
        if method is None:
            return
        yield method, properties, body


def _home(properties: Any) -> str:
    headers = properties.headers or {}
    deaths = headers.get("x-death") or [{}]
    return str(headers.get("odst-queue") or deaths[0].get("queue") or "")


def _letter_id(properties: Any, body: bytes) -> str:
    key = f"{properties.message_id}|{_home(properties)}|{(properties.headers or {}).get('odst-time')}|".encode()
    return hashlib.sha256(key + body).hexdigest()[:16]


def _describe(_method: Any, properties: Any, body: bytes) -> dict[str, Any]:
    headers = properties.headers or {}
    return {
        "id": _letter_id(properties, body),
        "queue": _home(properties),
        "code": headers.get("odst-code") or "DELIVERY_LIMIT",
        "reason": headers.get("odst-reason") or "the broker gave up delivering it: its consumer died each time",
        "attempts": headers.get("odst-attempts"),
        "time": headers.get("odst-time"),
        "size": len(body),
        "body": body[:_SHOWN_BODY].decode("utf-8", "replace"),
    }


def _send_home(channel: BlockingChannel, properties: Any, body: bytes) -> None:
    home = _home(properties)
    kept = {key: value for key, value in (properties.headers or {}).items() if not key.startswith(("odst-", "x-"))}
    properties.headers = kept
    try:
        channel.basic_publish("", home, body, properties, mandatory=True)
    except UnroutableError as error:
        raise NotFound(f"the queue {home!r} does not exist any more; the letter stays") from error
