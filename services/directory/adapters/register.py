"""People and tokens in a database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from services.directory.adapters.rows import row_of, token_of
from services.directory.adapters.schema import PEOPLE, TOKENS
from services.directory.domain.people import Person
from services.directory.domain.tokens import Token
from shared.core.times import to_text
from shared.runtime.database import Database


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
                connection.execute(insert(PEOPLE).values(row_of(person)))
                connection.execute(insert(TOKENS).values(row_of(token)))
                hand_over()
        except IntegrityError:
            return False
        return True

    def find_token(self, sha256: str) -> Token | None:
        """The token with this SHA-256."""
        with self._database.read() as connection:
            row = connection.execute(select(TOKENS).where(TOKENS.c.sha256 == sha256)).one_or_none()
        return token_of(row) if row else None

    def tokens(self) -> Sequence[Token]:
        """All tokens, newest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(TOKENS).order_by(TOKENS.c.created.desc(), TOKENS.c.token_id)).all()
        return [token_of(row) for row in rows]

    def add_token(self, token: Token) -> None:
        """Keep a new token."""
        with self._database.write() as connection:
            connection.execute(insert(TOKENS).values(row_of(token)))

    def note_use(self, token_id: str, when: dt.datetime) -> None:
        """Write when a token was last used, if that is later than what is there."""
        earlier = or_(TOKENS.c.last_used.is_(None), TOKENS.c.last_used < to_text(when))
        with self._database.write() as connection:
            connection.execute(update(TOKENS).where(TOKENS.c.token_id == token_id, earlier).values(last_used=to_text(when)))

    def revoke_token(self, token_id: str, when: dt.datetime, check: Callable[[Sequence[Token]], None]) -> None:
        """Revoke a token, unless `check`, which sees all tokens under lock, raises."""
        with self._database.write() as connection:
            check([token_of(row) for row in connection.execute(select(TOKENS).with_for_update())])
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
