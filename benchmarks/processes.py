"""What processes cost: processor seconds and resident memory, read from /proc (Linux)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except _GONE:
        return [pid]
    return [pid, *(member for child in children for member in family(int(child)))]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of its living descendants."""
    total = 0
    for member in family(pid):
        with suppress(*_GONE):
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / _TICKS


@contextmanager
def cpu_spent(pids: Mapping[str, int], into: dict[str, float]) -> Iterator[None]:
    """Put what each named process spends within the block into `into`."""
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    yield
    into.update({name: cpu_seconds(pid) - before[name] for name, pid in pids.items()})


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes in memory: all that is resident, and the part that belongs to no file."""

    resident: int
    anonymous: int

    def most(self, other: Memory) -> Memory:
        """The larger of each."""
        return Memory(max(self.resident, other.resident), max(self.anonymous, other.anonymous))


def memory(pid: int) -> Memory:
    """Of one process alone; zero if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except _GONE:
        return Memory(0, 0)
    found = {line.split(":")[0]: line.split()[1] for line in lines[1:]}
    return Memory(int(found["Rss"]) << 10, int(found["Anonymous"]) << 10)


class PeakMemory:
    """Looks at processes now and then while the block runs, and keeps the most that each of them had."""

    def __init__(self, pids: Mapping[str, int], interval_seconds: float = 0.2) -> None:
        """A process counts with the largest of its descendants, not with their sum: gunicorn's parent holds the same pages."""
        self._pids = dict(pids)
        self._interval = interval_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.peaks = {name: Memory(0, 0) for name in pids}
        self.samples = 0

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        """End, with one last look."""
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            began = time.monotonic()
            for name, pid in self._pids.items():
                for member in family(pid):
                    self.peaks[name] = self.peaks[name].most(memory(member))
            self.samples += 1
            if self._over.wait(max(0.0, self._interval - (time.monotonic() - began))):
                return
