"""Log-ins that are under way, in a database."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from sqlalchemy import delete, func, insert, select

from services.directory.adapters.schema import PENDING_LOGINS
from services.directory.domain.pending_logins import MOST, MOST_FROM_ADDRESS, PendingLogin
from shared.core.times import to_text, to_time
from shared.runtime.database import Database


class DatabasePendingLogins:
    """`PendingLogins` by SQLAlchemy. One at a time, so that there are never more than there may be, and each is taken once."""

    def __init__(self, database: Database) -> None:
        """`database` is migrated."""
        self._database = database

    def add(self, login: PendingLogin, created_before: dt.datetime) -> bool:
        """Keep a new one, unless there are too many."""
        count = select(func.count()).select_from(PENDING_LOGINS)
        with self._database.write(alone=True) as connection:
            connection.execute(delete(PENDING_LOGINS).where(PENDING_LOGINS.c.created < to_text(created_before)))
            of_address = connection.scalar(count.where(PENDING_LOGINS.c.address == login.address)) or 0
            if of_address >= MOST_FROM_ADDRESS or (connection.scalar(count) or 0) >= MOST:
                return False
            connection.execute(insert(PENDING_LOGINS).values(dataclasses.asdict(login) | {"created": to_text(login.created)}))
        return True

    def take(self, state_sha256: str, secret_sha256: str, created_after: dt.datetime) -> PendingLogin | None:
        """Remove one, and return it if it is young enough."""
        this_one = (PENDING_LOGINS.c.state_sha256 == state_sha256) & (PENDING_LOGINS.c.secret_sha256 == secret_sha256)
        with self._database.write(alone=True) as connection:
            row = connection.execute(select(PENDING_LOGINS).where(this_one)).one_or_none()
            connection.execute(delete(PENDING_LOGINS).where(this_one))
        found = _login_of(row) if row else None
        return found if found is not None and found.created > created_after else None


def _login_of(row: Any) -> PendingLogin:
    fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(PendingLogin)}
    return PendingLogin(**fields | {"created": to_time(row.created)})
