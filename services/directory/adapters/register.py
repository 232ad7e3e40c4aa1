"""People and tokens in a database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from services.directory.adapters.rows import person_of, person_row, token_of, token_row
from services.directory.adapters.schema import PEOPLE, SESSIONS, TOKENS
from services.directory.domain.people import Everybody, Person
from services.directory.domain.tokens import Token
from shared.core.times import to_text
from shared.runtime.database import Database

_ALL_PEOPLE = select(PEOPLE).order_by(PEOPLE.c.key)
_ALL_TOKENS = select(TOKENS).order_by(TOKENS.c.created.desc(), TOKENS.c.token_id)


class DatabaseRegister:
    """`Register` by SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        """`database` is migrated."""
        self._database = database

    def has_people(self) -> bool:
        """True if anybody was ever added."""
        with self._database.read() as connection:
            return _has_people(connection)

    def add_first(self, person: Person, token: Token, hand_over: Callable[[], None]) -> bool:
        """Add the first person with a token; False if somebody was first, in this or another process."""
        try:
            with self._database.write() as connection:
                if _has_people(connection):
                    return False
                # PostgreSQL lets two transactions see an empty table: the unique name holds the second one here until the
                # first has ended, before anything is handed over.
                connection.execute(insert(PEOPLE).values(person_row(person)))
                connection.execute(insert(TOKENS).values(token_row(token)))
                hand_over()
        except IntegrityError:
            return False
        return True

    def people(self) -> Sequence[Person]:
        """All people, by name."""
        with self._database.read() as connection:
            return _people(connection)

    def person(self, person_id: str) -> Person | None:
        """A person by id."""
        with self._database.read() as connection:
            row = connection.execute(select(PEOPLE).where(PEOPLE.c.person_id == person_id)).one_or_none()
        return person_of(row) if row else None

    def named(self, key: str) -> Person | None:
        """Who has, or had, this name."""
        with self._database.read() as connection:
            row = connection.execute(select(PEOPLE).where(PEOPLE.c.key == key)).one_or_none()
        return person_of(row) if row else None

    def known_as(self, subject: str) -> Person | None:
        """Who has, or had, this subject outside."""
        with self._database.read() as connection:
            row = connection.execute(select(PEOPLE).where(PEOPLE.c.subject == subject)).one_or_none()
        return person_of(row) if row else None

    def add_person(self, person: Person) -> bool:
        """Keep somebody new; False if the name or the subject was ever given."""
        try:
            with self._database.write() as connection:
                connection.execute(insert(PEOPLE).values(person_row(person)))
        except IntegrityError:
            return False
        return True

    def change_person(self, person_id: str, when: dt.datetime, change: Callable[[Person, Everybody], Person]) -> Person:
        """Replace a person, and end what they must lose; alone, so that two administrators cannot shut out each other."""
        with self._database.write(alone=True) as connection:
            everybody = _everybody(connection)
            person = next(one for one in everybody.people if one.person_id == person_id)
            changed = change(person, everybody)
            if changed != person:
                connection.execute(update(PEOPLE).where(PEOPLE.c.person_id == person_id).values(person_row(changed)))
                connection.execute(delete(SESSIONS).where(SESSIONS.c.person_id == person_id, SESSIONS.c.epoch != changed.epoch))
            if changed.tokens_end:
                theirs = update(TOKENS).where(TOKENS.c.person_id == person_id, TOKENS.c.revoked.is_(None))
                connection.execute(theirs.values(revoked=to_text(when)))
        return changed

    def bearer(self, sha256: str) -> tuple[Token, Person] | None:
        """The token with this SHA-256, and whose it is."""
        with self._database.read() as connection:
            row = connection.execute(select(TOKENS).where(TOKENS.c.sha256 == sha256)).one_or_none()
            if row is None:
                return None
            owner = connection.execute(select(PEOPLE).where(PEOPLE.c.person_id == row.person_id)).one_or_none()
        return (token_of(row), person_of(owner)) if owner else None

    def tokens(self) -> Sequence[Token]:
        """All tokens, newest first."""
        with self._database.read() as connection:
            return _tokens(connection)

    def ending(self, after: dt.datetime, before: dt.datetime) -> Sequence[tuple[Token, Person]]:
        """Tokens that expire between these times, with whose they are."""
        meant = (TOKENS.c.revoked.is_(None), TOKENS.c.expires > to_text(after), TOKENS.c.expires <= to_text(before))
        with self._database.read() as connection:
            rows = connection.execute(select(TOKENS).where(*meant).order_by(TOKENS.c.expires, TOKENS.c.token_id)).all()
            theirs = select(PEOPLE).where(PEOPLE.c.person_id.in_({row.person_id for row in rows}))
            people = {row.person_id: person_of(row) for row in connection.execute(theirs)} if rows else {}
        return [(token_of(row), people[row.person_id]) for row in rows if row.person_id in people]

    def add_token(self, token: Token) -> None:
        """Keep a new token."""
        with self._database.write() as connection:
            connection.execute(insert(TOKENS).values(token_row(token)))

    def note_use(self, token_id: str, when: dt.datetime) -> None:
        """Write when a token was last used, if that is later than what is there."""
        earlier = or_(TOKENS.c.last_used.is_(None), TOKENS.c.last_used < to_text(when))
        with self._database.write() as connection:
            connection.execute(update(TOKENS).where(TOKENS.c.token_id == token_id, earlier).values(last_used=to_text(when)))

    def revoke_token(self, token_id: str, when: dt.datetime, check: Callable[[Everybody], None]) -> None:
        """Revoke a token, unless `check`, which sees everybody, raises."""
        with self._database.write(alone=True) as connection:
            check(_everybody(connection))
            this_one = update(TOKENS).where(TOKENS.c.token_id == token_id, TOKENS.c.revoked.is_(None))
            connection.execute(this_one.values(revoked=to_text(when)))

    def counts(self) -> dict[str, int]:
        """Numbers of people and tokens."""
        with self._database.read() as connection:
            return {
                "people": connection.scalar(select(func.count()).select_from(PEOPLE)) or 0,
                "tokens": connection.scalar(select(func.count()).select_from(TOKENS)) or 0,
            }


def _has_people(connection: Connection) -> bool:
    return bool(connection.scalar(select(exists().select_from(PEOPLE))))


def _people(connection: Connection) -> list[Person]:
    return [person_of(row) for row in connection.execute(_ALL_PEOPLE)]


def _tokens(connection: Connection) -> list[Token]:
    return [token_of(row) for row in connection.execute(_ALL_TOKENS)]


def _everybody(connection: Connection) -> Everybody:
    return Everybody(_people(connection), _tokens(connection))
