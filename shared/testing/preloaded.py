"""Programs of an instance that start at once, as what they import is there: forked off a process that imported it beforehand.

A test process starts one such process for the services and one for the gateway, when the first program of that kind is wanted::

    test process ── preloaded("services") ──┬── `python -m services` of one instance        each with its own arguments,
                                            └── `python -m services.storage` of another     environment, log and hub

What runs is the same `__main__`. That each program imports what it needs is not tried by this: `Instance.preloaded = False` is for that.
A program becomes a child of the test process, which may wait for it and kill it as any other.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

_REPOSITORY = Path(__file__).resolve().parents[2]
_BECOME_PARENT_OF_ORPHANS = 36
"""PR_SET_CHILD_SUBREAPER of Linux's prctl."""


class Process(Protocol):
    """What tests do with a program, however it was started."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def poll(self) -> int | None:
        """How it ended, as `subprocess` has it; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; how.

        Raises:
            subprocess.TimeoutExpired: if it runs after so many seconds.
        """

    def terminate(self) -> None:
        """SIGTERM, if it runs."""


class Forked:
    """A child of this process that was not started by it."""

    def __init__(self, pid: int) -> None:
        """It must be a child by now."""
        self.pid = pid
        self._end = os.pidfd_open(pid)
        self._returncode: int | None = None

    def poll(self) -> int | None:
        """See `Process`."""
        if self._returncode is None and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            self._returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self._end)
        return self._returncode

    def wait(self, timeout: float | None = None) -> int:
        """See `Process`."""
        if self._returncode is None:
            end = select.poll()
            end.register(self._end)
            end.poll(None if timeout is None else timeout * 1000)
        returncode = self.poll()
        if returncode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return returncode

    def terminate(self) -> None:
        """See `Process`."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


@functools.cache
def can_fork() -> bool:
    """Whether this machine's kernel lets a process take orphans in, and wait for their end."""
    if sys.platform != "linux":
        return False
    with contextlib.suppress(OSError):
        os.close(os.pidfd_open(os.getpid()))
        return True
    return False


def fork(arguments: Sequence[str], environment: dict[str, str], log: Path) -> Forked:
    """Run what `python -m` would with these arguments; what it says is appended to `log`."""
    kind = "gateway" if arguments[-1] == "services.api_gateway" else "services"
    return Forked(_preloaded(kind).fork({"arguments": [*arguments], "environment": environment, "log": str(log)}))


class _Preloaded:
    """The test process's end."""

    def __init__(self, kind: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "shared.testing.preloader", kind],
            cwd=_REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        atexit.register(self._end)
        self._answer()

    def _answer(self) -> bytes:
        assert self._process.stdout
        said = self._process.stdout.readline()
        assert said, f"what the programs are forked off ended with {self._process.wait()}"
        return said

    def fork(self, order: dict[str, object]) -> int:
        assert self._process.stdin
        # Only meanwhile: orphans of others are not ours.
        with _parent_of_orphans():
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            return int(self._answer())

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._process.communicate(timeout=10)


@functools.cache
def _preloaded(kind: str) -> _Preloaded:
    return _Preloaded(kind)


@contextlib.contextmanager
def _parent_of_orphans() -> Iterator[None]:
    control = ctypes.CDLL(None, use_errno=True).prctl
    assert control(_BECOME_PARENT_OF_ORPHANS, 1, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        control(_BECOME_PARENT_OF_ORPHANS, 0, 0, 0, 0)
