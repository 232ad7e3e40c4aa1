"""Runs a program whose wall clock is wrong: `python -m shared.testing.shifted_clock <offset file> <module> [arguments]`.

The file holds by how many seconds the program's clock is ahead (negative: behind), and may be rewritten while it runs. Shifted
are `time.time`, `time.time_ns` and the present time of `datetime.datetime`, and so `today` of both. `time.monotonic`, the times
of files, and the clocks of other programs (the broker's, the database's) stay as they are.
"""

from __future__ import annotations

import datetime as dt
import runpy
import sys
import time
from pathlib import Path
from typing import Any, Self

_REAL = dt.datetime
_READ_AGAIN_SECONDS = 0.2


class ShiftedClock:
    """The real clock and an offset out of a file. It keeps what it needs, as programs patch these modules further."""

    def __init__(self, path: Path) -> None:
        """Raises: OSError or ValueError, if the file holds no number."""
        self._time_ns, self._monotonic = time.time_ns, time.monotonic
        self._path = path
        self._offset_ns = self._read()
        self._read_at = self._monotonic()

    def time_ns(self) -> int:
        """Nanoseconds since the epoch, as this program is to believe."""
        if self._monotonic() - self._read_at >= _READ_AGAIN_SECONDS:
            self._read_at = self._monotonic()
            self._offset_ns = self._read()
        return self._time_ns() + self._offset_ns

    def time(self) -> float:
        """The same in seconds."""
        return self.time_ns() / 1e9

    def _read(self) -> int:
        return int(float(self._path.read_text(encoding="ascii")) * 1e9)


class _LooksReal(type):
    """Makes every datetime, wherever it was made, one of ours: C extensions make real ones."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _REAL)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _REAL)


class ShiftedDatetime(_REAL, metaclass=_LooksReal):
    """`datetime.datetime`, whose present comes from `time.time`."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Self:
        """The shifted present."""
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> Self:
        """The shifted present, in UTC and without saying so."""
        return cls.fromtimestamp(time.time(), dt.UTC).replace(tzinfo=None)


def install(clock: ShiftedClock) -> None:
    """Let this program go by the clock. Modules that are imported later get it whatever they import by name."""
    for name in ("__name__", "__qualname__", "__module__"):
        setattr(ShiftedDatetime, name, getattr(_REAL, name))
    patched: tuple[tuple[Any, str, Any], ...] = (
        (time, "time", clock.time),
        (time, "time_ns", clock.time_ns),
        (dt, "datetime", ShiftedDatetime),
    )
    for module, name, value in patched:
        setattr(module, name, value)


def main(path: Path, module: str, *arguments: str) -> None:
    """Shift the clock, then run the module as `python -m` would."""
    install(ShiftedClock(path))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
