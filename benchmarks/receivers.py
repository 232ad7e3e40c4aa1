"""Receivers of webhooks, many on one port: most answer at once, some never do."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from types import TracebackType
from typing import Self

HANGING = "/hangs/"
_ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class Receivers:
    """Notes when what came to which path; in a thread of its own."""

    def __init__(self) -> None:
        self.came: dict[tuple[str, str], float] = {}
        """Time of arrival by path and webhook-id; of what comes again, the first."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._take, "127.0.0.1", 0, backlog=2000), self._loop).result()
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop listening."""
        asyncio.run_coroutine_threadsafe(_end_others(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def url(self, number: int, *, hangs: bool) -> str:
        """Of a receiver."""
        return f"http://127.0.0.1:{self.port}{HANGING if hangs else '/answers/'}{number}"

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split(" ", 2)[1]
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            await reader.readexactly(int(fields.get("content-length", "0")))
            self.came.setdefault((path, fields.get("webhook-id", "")), time.time())
            if path.startswith(HANGING):
                await reader.read()
            else:
                writer.write(_ANSWER)
                await writer.drain()
        writer.close()


async def _end_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
