"""Receivers of webhooks, many on one port: most answer at once, some never do."""

from __future__ import annotations

import asyncio
import contextlib
import time

from benchmarks.beside import Beside

HANGING = "/hangs/"
_ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class Receivers(Beside):
    """Notes when what came to which path; in a thread of its own."""

    def __init__(self) -> None:
        """Listens once it is entered."""
        super().__init__()
        self.came: dict[tuple[str, str], float] = {}
        """Time of arrival by path and webhook-id; of what comes again, the first."""
        self.port = 0

    async def begin(self) -> None:
        """Listen."""
        server = await asyncio.start_server(self._take, "127.0.0.1", 0, backlog=2000)
        self.port = server.sockets[0].getsockname()[1]

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
