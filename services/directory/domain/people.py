"""People, and the first of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from services.directory.domain.rights import Role

FIRST_NAME = "admin"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who may log in; the password is kept only as its hash."""

    person_id: str
    name: str
    role: Role
    password_hash: str
    created: dt.datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the first administrator is told, once. Never logged: its text form shows only the name."""

    user: str
    password: str
    token: str

    def __repr__(self) -> str:
        """The name alone, for logs and tracebacks."""
        return f"Credentials(user={self.user!r})"
