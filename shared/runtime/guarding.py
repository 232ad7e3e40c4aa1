"""The last line of defence around one piece of work of many: if it fails in a way that nobody expected, it must not come back for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from shared.core.errors import TransientError
from shared.runtime.logging import get_logger

T = TypeVar("T")
log = get_logger(__name__)


def guarded(work: Callable[[], T], failed: Callable[[Exception], T], **about: str) -> T:
    """What `work` answers, or what `failed` makes of its error, which is told in the log with what the work is `about`.

    Raises:
        TransientError: nothing is wrong with the work: the same may succeed later.
    """
    try:
        return work()
    except TransientError:
        raise
    except Exception as error:
        # Whoever does the work does not know what it may raise: that is what this is for.
        log.exception("work_is_faulty", **about)
        return failed(error)
