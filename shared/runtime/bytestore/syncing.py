"""Writing a large file so that it is on the disk soon after the last byte: synced in the background while bytes come."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

if TYPE_CHECKING:
    from shared.runtime.bytestore.port import ByteStore

_MORE, _NO_MORE = True, False
_SYNC_EVERY = 64 << 20
"""Bytes between two background syncs: dirty pages stay few, and the last sync short."""
_TELL_SECONDS = 5
"""After so long without a background sync there is one too, if somebody is to be told: a slow sender shall not send much twice."""


class SyncedWriter:
    """A file that is written from its position on; `finish` returns when all of it is on the disk. For plain threads."""

    def __init__(self, file: BinaryIO, store: ByteStore, tell: Callable[[int], None] | None = None) -> None:
        """`file` stays the caller's to close. `tell` hears in the background how many bytes are on the disk for sure."""
        self._file, self._store, self._tell = file, store, tell
        self._tell_next = time.monotonic() + _TELL_SECONDS
        self.written = 0
        self._marked = 0
        self._wishes: queue.Queue[bool] = queue.Queue(maxsize=1)
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None

    def write(self, block: bytes) -> int:
        """Write all of `block`.

        Raises:
            InsufficientSpace: if the disk is full.
            OdstError: what `tell` raised since: there is no use in going on.
        """
        if self._failure:
            raise self._failure
        view = memoryview(block)
        while view:
            view = view[self._store.write(self._file, view) :]
        self.written += len(block)
        if self.written - self._marked >= _SYNC_EVERY or (self._tell and time.monotonic() > self._tell_next):
            self._marked, self._tell_next = self.written, time.monotonic() + _TELL_SECONDS
            self._wish()
        return len(block)

    def _wish(self) -> None:
        if self._thread is None:
            # In a copy of the context, so that what is logged and asked there bears the same correlation id.
            self._thread = threading.Thread(target=contextvars.copy_context().run, args=(self._sync_when_asked,), daemon=True)
            self._thread.start()
        if not self._wishes.full():
            self._wishes.put(_MORE)

    def _sync_when_asked(self) -> None:
        while self._wishes.get():
            try:
                until = self.written
                self._store.sync(self._file)
                if self._tell:
                    self._tell(until)
            except Exception as error:  # noqa: BLE001 - handed to `write` and `finish`, which raise it
                self._failure = error

    def finish(self) -> None:
        """Return only when every byte is on the disk.

        Raises:
            OSError, InsufficientSpace: if one is not.
        """
        self._end()
        if self._failure:
            raise self._failure
        self._store.sync(self._file)

    def _end(self) -> None:
        if self._thread:
            self._wishes.put(_NO_MORE)
            self._thread.join()
            self._thread = None

    def seek(self, _offset: int, _whence: int = 0) -> int:
        """For form parsers, which rewind what they wrote: a no-op, nothing is read back."""
        return 0

    def close(self) -> None:
        """For form parsers: the file is closed by who opened it."""

    def __enter__(self) -> Self:
        """Nothing to open."""
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        """End the background thread."""
        self._end()
