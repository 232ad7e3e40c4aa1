"""Background work of a service: steps that a ring wakes up and a stop ends between two of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import eventlet
from eventlet.event import Event as GreenEvent

from shared.core.errors import OdstError
from shared.runtime.logging import bind_correlation_id, get_logger

log = get_logger(__name__)


@dataclass
class Loop:
    """Work that runs in the background: `step` is called when rung, and at least every `interval_seconds`.

    `step` returns True if there may be more to do at once. `copies` steps run side by side.
    """

    name: str
    step: Callable[[], bool]
    interval_seconds: float
    copies: int = 1
    _bell: list[GreenEvent] = field(default_factory=lambda: [GreenEvent()])
    _stopping: bool = False

    def ring(self) -> None:
        """There may be work: wake all copies. Returns at once."""
        bell, self._bell[0] = self._bell[0], GreenEvent()
        if not bell.ready():
            bell.send(None)

    def run(self) -> None:
        """Until stopped: step while there is work, then wait for a ring or the interval."""
        while not self._stopping:
            bell = self._bell[0]
            if not self._once():
                with eventlet.Timeout(self.interval_seconds, False):  # noqa: FBT003 - eventlet's way to say: do not raise
                    bell.wait()

    def _once(self) -> bool:
        bind_correlation_id(None)
        try:
            return self.step()
        except OdstError as error:
            log.warning("loop_step_failed", loop=self.name, code=error.code, error=str(error))
        except Exception:
            # A background loop is the last to know: it must go on, and say what happened.
            log.exception("loop_step_failed", loop=self.name)
        return False

    def stop(self) -> None:
        """Do not begin another step."""
        self._stopping = True
        self.ring()
