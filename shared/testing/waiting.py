"""Waiting for a state with a deadline, never for a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_LOOK_SECONDS = 0.05
_LATER_SECONDS = 0.1
"""Between looks, once it took a second: looking costs those who are to get there their processor."""


def wait_for(state: Callable[[], T], what: str, *, deadline_seconds: float = 60, tolerate: tuple[type[Exception], ...] = ()) -> T:
    """Call `state` until it returns something true, and return that. Exceptions in `tolerate` count as not yet.

    Raises:
        AssertionError: if it is not so by the deadline; says what was seen last.
    """
    begun = time.monotonic()
    deadline = begun + deadline_seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            seen = state()
            if seen:
                return seen
            last = seen
        except tolerate as error:
            last = error
        time.sleep(_LOOK_SECONDS if time.monotonic() - begun < 1 else _LATER_SECONDS)
    raise AssertionError(f"not within {deadline_seconds:g} s: {what}; last seen: {last!r}")
