"""Sessions: what a login opens, kept on the server. The cookie's text is known to the browser alone; here is its SHA-256."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from services.directory.domain.people import Person
from services.directory.domain.tokens import REFUSAL
from shared.core.errors import Unauthenticated

NOTE_INTERVAL = dt.timedelta(seconds=30)
"""How often the last use of a session is written at most; the idle limit is longer."""
MAX_AGENT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Session:
    """One login."""

    session_id: str
    """Names it in lists; opens nothing."""
    person_id: str
    sha256: str
    epoch: int
    """That of the person whose password was right."""
    created: dt.datetime
    last_used: dt.datetime
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lasts."""

    idle: dt.timedelta
    absolute: dt.timedelta

    def ends(self, session: Session) -> dt.datetime:
        """When it ends if it is not used again."""
        return min(session.last_used + self.idle, session.created + self.absolute)

    def is_open(self, session: Session, person: Person, now: dt.datetime) -> bool:
        """True if it opens anything at `now`: its person is there, nothing ended all of theirs, and its time is not over."""
        return person.is_active and session.epoch == person.epoch and now < self.ends(session)

    def check(self, found: tuple[Session, Person] | None, now: dt.datetime) -> tuple[Session, Person]:
        """What was found, if it opens anything.

        Raises:
            Unauthenticated: in one constant sentence, whatever is wrong with it.
        """
        if found is None or not self.is_open(*found, now):
            raise Unauthenticated(REFUSAL)
        return found
