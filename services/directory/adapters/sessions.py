"""Sessions, failed attempts to log in, and grants for groups, in a database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from services.directory.adapters.rows import (
    failures_of,
    failures_row,
    group_grant_of,
    group_grant_row,
    person_of,
    session_of,
    session_row,
)
from services.directory.adapters.schema import ATTEMPTS, GROUP_GRANTS, PEOPLE, SESSIONS
from services.directory.domain.groups import GroupGrant
from services.directory.domain.people import Person
from services.directory.domain.sessions import Session
from services.directory.domain.throttle import FORGOTTEN_AFTER, Failures, Rule
from shared.core.times import to_text
from shared.runtime.database import Database, replace_row


class DatabaseSessions:
    """`Sessions` by SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        """`database` is migrated."""
        self._database = database

    def add(self, session: Session, created_before: dt.datetime, used_before: dt.datetime) -> None:
        """Keep a new session, and remove those whose time is over."""
        over = or_(SESSIONS.c.created < to_text(created_before), SESSIONS.c.last_used < to_text(used_before))
        with self._database.write() as connection:
            connection.execute(delete(SESSIONS).where(over))
            connection.execute(insert(SESSIONS).values(session_row(session)))

    def find(self, sha256: str) -> tuple[Session, Person] | None:
        """The session with this SHA-256, and whose it is."""
        with self._database.read() as connection:
            row = connection.execute(select(SESSIONS).where(SESSIONS.c.sha256 == sha256)).one_or_none()
            if row is None:
                return None
            owner = connection.execute(select(PEOPLE).where(PEOPLE.c.person_id == row.person_id)).one_or_none()
        return (session_of(row), person_of(owner)) if owner else None

    def note_use(self, session_id: str, when: dt.datetime) -> None:
        """Write when a session was last used, if that is later than what is there."""
        this_one = update(SESSIONS).where(SESSIONS.c.session_id == session_id, SESSIONS.c.last_used < to_text(when))
        with self._database.write() as connection:
            connection.execute(this_one.values(last_used=to_text(when)))

    def of(self, person_id: str) -> Sequence[Session]:
        """All sessions of a person, newest first."""
        theirs = select(SESSIONS).where(SESSIONS.c.person_id == person_id).order_by(SESSIONS.c.created.desc(), SESSIONS.c.session_id)
        with self._database.read() as connection:
            return [session_of(row) for row in connection.execute(theirs)]

    def end(self, person_id: str, session_id: str) -> bool:
        """Remove a session of this person."""
        this_one = delete(SESSIONS).where(SESSIONS.c.person_id == person_id, SESSIONS.c.session_id == session_id)
        with self._database.write() as connection:
            return bool(connection.execute(this_one).rowcount)

    def count(self) -> int:
        """How many there are."""
        with self._database.read() as connection:
            return connection.scalar(select(func.count()).select_from(SESSIONS)) or 0


class DatabaseAttempts:
    """`Attempts` by SQLAlchemy. One at a time, whoever counts: so no two see the same free attempt."""

    def __init__(self, database: Database) -> None:
        """`database` is migrated."""
        self._database = database

    def begin(self, rules: Mapping[str, Rule], now: dt.datetime) -> dt.timedelta:
        """Count an attempt as failed under every key, or say how long to wait."""
        with self._database.write(alone=True) as connection:
            known = {key: _known(connection, key) for key in rules}
            wait = max(rule.wait(known[key], now) for key, rule in rules.items())
            if not wait:
                connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.last < to_text(now - FORGOTTEN_AFTER)))
                for key, rule in rules.items():
                    replace_row(connection, ATTEMPTS, "key", failures_row(key, rule.after_failure(known[key], now)))
        return wait

    def wait(self, rules: Mapping[str, Rule], now: dt.datetime) -> dt.timedelta:
        """How long an attempt would have to wait."""
        with self._database.read() as connection:
            return max(rule.wait(_known(connection, key), now) for key, rule in rules.items())

    def forget(self, key: str) -> None:
        """Remember nothing under this key."""
        with self._database.write() as connection:
            connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.key == key))

    def give_back(self, rules: Mapping[str, Rule]) -> None:
        """One attempt under these keys did not fail."""
        with self._database.write(alone=True) as connection:
            for key, rule in rules.items():
                known = _known(connection, key)
                if known is not None:
                    replace_row(connection, ATTEMPTS, "key", failures_row(key, rule.after_success(known)))


def _known(connection: Connection, key: str) -> Failures | None:
    row = connection.execute(select(ATTEMPTS).where(ATTEMPTS.c.key == key)).one_or_none()
    return failures_of(row) if row else None


class DatabaseGroupGrants:
    """`GroupGrants` by SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        """`database` is migrated."""
        self._database = database

    def all(self) -> Sequence[GroupGrant]:
        """All of them, by group."""
        with self._database.read() as connection:
            found = [group_grant_of(row) for row in connection.execute(select(GROUP_GRANTS))]
        return sorted(found, key=lambda granted: (granted.key, granted.grant_id))

    def add(self, granted: GroupGrant) -> None:
        """Keep a new one."""
        with self._database.write() as connection:
            connection.execute(insert(GROUP_GRANTS).values(group_grant_row(granted)))

    def remove(self, grant_id: str) -> bool:
        """Forget one."""
        with self._database.write() as connection:
            return bool(connection.execute(delete(GROUP_GRANTS).where(GROUP_GRANTS.c.grant_id == grant_id)).rowcount)
