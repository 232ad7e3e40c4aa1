"""Memory that costs every candidate the same.

A virtual machine may give its free memory back to the host (free page reporting, seconds after it became free). The first
write to a page that the host has to find again takes ten times as long as one to a page that was used a moment ago: 2 s for
each GiB instead of 0.2 s. A candidate whose files are kept would lose against one whose file is removed after each round and
whose next file gets the same pages. So files are written beforehand, and removed while a candidate fills its own.

Anonymous memory that is touched and freed does not do: measured, its pages are not the ones that files get next.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_STEP = 64 << 20
_AHEAD = 256 << 20
_LOOK_SECONDS = 0.01


class UsedMemory:
    """Enough used memory for files of `size` bytes. Use it in a `with`; nothing is given before `offer`."""

    def __init__(self, folder: Path, size: int) -> None:
        """Fill it with files in `folder`."""
        self._folder = Path(tempfile.mkdtemp(prefix="used-", dir=folder))
        self._files = [self._folder / str(number) for number in range((size + _AHEAD) // _STEP + 1)]
        for path in self._files:
            _fill(path)
        self._given = 0
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
        shutil.rmtree(self._folder)

    def offer(self) -> None:
        """From now on, a little more is free than others have filled since."""
        self._others_before = self._others()
        self._give_due()
        self._thread.start()

    def _others(self) -> int:
        """Bytes of files in memory that are not ours, of the whole machine."""
        lines = Path("/proc/meminfo").read_text().splitlines()
        cached = next(int(line.split()[1]) << 10 for line in lines if line.startswith("Cached:"))
        return cached - len(self._files) * _STEP

    def _keep_ahead(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self._give_due()

    def _give_due(self) -> None:
        filled = self._others() - self._others_before
        while self._files and self._given < filled + _AHEAD:
            self._files.pop().unlink()
            self._given += _STEP


def _fill(path: Path) -> None:
    block = bytes(1 << 20)
    with path.open("wb") as file:
        for _ in range(_STEP // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
