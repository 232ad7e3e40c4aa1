"""Processes of others, as `/proc` shows them: whose they are, and their end."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """Children of a process, and theirs, the youngest generation first; none of a process that is gone."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    with contextlib.suppress(OSError):
        found = [int(child) for child in path.read_text().split()]
        return [grandchild for child in found for grandchild in descendants(child)] + found
    return []


def kill_now(pid: int) -> None:
    """SIGKILL, if it is there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def is_running(pid: int) -> bool:
    """False if it is gone, or ended and nobody asked for its end."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
