"""Claims about how many may wait for the outside at once."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from services.notify.handlers.waiting import MOST_AT_ONCE, Waiting
from shared.core.errors import Locked


def test_whoever_waits_for_the_outside_leaves_workers_for_others() -> None:
    """However many ask a server that hangs; who ends makes room, whatever came of it."""
    waiting = Waiting()
    with ExitStack() as held:
        for _ in range(MOST_AT_ONCE):
            held.enter_context(waiting.for_("https://jamf.example"))
        with pytest.raises(Locked), waiting.for_("https://other.example"):
            pass
    with pytest.raises(ZeroDivisionError), waiting.for_("x"):
        raise ZeroDivisionError

    with waiting.for_("x", alone=True), waiting.for_("y"), pytest.raises(Locked), waiting.for_("x", alone=True):
        pass
