"""One writer at a time to an incoming file, among all processes of this machine.

An advisory lock of the kernel's: it ends with the process that holds it, however that ends. It is on a file of its own, because
hashing locks the bytes themselves when they are complete, while their last writer still says so.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from shared.core.errors import Locked, NotFound

_LOOK_AGAIN_SECONDS = 0.02


def make_lockable(path: Path) -> None:
    """Make the lock of an incoming file that several may want to write to."""
    path.touch()


@contextmanager
def locked(path: Path, patience_seconds: float) -> Iterator[None]:
    """Hold a lock; who has it is waited for a little, as it may be just about to let go.

    Raises:
        NotFound: if there is no such lock: nothing may be written.
        Locked: if somebody else holds it.
    """
    with _opened(path) as file:
        _take(file, time.monotonic() + patience_seconds)
        yield


def _opened(path: Path) -> FileIO:
    try:
        # Never made here: an id that somebody made up must not become a file.
        return path.open("r+b", buffering=0)
    except FileNotFoundError as error:
        raise NotFound(f"{path.name} is not in the byte store") from error


def _take(file: FileIO, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise Locked("another request writes to it just now: wait a moment, ask for the offset, and go on there") from error
        time.sleep(_LOOK_AGAIN_SECONDS)
