"""One end for all that is asked of somebody else, also for what knows no end of its own: the system's resolver."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from typing import Self

Monotonic = Callable[[], float]
"""Seconds that only ever grow."""


class Deadline:
    """An end for everything, however many steps it takes to get there."""

    def __init__(self, seconds: float, clock: Monotonic) -> None:
        """It ends that many seconds from now."""
        self._clock = clock
        self._end = clock() + seconds

    def remaining(self) -> float:
        """Seconds until then, more than 0.

        Raises:
            TimeoutError: if it has passed.
        """
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError("no time is left")
        return left

    def share(self, parts: int) -> Self:
        """The first of `parts` equal parts of what is left, as a deadline."""
        return type(self)(max(0.0, self._end - self._clock()) / parts, self._clock)


def addresses(host: str, port: int, seconds: float) -> list[str]:
    """The addresses behind a name, each once.

    The system's resolver knows no deadline, so it is asked on a thread (a green one, if threads are green) that is not waited
    for any longer.

    Raises:
        OSError: if the name is not known (`socket.gaierror`), or there was no answer in time (`TimeoutError`).
    """
    answers: queue.Queue[list[str] | OSError] = queue.Queue()
    threading.Thread(target=_look_up, args=(host, port, answers.put), daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer to where {host} is") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _look_up(host: str, port: int, tell: Callable[[list[str] | OSError], None]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        tell(OSError(f"{host} can be no name of a host"))
    except OSError as error:
        tell(error)
    else:
        tell(list(dict.fromkeys(str(place[4][0]) for place in found)))
