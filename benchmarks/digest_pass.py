"""One digest pass in a process of its own, as the hashing service makes it. Prints JSON.

`python -m benchmarks.digest_pass plain|eventlet|verify FILE`. `seconds` is the pass without the start of the interpreter;
`hub_late_ms` is the longest that a green thread, which wants to run every 5 ms, was kept waiting beyond that.
"""

from __future__ import annotations

import sys

import eventlet

if sys.argv[1:2] == ["eventlet"]:
    eventlet.monkey_patch()

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from services.hashing.adapters.files import PositionedFile
from services.hashing.domain.digest_pass import Progress, digest_file, digest_whole
from shared.core.digest import ChunkDigests
from shared.runtime.offload import offload_all

_TICK_SECONDS = 0.005


@contextmanager
def _probe(found: dict[str, Any]) -> Iterator[None]:
    def tick() -> None:
        while True:
            due = time.perf_counter() + _TICK_SECONDS
            eventlet.sleep(_TICK_SECONDS)
            found["hub_late_ms"] = max(found.get("hub_late_ms", 0.0), (time.perf_counter() - due) * 1000)

    thread = eventlet.spawn(tick)
    try:
        yield
    finally:
        thread.kill()


def main(how: str, path: str) -> None:
    """One pass over `path`."""
    found: dict[str, Any] = {}
    with Path(path).open("rb", buffering=0) as file, _probe(found) if how == "eventlet" else nullcontext():
        started = time.perf_counter()
        if how == "verify":
            digest_whole(PositionedFile(file), ChunkDigests(b""), offload_all)
        else:
            digest_file(PositionedFile(file), offload_all, Progress())
        found["seconds"] = time.perf_counter() - started
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
