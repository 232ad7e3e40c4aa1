"""Further digests in the service's own database."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import insert, select, update

from services.storage.adapters.schema import further_digests
from services.storage.ports import Further
from shared.contracts.events import PackageDigestsWantedV1
from shared.core.times import to_text
from shared.runtime.database import Database
from shared.runtime.outbox import Outbox


class DatabaseDigests:
    """`DigestsKept` on SQLAlchemy."""

    def __init__(self, database: Database, outbox_of_service: Outbox) -> None:
        """The table is made by the migrations."""
        self._database, self._outbox = database, outbox_of_service

    def find(self, sha256: str) -> Further | None:
        """What is known of these bytes."""
        with self._database.read() as connection:
            row = connection.execute(select(further_digests).where(further_digests.c.sha256 == sha256)).first()
        return Further(row.md5, row.sha512) if row and row.sha512 else None

    def ask(self, wanted: PackageDigestsWantedV1, now: dt.datetime, not_since: dt.datetime) -> bool:
        """Write down that it is asked for, and have it said, in one transaction."""
        these = further_digests.c.sha256 == wanted.sha256
        with self._database.write(alone=True) as connection:
            row = connection.execute(select(further_digests).where(these)).first()
            if row and (row.sha512 or row.asked > to_text(not_since)):
                return False
            values = {"asked": to_text(now)}
            changing = update(further_digests).where(these) if row else insert(further_digests)
            connection.execute(changing.values(values if row else {"sha256": wanted.sha256, **values}))
            self._outbox.add(connection, wanted)
        self._outbox.ring()
        return True

    def keep(self, sha256: str, further: Further, now: dt.datetime) -> None:
        """Known from now on."""
        values = {"md5": further.md5, "sha512": further.sha512}
        with self._database.write(alone=True) as connection:
            changed = connection.execute(update(further_digests).where(further_digests.c.sha256 == sha256).values(values))
            if not changed.rowcount:
                connection.execute(insert(further_digests).values(sha256=sha256, asked=to_text(now), **values))
