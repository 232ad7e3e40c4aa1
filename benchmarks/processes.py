"""What processes cost: processor seconds and resident memory, read from /proc (Linux)."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.runner import Figures

_TICKS = os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except _GONE:
        return [pid]
    return [pid, *(member for child in children for member in family(int(child)))]


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor seconds, in the program and in the kernel."""

    user: float = 0.0
    system: float = 0.0

    def __add__(self, other: Cpu) -> Cpu:
        return Cpu(self.user + other.user, self.system + other.system)

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.user - other.user, self.system - other.system)


def cpu_of(pid: int) -> Cpu:
    """Of a process and its living descendants, since they started."""
    total = Cpu()
    for member in family(pid):
        with suppress(*_GONE):
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            total += Cpu(int(fields[11]) / _TICKS, int(fields[12]) / _TICKS)
    return total


@contextmanager
def cpu_spent(pids: Mapping[str, int], into: list[dict[str, Cpu]]) -> Iterator[None]:
    """Append to `into` what each named process spends within the block."""
    before = {name: cpu_of(pid) for name, pid in pids.items()}
    yield
    into.append({name: cpu_of(pid) - before[name] for name, pid in pids.items()})


def cpu_figures(title: str, spent: Sequence[Mapping[str, Cpu]]) -> Figures:
    """Medians over several blocks."""
    rows = []
    for name in spent[0]:
        user, system = (statistics.median(values) for values in zip(*((one[name].user, one[name].system) for one in spent), strict=True))
        rows.append((name, f"{user:.2f}", f"{system:.2f}"))
    return Figures(title, ("process", "user", "system"), rows)


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
