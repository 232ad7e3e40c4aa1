"""Background work in plain threads, for programs without an event hub: the gateway."""

from __future__ import annotations

import threading
from collections.abc import Callable

from shared.runtime.logging import get_logger

log = get_logger(__name__)
_PAUSE_SECONDS = 0.2


class Turning:
    """A thread that does its turn again and again until it is stopped. A turn that fails is logged, and the next one follows."""

    def __init__(self, name: str, turn: Callable[[], None], at_end: Callable[[], None] = lambda: None) -> None:
        """`turn` waits by itself; `at_end` is done once, after the last."""
        self._name, self._turn, self._at_end = name, turn, at_end
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Do not begin another turn. Returns at once."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        """Wait until it has ended, so long at most."""
        self._thread.join(seconds)

    def pause(self, seconds: float) -> None:
        """Within a turn: wait, but not for a thread that is stopped."""
        self._stopping.wait(seconds)

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopping.is_set()

    @property
    def running(self) -> bool:
        """Whether turns follow."""
        return self._thread.is_alive() and not self.stopping

    def _run(self) -> None:
        while not self.stopping:
            self._once()
        self._at_end()

    def _once(self) -> None:
        try:
            self._turn()
        except Exception:
            # A thread is the last to know: it must go on, and say what happened.
            log.exception("turn_failed", thread=self._name)
            self.pause(_PAUSE_SECONDS)
