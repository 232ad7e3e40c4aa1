"""Writing a large file so that it is on the disk soon after the last byte: synced in the background while bytes come."""

from __future__ import annotations

import queue
import threading
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

if TYPE_CHECKING:
    from shared.runtime.bytestore.port import ByteStore

_MORE, _NO_MORE = True, False
_SYNC_EVERY = 64 << 20
"""Bytes between two background syncs: dirty pages stay few, and the last sync short."""


class SyncedWriter:
    """A file that is written from its start; `finish` returns when all of it is on the disk. For plain threads."""

    def __init__(self, file: BinaryIO, store: ByteStore) -> None:
        """`file` stays the caller's to close."""
        self._file, self._store = file, store
        self.written = 0
        self._marked = 0
        self._wishes: queue.Queue[bool] = queue.Queue(maxsize=1)
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None

    def write(self, block: bytes) -> int:
        """Write all of `block`.

        Raises:
            InsufficientSpace: if the disk is full.
        """
        view = memoryview(block)
        while view:
            view = view[self._store.write(self._file, view) :]
        self.written += len(block)
        if self.written - self._marked >= _SYNC_EVERY:
            self._marked = self.written
            self._wish()
        return len(block)

    def _wish(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._sync_when_asked, daemon=True)
            self._thread.start()
        if not self._wishes.full():
            self._wishes.put(_MORE)

    def _sync_when_asked(self) -> None:
        while self._wishes.get():
            try:
                self._store.sync(self._file)
            except Exception as error:  # noqa: BLE001 - handed to `finish`, which raises it
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
