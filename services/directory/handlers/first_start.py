"""What the directory does at its very first start."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from services.directory.domain.people import FIRST_NAME, Credentials, Person, administrator
from services.directory.domain.tokens import Token, fingerprint, new_token_text
from services.directory.ports import HandOver, Passwords, Register

_PASSWORD_BYTES = 18


@dataclass
class FirstStart:
    """Makes the first administrator, once."""

    register: Register
    hand_over: HandOver
    passwords: Passwords
    clock: Callable[[], dt.datetime]

    def run(self) -> bool:
        """Make the first administrator if there are no people; True if one was made.

        The credentials are handed over before the commit. A crash in between leaves credentials that open nothing, and the
        next start makes and hands over others; the other order could lock everybody out.
        """
        if self.register.has_people():
            return False
        credentials = Credentials(FIRST_NAME, secrets.token_urlsafe(_PASSWORD_BYTES), new_token_text())
        person, token = self._first(credentials)
        return self.register.add_first(person, token, lambda: self.hand_over.write(credentials))

    def _first(self, credentials: Credentials) -> tuple[Person, Token]:
        now, name = self.clock(), credentials.user
        person = administrator(str(uuid.uuid4()), name, self.passwords.hash(credentials.password), now)
        return person, Token(str(uuid.uuid4()), name, person.person_id, fingerprint(credentials.token), name, now)
