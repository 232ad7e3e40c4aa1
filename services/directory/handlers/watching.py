"""Alarms of directory: API tokens that end soon, and the certificates by which it trusts others."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from services.directory.domain.people import Person
from services.directory.domain.tokens import Token
from services.directory.ports import Register
from shared.core.alarms import AlarmBook, AlarmKind, Condition
from shared.core.times import rfc3339_or_none
from shared.core.watching import Look, Watching


@dataclass
class WatchingHandlers(Watching):
    """Looks at what is there, and remembers what is the matter."""

    tokens: Register
    certificates: Look
    alarms: AlarmBook
    clock: Callable[[], dt.datetime]
    warning: dt.timedelta

    def looks(self) -> Mapping[AlarmKind, Look]:
        """Two kinds."""
        return {AlarmKind.TOKEN_EXPIRING: self._tokens, AlarmKind.CERTIFICATE_EXPIRING: self.certificates}

    def _tokens(self, now: dt.datetime) -> Iterator[Condition]:
        for token, person in self.tokens.ending(now, now + self.warning):
            severity = token.nearing_its_end(now, self.warning) if person.is_active else None
            if severity:
                yield Condition(AlarmKind.TOKEN_EXPIRING, token.token_id, severity, _ending(token, person))


def _ending(token: Token, person: Person) -> str:
    return f"the API token {token.name} of {person.name} ends at {rfc3339_or_none(token.expires)}, and is in use"
