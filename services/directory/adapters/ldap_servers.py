"""Several servers and little time: which is asked next, and how long it may take."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Self

from services.directory.adapters.ldap_plan import Endpoint

_REST_SECONDS = 30.0
"""How long a server that failed is left alone while there are others."""
_LAST_REST_SECONDS = 3.0
"""How long it is left alone if all of them failed: nobody waits for one that has just been tried in vain."""
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


class Ring:
    """Servers in the order of the settings, but for those that failed a while ago."""

    def __init__(self, servers: Sequence[Endpoint], clock: Monotonic) -> None:
        """All are thought to be well."""
        self._servers = servers
        self._clock = clock
        self._failed: dict[Endpoint, float] = {}

    def candidates(self) -> list[Endpoint]:
        """Whom to ask, in order; nobody, if all failed a moment ago.

        A server that is tried again after a rest counts as failed until it answers, so that only one caller waits for it.
        """
        now = self._clock()
        chosen = self._rested(now, _REST_SECONDS) or self._rested(now, _LAST_REST_SECONDS)
        self._failed |= {server: now for server in chosen if server in self._failed}
        return chosen

    def _rested(self, now: float, seconds: float) -> list[Endpoint]:
        return [server for server in self._servers if now - self._failed.get(server, float("-inf")) >= seconds]

    def note_answer(self, server: Endpoint) -> None:
        """It is well."""
        self._failed.pop(server, None)

    def note_failure(self, server: Endpoint) -> None:
        """It is not."""
        self._failed[server] = self._clock()


def addresses(server: Endpoint, seconds: float) -> list[str]:
    """The addresses behind a server's name, each once.

    The system's resolver knows no deadline, so it is asked on a thread (a green one, if threads are green) that is not waited
    for any longer.

    Raises:
        OSError: if the name is not known (`socket.gaierror`), or there was no answer in time (`TimeoutError`).
    """
    answers: queue.Queue[list[str] | OSError] = queue.Queue()
    threading.Thread(target=_look_up, args=(server, answers.put), daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer to where {server.host} is") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _look_up(server: Endpoint, tell: Callable[[list[str] | OSError], None]) -> None:
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except UnicodeError:
        tell(OSError(f"{server.host} can be no name of a host"))
    except OSError as error:
        tell(error)
    else:
        tell(list(dict.fromkeys(str(place[4][0]) for place in found)))
