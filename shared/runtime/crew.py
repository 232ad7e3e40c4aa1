"""Work beside other work, in green threads: begun, and waited for by nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import eventlet
from eventlet.greenpool import GreenPool

from shared.core.errors import OdstError
from shared.runtime.logging import bind_correlation_id, get_logger

log = get_logger(__name__)


@dataclass
class GreenCrew:
    """Up to `size` works at once; who begins another waits until one has ended."""

    size: int
    _pool: GreenPool = field(init=False)

    def __post_init__(self) -> None:
        self._pool = GreenPool(self.size)

    def begin(self, work: Callable[[], None]) -> None:
        """Do this beside what is under way. What it raises is told in the log."""
        self._pool.spawn_n(_logged, work)

    def end(self, seconds: float) -> None:
        """Wait so long for what is under way."""
        with eventlet.Timeout(seconds, False):  # noqa: FBT003 - eventlet's way to say: do not raise
            self._pool.waitall()


def _logged(work: Callable[[], None]) -> None:
    bind_correlation_id(None)
    try:
        work()
    except OdstError as error:
        log.warning("work_failed", code=error.code, error=str(error))
    except Exception:
        # Nobody waits for this: the log is the last to know.
        log.exception("work_failed")
