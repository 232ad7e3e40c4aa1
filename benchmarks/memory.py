"""Memory: the most that each process of two instances holds while a large package is uploaded, hashed and replicated."""

from __future__ import annotations

from benchmarks.hop import put
from benchmarks.processes import PeakMemory
from benchmarks.runner import Aim, Figures, Options, Report, require_space, tell
from benchmarks.world import Source, world
from shared.contracts import events
from shared.testing.instance import SEPARATE

_NAME = "large.pkg"
_LIMIT_MB = 200


def run(options: Options) -> Report:
    """Two instances with each service in a process of its own; one package, once."""
    size = options.size_or(2048)
    require_space(options.folder, 4 * size)
    source = Source(options.folder / "package", size)
    with world(options, "A", "B", programs=SEPARATE) as running:
        services = {name: pid for name, pid in running.pids().items() if name != "broker"}
        with PeakMemory(services) as watch:
            put(running.instances[0], _NAME, source.path)
            tell("  uploaded")
            running.listeners[0].wait(events.PackagePublishedV1)
            tell("  published at A")
            running.listeners[1].wait(events.PackagePublishedV1)
            tell("  published at B")
    rows = [(name, _mb(peak.resident), _mb(peak.anonymous)) for name, peak in watch.peaks.items()]
    report = Report("memory", f"peak resident memory while {size >> 20} MiB are uploaded to A, hashed, and replicated to B")
    report.figures = [Figures("MB (million bytes), largest seen", ("process", "resident", "of it anonymous"), rows)]
    report.aims = [Aim("largest process", max(resident for _, resident, _ in rows), _LIMIT_MB, " MB")]
    report.notes = [f"looked {watch.samples} times, every 200 ms; of the gateway the larger of its two processes"]
    return report


def _mb(count: int) -> float:
    return round(count / 1e6, 1)
