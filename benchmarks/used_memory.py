"""Memory that costs every candidate the same.

A virtual machine may give its free memory back to the host (free page reporting, some seconds after it became free). The
first write to a page that the host has to find again takes ten times as long as one to a page that was used a moment ago:
2 s for each GiB instead of 0.2 s. A candidate whose files are kept would lose against one whose file is removed after each
round and whose next file gets the same pages. So memory is used up beforehand, and given free while a candidate fills files.
"""

from __future__ import annotations

import mmap
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_AHEAD = 256 << 20
_STEP = 64 << 20
_LOOK_SECONDS = 0.01


class UsedMemory:
    """Enough used memory for files of `size` bytes. Use it in a `with`; nothing is given before `offer`."""

    def __init__(self, size: int) -> None:
        """Touch it."""
        self._size = size + _AHEAD
        self._region = mmap.mmap(-1, self._size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_ahead, daemon=True)

    def __enter__(self) -> Self:
        """As made."""
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        """Free what is left."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._region.close()

    def offer(self) -> Self:
        """From now on there is always a little more free than is being used."""
        self._given, self._before = 0, _file_pages()
        self._give_due()
        self._thread.start()
        return self

    def _keep_ahead(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self._give_due()

    def _give_due(self) -> None:
        wanted = min(self._size, _file_pages() - self._before + _AHEAD)
        while self._given < wanted:
            step = min(_STEP, self._size - self._given)
            self._region.madvise(mmap.MADV_DONTNEED, self._given, step)
            self._given += step


def _file_pages() -> int:
    """Bytes of files in memory, of the whole machine."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Cached:"))
