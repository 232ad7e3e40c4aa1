"""Telling progress while real threads work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import eventlet

from shared.core.errors import OdstError
from shared.runtime.logging import get_logger

log = get_logger(__name__)


def every_seconds(interval_seconds: float) -> Callable[[Callable[[], None]], AbstractContextManager[None]]:
    """A context in which a function is called each `interval_seconds`. Its failures are logged: progress is a courtesy."""

    @contextmanager
    def ticking(tick: Callable[[], None]) -> Iterator[None]:
        thread = eventlet.spawn(_tick_for_ever, tick, interval_seconds)
        try:
            yield
        finally:
            thread.kill()

    return ticking


def _tick_for_ever(tick: Callable[[], None], interval_seconds: float) -> None:
    while True:
        eventlet.sleep(interval_seconds)
        try:
            tick()
        except OdstError as error:
            log.info("progress_not_told", error=str(error))
