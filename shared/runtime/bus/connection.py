"""Connections with a limit on every wait, kept for reuse.

A publisher on a frozen broker, or on one in disk alarm, waits for ever unless told otherwise; so connecting, writing and
confirming all have deadlines. Works in plain threads (gateway) and in green ones (services) alike.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from amqp.exceptions import AMQPError
from kombu import Connection
from kombu.exceptions import OperationalError

CONNECTION_ERRORS: tuple[type[Exception], ...] = (OSError, AMQPError, OperationalError)
"""Everything that a lost or unwilling broker raises through kombu and py-amqp."""


class Closeable(Protocol):
    """Something that can be closed."""

    def close(self) -> None:
        """Free it."""


T = TypeVar("T", bound=Closeable)


def connect(uri: str, *, timeout_seconds: float, heartbeat_seconds: int = 0, confirm: bool = False) -> Connection:
    """An open connection.

    Raises:
        one of CONNECTION_ERRORS: if the broker does not answer within `timeout_seconds`.
    """
    connection = Connection(
        uri,
        connect_timeout=timeout_seconds,
        heartbeat=heartbeat_seconds,
        transport_options={
            "confirm_publish": confirm,
            "read_timeout": timeout_seconds,
            "write_timeout": timeout_seconds,
            "max_retries": 0,
            "socket_settings": {socket.TCP_NODELAY: 1},
        },
    )
    try:
        connection.connect()
    except BaseException:
        connection.release()
        raise
    return connection


class Reuse(Generic[T]):
    """A stack of idle things that are costly to make. Whatever failed is closed, not put back."""

    def __init__(self, make: Callable[[], T], keep: int) -> None:
        """`make` opens a new one; at most `keep` idle ones are kept."""
        self._make = make
        self._idle: deque[T] = deque(maxlen=keep)
        self._keep = keep

    @contextmanager
    def one(self, *, fresh: bool = False) -> Iterator[T]:
        """Borrow one; `fresh` opens a new one, for the second try after a stale one failed."""
        if fresh:
            self.clear()
        thing = self._take()
        try:
            yield thing
        except BaseException:
            _close(thing)
            raise
        if len(self._idle) < self._keep:
            self._idle.append(thing)
        else:
            _close(thing)

    def _take(self) -> T:
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def clear(self) -> None:
        """Close all idle ones."""
        while self._idle:
            _close(self._idle.pop())


def _close(thing: Closeable) -> None:
    try:
        thing.close()
    except CONNECTION_ERRORS:
        return
