"""Bytes of a package on their way from a peer: the head of the answer is checked first, and not one byte too many is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import Any

import requests

from services.replication.adapters.http_link import LINK_ERRORS, PARTIAL, Patience
from shared.core.digest import CHUNK_SIZE, chunk_length
from shared.core.errors import PeerLied, PeerUnreachable

_BLOCK = 64 << 10
"""Bytes between two looks at the time."""


class HttpContent:
    """`Content` of a response: two buffers in turn, so that one is worked on while the other is filled."""

    def __init__(  # noqa: PLR0913 - what was asked for
        self, response: requests.Response, patience: Patience, first_chunk: int, start: int, stop: int, *, size: int
    ) -> None:
        """Reads bytes `start` to `stop` of a package of `size` bytes."""
        self._response, self._patience = response, patience
        self._first, self._start, self._stop, self._size = first_chunk, start, stop, size

    def chunks(self, saw: Callable[[int], None]) -> Iterator[tuple[int, memoryview]]:
        """Chunk index and bytes; never reads more than one byte beyond what was asked for."""
        length = self._stop - self._start
        buffers = [memoryview(bytearray(min(CHUNK_SIZE, length))) for _ in range(2)]
        index, left = self._first, length
        while left:
            chunk = buffers[index % 2][: chunk_length(index, self._size)]
            for at in range(0, len(chunk), _BLOCK):
                block = chunk[at : at + _BLOCK]
                with self._patience(len(block)):
                    self._fill(block)
                left -= len(block)
                saw(length - left)
            if not left:
                self._response.raw.release_conn()
            yield index, chunk
            index += 1

    def _fill(self, block: memoryview) -> None:
        # urllib3's own readinto allocates and copies each block; the response beneath reads into our buffer at once.
        body: Any = self._response.raw._original_response  # noqa: SLF001 - kept by urllib3 for this purpose
        filled = 0
        while filled < len(block):
            try:
                count = body.readinto(block[filled:])
            except (*LINK_ERRORS, HTTPException) as error:
                raise PeerUnreachable(f"the link broke within a slice: {type(error).__name__}") from error
            if not count:
                raise PeerUnreachable("the peer ended the answer early")
            filled += count


def check_range(response: requests.Response, start: int, stop: int, size: int) -> None:
    """Refuse an answer of which the head already shows that it is not what was asked for; read nothing of its body.

    Raises:
        PeerLied: if status, range, length or encoding are not as asked.
    """
    headers = response.headers
    whole = (start, stop) == (0, size)
    if response.status_code == PARTIAL:
        if headers.get("Content-Range") != f"bytes {start}-{stop - 1}/{size}":
            raise PeerLied(f"asked for bytes {start}-{stop - 1}/{size}, got {headers.get('Content-Range', 'no Content-Range')[:80]!r}")
    elif not whole:
        raise PeerLied("the peer ignored the range")
    if headers.get("Content-Encoding", "identity") != "identity" or "Transfer-Encoding" in headers:
        raise PeerLied("the peer sent an encoded body")
    if headers.get("Content-Length") != str(stop - start):
        raise PeerLied(f"the peer announced {headers.get('Content-Length', 'no')[:20]} bytes for {stop - start}")
