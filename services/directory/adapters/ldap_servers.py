"""Several servers and little time: which is asked next."""

from __future__ import annotations

from collections.abc import Sequence

from services.directory.adapters.deadlines import Monotonic
from services.directory.adapters.ldap_plan import Endpoint

_REST_SECONDS = 30.0
"""How long a server that failed is left alone while there are others."""
_LAST_REST_SECONDS = 3.0
"""How long it is left alone if all of them failed: nobody waits for one that has just been tried in vain."""


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
