"""Sampling what clients see, all the while."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from types import TracebackType
from typing import Self


class PublicSampler:
    """Reads `public/` again and again, and remembers every file that was not whole and right."""

    def __init__(self, data: Path, expected: dict[str, str]) -> None:
        """`expected` maps a name to the SHA-256 that it must always have."""
        self._public = data / "public"
        self._expected = expected
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.faults: list[str] = []
        self.samples = 0

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        seen: set[tuple[str, int]] = set()
        while not self._stop.wait(0.02):
            self.samples += 1
            for path in self._public.glob("*"):
                key = (path.name, path.stat().st_ino)
                if key not in seen:
                    seen.add(key)
                    self._check(path)

    def _check(self, path: Path) -> None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self._expected.get(path.name):
            self.faults.append(f"{path.name} was public with {found}")
