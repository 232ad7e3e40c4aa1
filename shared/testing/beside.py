"""Somebody who does something again and again while a test does something else."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def meanwhile(act: Callable[[int], object], every_seconds: float) -> Iterator[None]:
    """Within, `act` is called with 0, 1, … in a thread of its own. On leaving, the call under way is waited for.

    Raises:
        Exception: on leaving, what `act` raised; then it was not called any more.
    """
    ended = threading.Event()
    raised: list[Exception] = []

    def again_and_again() -> None:
        numbers = itertools.count()
        try:
            while not ended.wait(every_seconds):
                act(next(numbers))
        except Exception as error:  # noqa: BLE001 - told on leaving
            raised.append(error)

    thread = threading.Thread(target=again_and_again)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    for error in raised:
        raise error
