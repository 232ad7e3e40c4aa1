"""What was found with catalogues of several sizes, and how it grows with the number of packages."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.processes import Cpu, cpu_figures
from benchmarks.runner import Aim, Figures, Report, quantile

_WORST = 0.99
_TENFOLD, _FLAT = 10, 2


@dataclass(frozen=True)
class Found:
    """What was measured with a catalogue of one size; seconds, and bytes."""

    count: int
    feed_pages: Sequence[float]
    list_pages: Sequence[float]
    buckets: float
    learned: float
    memory: Mapping[str, int]
    """The most that each process had."""
    cpu: Mapping[str, Cpu]
    mirrored: float
    """rsync brought as many files of the size of a manifest."""
    compared: float
    """rsync found that all of them are the same."""


def report_of(found: Sequence[Found]) -> Report:
    """Curves, aims, and what each process needed with the largest catalogue; `found` begins with the smallest."""
    report = Report("catalogue", "pages, digests, and a new peer that learns everything, by the number of packages")
    largest = found[-1]
    rows = [(what, *(f"{value:.3g}" for value in values), *_growths(found, values)) for what, values in _curves(found).items()]
    columns = ("", *(f"{one.count:,}" for one in found), *(f"× to {one.count:,}" for one in found[1:]))
    report.figures = [
        Figures("by number of packages", columns, rows),
        Figures(f"most memory while B learns {largest.count:,} packages, MB", ("process", "resident"), _memory(largest)),
        cpu_figures(f"processor seconds while B learns {largest.count:,} packages", [largest.cpu]),
    ]
    report.aims = [*_aims(largest), *_growth_aims(found)]
    report.notes = [
        "growth is given for each tenfold of packages; what is not a total should not grow at all",
        "rsync compares name, size and time of files that it trusts; it checks no signature, keeps no tombstone, and shows all or nothing",
    ]
    return report


def _curves(found: Sequence[Found]) -> dict[str, list[float]]:
    return {
        "page of the feed, p50, ms": [quantile(one.feed_pages, 0.5) * 1000 for one in found],
        "page of the feed, p99, ms": [quantile(one.feed_pages, _WORST) * 1000 for one in found],
        "page of the admin list, p50, ms": [quantile(one.list_pages, 0.5) * 1000 for one in found],
        "page of the admin list, p99, ms": [quantile(one.list_pages, _WORST) * 1000 for one in found],
        "digests of all, s": [one.buckets for one in found],
        "a new peer learned all, s": [one.learned for one in found],
        "largest process, MB": [max(one.memory.values()) / 1e6 for one in found],
        "rsync: brought as many files, s": [one.mirrored for one in found],
        "rsync: compared as many files, s": [one.compared for one in found],
    }


def _growths(found: Sequence[Found], values: Sequence[float]) -> list[str]:
    return [f"{growth:.1f}" for growth in _tenfold_growths(found, values)]


def _tenfold_growths(found: Sequence[Found], values: Sequence[float]) -> Iterator[float]:
    """How much it grew from one size to the next, as if that were ten times the packages."""
    for (one, value), (other, grown) in itertools.pairwise(zip(found, values, strict=True)):
        tens = math.log(other.count / one.count, _TENFOLD)
        yield (grown / value) ** (1 / tens)


def _memory(one: Found) -> list[tuple[str, float]]:
    return [(name, round(peak / 1e6, 1)) for name, peak in one.memory.items()]


def _aims(largest: Found) -> list[Aim]:
    what = f"with {largest.count:,} packages"
    return [
        Aim(f"a page of the feed {what}, p99", quantile(largest.feed_pages, _WORST) * 1000, 200, " ms"),
        Aim(f"digests of the catalogue {what}", largest.buckets, 1, " s"),
        Aim(f"a new peer learned the catalogue {what}", largest.learned, 300, " s"),
        Aim(f"largest process {what}", max(largest.memory.values()) / 1e6, 300, " MB"),
    ]


def _growth_aims(found: Sequence[Found]) -> list[Aim]:
    """Totals grow no faster than the number of packages, pages not at all but for what the machine does besides."""
    if len(found) == 1:
        return []
    ours = {what: values for what, values in _curves(found).items() if not what.startswith("rsync")}
    pages = {what: values for what, values in ours.items() if what.startswith("page") and "p99" not in what}
    limits = ((pages, _FLAT), (ours, _TENFOLD))
    return [_steepest(found, curves, limit) for curves, limit in limits]


def _steepest(found: Sequence[Found], curves: Mapping[str, Sequence[float]], limit: float) -> Aim:
    growths = {what: max(_tenfold_growths(found, values)) for what, values in curves.items()}
    most = max(growths, key=lambda what: growths[what])
    return Aim(f"growth for each tenfold of packages, of what grows most: {most}", growths[most], limit)
