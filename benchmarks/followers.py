"""Programs that want to know what happens at an instance: by its stream of live events, or by asking every few seconds."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from dataclasses import dataclass, field
from typing import Final

from benchmarks.beside import Beside
from shared.testing.instance import Instance

EVERY_SECONDS: Final = 5.0
"""How often one that asks does so."""
_NUMBER = re.compile(rb'^data: .*"number":(\d+)', re.MULTILINE)
_ID = re.compile(rb"^id: (\S+)$", re.MULTILINE)


@dataclass
class Watcher:
    """One of them, and when it knew of which event."""

    knew: dict[int, float] = field(default_factory=dict)
    """Time by number; of what comes again, the first."""

    def take(self, text: bytes) -> None:
        """Whole lines that came just now."""
        now = time.time()
        for number in _NUMBER.findall(text):
            self.knew.setdefault(int(number), now)


class Watchers(Beside):
    """So many of them."""

    def __init__(self, instance: Instance, count: int) -> None:
        """They begin once this is entered."""
        super().__init__()
        self.watchers = [Watcher() for _ in range(count)]
        self._instance = instance

    def _request(self, query: str = "") -> bytes:
        return f"GET /api/v1/events{query} HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {self._instance.token}\r\n\r\n".encode()

    async def _ask(self, query: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._instance.port)
        writer.write(self._request(query))
        return reader, writer

    def all_know(self, numbers: range) -> bool:
        """Whether each of those who read knows of all these events."""
        return all(one.knew.keys() >= set(numbers) for one in self.watchers)


class Followers(Watchers):
    """They follow the stream; beside them, some that do not read."""

    def __init__(self, instance: Instance, count: int, idle: int) -> None:
        """`count` that read, `idle` that do not."""
        super().__init__(instance, count)
        self._idle = idle
        self._held: list[socket.socket | asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Connect, and wait until each stream has begun."""
        for _ in range(self._idle):
            self._held.append(_silent(self._instance.port, self._request()))
        for one in self.watchers:
            reader, writer = await self._ask()
            await reader.readuntil(b"retry: ")
            self._held.append(asyncio.create_task(_follow(reader, writer, one)))


async def _follow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, one: Watcher) -> None:
    rest = b""
    with contextlib.closing(writer):
        while block := await reader.read(1 << 16):
            lines, end, rest = (rest + block).rpartition(b"\n")
            one.take(lines + end)


def _silent(port: int, request: bytes) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    made.connect(("127.0.0.1", port))
    made.sendall(request)
    return made


class Askers(Watchers):
    """They ask for what has happened since they asked last, each at a moment of its own."""

    async def begin(self) -> None:
        """Find out where the stream is."""
        at = await self._asked(Watcher(), None)
        self._asking = [asyncio.create_task(self._go_on(one, number, at)) for number, one in enumerate(self.watchers)]

    async def _go_on(self, one: Watcher, number: int, at: bytes | None) -> None:
        await asyncio.sleep(EVERY_SECONDS * number / len(self.watchers))
        while True:
            began = time.monotonic()
            at = await self._asked(one, at)
            await asyncio.sleep(max(0.0, began + EVERY_SECONDS - time.monotonic()))

    async def _asked(self, one: Watcher, at: bytes | None) -> bytes | None:
        """Ask once; the id to go on from."""
        reader, writer = await self._ask("?live=false" + (f"&after={at.decode()}" if at else ""))
        answer = await reader.read()
        writer.close()
        one.take(answer)
        ids = _ID.findall(answer)
        return ids[-1] if ids else at
