"""Several digests of one file, a slice at a time, each algorithm in a thread of its own within a slice."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Any

from services.hashing.domain.digest_pass import Parallel, ReadsAt

SLICE_SIZE = 256 << 20
"""Bytes for which no thread is given back: well under a minute, even from a slow disk."""
_READ_SIZE = 4 << 20


class Slicewise:
    """Between two slices nothing is held but the hashers: other work gets the threads."""

    def __init__(self, algorithms: Sequence[str], slice_size: int = SLICE_SIZE) -> None:
        """`algorithms` as hashlib names them; `slice_size` in bytes."""
        self._hashers = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
        self._slice_size = slice_size

    def of(self, file: ReadsAt, parallel: Parallel) -> dict[str, str]:
        """The digests of a file that nobody writes to, as hex by algorithm."""
        offset = 0
        while True:
            steps = [functools.partial(_update, hasher, file, offset, self._slice_size) for hasher in self._hashers.values()]
            count = max(parallel(list(steps)))
            offset += count
            if count < self._slice_size:
                return {name: hasher.hexdigest() for name, hasher in self._hashers.items()}


def _update(hasher: Any, file: ReadsAt, offset: int, most: int) -> int:
    """Feed at most so many bytes; how many there were."""
    buffer, done = memoryview(bytearray(min(_READ_SIZE, most))), 0
    while done < most:
        count = file.read_into(buffer[: min(len(buffer), most - done)], offset + done)
        if not count:
            break
        hasher.update(buffer[:count])
        done += count
    return done
