"""How the benchmarks measure: candidates interleaved round by round in random order, medians, ratios to a named baseline.

Absolute times do not carry over from one machine to another; ratios that were measured in one run do. Whatever else the
machine does in a round slows all of its candidates, and the random order favours none.
"""

from __future__ import annotations

import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Candidate = Callable[[int], float]
"""Does the work of one round (counted from 0) and returns its seconds: whatever it measures, preparation left out."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    folder: Path
    """Where everything is put; empty, and removed afterwards by whoever made it."""
    rounds: int | None = None
    size_mib: int | None = None
    programs: tuple[str, ...] = ("services",)
    """The processes of an instance, beside its gateway."""
    profiles: Path | None = None
    """Where profiles are kept; None if none are taken."""
    packages: tuple[int, ...] = (1_000, 10_000, 100_000)
    """Sizes of catalogues."""

    def rounds_or(self, usual: int) -> int:
        """Rounds asked for, or the benchmark's usual number."""
        return self.rounds or usual

    def size_or(self, usual_mib: int) -> int:
        """Bytes of the package, asked for or usual."""
        return (self.size_mib or usual_mib) << 20


@dataclass(frozen=True, slots=True)
class Aim:
    """Something to be reached: a figure that is not to exceed its limit."""

    what: str
    found: float
    limit: float
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether it was."""
        return self.found <= self.limit


@dataclass(frozen=True, slots=True)
class Figures:
    """A table: for what is no race between candidates."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


@dataclass
class Report:
    """What a benchmark found out."""

    name: str
    what: str
    """What was measured, from where to where."""
    baseline: str | None = None
    samples: dict[str, list[float]] = field(default_factory=dict)
    """Seconds by candidate, in the order of the rounds."""
    aims: list[Aim] = field(default_factory=list)
    figures: list[Figures] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def median(self, candidate: str) -> float:
        """Median seconds of a candidate."""
        return statistics.median(self.samples[candidate])

    def ratio(self, candidate: str, baseline: str | None = None) -> float:
        """Median of a candidate in terms of the baseline's."""
        reference = baseline or self.baseline
        assert reference is not None
        return self.median(candidate) / self.median(reference)

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "name": self.name,
            "what": self.what,
            "baseline": self.baseline,
            "samples_seconds": self.samples,
            "median_seconds": {candidate: self.median(candidate) for candidate in self.samples},
            "ratio": {candidate: self.ratio(candidate) for candidate in self.samples} if self.baseline else {},
            "aims": [
                {"what": aim.what, "found": aim.found, "limit": aim.limit, "unit": aim.unit, "reached": aim.reached} for aim in self.aims
            ],
            "figures": [{"title": table.title, "columns": table.columns, "rows": table.rows} for table in self.figures],
            "notes": self.notes,
        }


def interleave(candidates: Mapping[str, Candidate], rounds: int, *, chance: random.Random | None = None) -> dict[str, list[float]]:
    """Seconds of each candidate in each round; in every round all of them run once, in random order."""
    chance = chance or random.Random()  # noqa: S311 - an order, no secret
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds):
        order = list(candidates)
        chance.shuffle(order)
        for name in order:
            samples[name].append(candidates[name](number))
            tell(f"  round {number + 1}/{rounds}  {samples[name][-1]:8.3f} s  {name}")
    return samples


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of `work`."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def require_space(folder: Path, size: int) -> None:
    """Raises RuntimeError if the disk has no room for what a benchmark will write."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise RuntimeError(
            f"{size >> 20} MiB are needed in {folder}, {free >> 20} MiB are free: choose another --folder or a smaller --size-mib"
        )


def tell(line: str) -> None:
    """For whoever waits; results go to standard output."""
    print(line, file=sys.stderr, flush=True)
