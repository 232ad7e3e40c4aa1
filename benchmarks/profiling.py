"""Where a process spends its time, by py-spy, which looks at running processes from outside.

It is no dependency of the project: install it where the path finds it (`pip install py-spy`). Stacks are kept in the
collapsed form that speedscope and flamegraph.pl read.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.runner import Figures

_PER_SECOND = 50
_SHOWN = 12
_LEAST_SHARE = 0.02


def require() -> None:
    """Raises RuntimeError if py-spy is not installed."""
    if shutil.which("py-spy") is None:
        raise RuntimeError("a profile needs py-spy on the path: pip install py-spy")


@contextmanager
def recorded(pids: Mapping[str, int], results: Path) -> Iterator[None]:
    """Record every process with its descendants and threads while the block runs; a file for each in `results`.

    Without stopping them: a process with twenty threads that is stopped often is three times as slow.
    """
    results.mkdir(parents=True, exist_ok=True)
    recorders = [_recorder(pid, results / f"{name.replace(' ', '-')}.stacks") for name, pid in pids.items()]
    try:
        yield
    finally:
        for recorder in recorders:
            recorder.send_signal(signal.SIGINT)
        for recorder in recorders:
            recorder.wait()


def _recorder(pid: int, path: Path) -> subprocess.Popen[bytes]:
    options = ["--nonblocking", "--subprocesses", "--rate", str(_PER_SECOND), "--format", "raw", "--output", str(path)]
    command = ["py-spy", "record", "--pid", str(pid), *options]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def summaries(results: Path) -> list[Figures]:
    """The functions in which each recorded process spent its time itself, and with what they called."""
    return [_summary(path) for path in sorted(results.glob("*.stacks"))]


def _summary(path: Path) -> Figures:
    own: Counter[str] = Counter()
    with_called: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_short(frame) for frame in stack.split(";") if not frame.startswith("process ")] or ["between functions"]
        own[frames[-1]] += int(count)
        with_called.update(dict.fromkeys(frames, int(count)))
    whole = sum(own.values())
    rows = [
        (function, f"{count / _PER_SECOND:.2f}", f"{with_called[function] / _PER_SECOND:.2f}")
        for function, count in own.most_common(_SHOWN)
        if count >= _LEAST_SHARE * whole
    ]
    title = f"{path.stem}: thread seconds at work ({whole / _PER_SECOND:.1f} in all)"
    return Figures(title, ("function", "itself", "with what it called"), rows)


def _short(frame: str) -> str:
    """`function (file:line)` without the line."""
    function, _, place = frame.partition(" (")
    return f"{function} ({place.partition(':')[0]})" if place else function
