"""Checkpoints and receipts in the database; envelopes as base64."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Table, insert, select

from services.directory.adapters.schema import AUDIT_CHECKPOINTS, AUDIT_RECEIPTS
from services.directory.domain.checkpoints import KeptCheckpoint, KeptReceipt
from shared.core.audit_chain import Position
from shared.core.times import to_text, to_time
from shared.runtime.database import Database, replace_rows

_LAST = select(AUDIT_CHECKPOINTS).order_by(AUDIT_CHECKPOINTS.c.number.desc()).limit(1)


class DatabaseCheckpoints:
    """`Checkpoints` by SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        """`database` is migrated; it is that of the audit log, because the same lock keeps both still."""
        self._database = database

    def add(self, make: Callable[[KeptCheckpoint | None], KeptCheckpoint | None]) -> KeptCheckpoint | None:
        """Keep what `make` makes of the last one."""
        with self._database.write(alone=True) as connection:
            row = connection.execute(_LAST).first()
            made = make(_checkpoint_of(row) if row else None)
            if made is not None:
                connection.execute(insert(AUDIT_CHECKPOINTS).values(_row(made) | {"signer": made.signer}))
        return made

    def latest(self) -> KeptCheckpoint | None:
        """The one with the greatest number."""
        with self._database.read() as connection:
            row = connection.execute(_LAST).first()
        return _checkpoint_of(row) if row else None

    def among(self, first: int, last: int | None) -> Sequence[KeptCheckpoint]:
        """Those of these entries, in their order."""
        return [_checkpoint_of(row) for row in self._rows(AUDIT_CHECKPOINTS, first, last)]

    def add_receipt(self, receipt: KeptReceipt) -> None:
        """Keep a receipt."""
        with self._database.write() as connection:
            replace_rows(connection, AUDIT_RECEIPTS, ("number", "peer_id"), [_row(receipt) | {"peer_id": receipt.peer_id}])

    def receipts(self, first: int, last: int | None) -> Sequence[KeptReceipt]:
        """Those of these entries, in their order."""
        return [
            KeptReceipt(row.peer_id, Position(row.number, row.hash), to_time(row.time), _bytes(row.envelope))
            for row in self._rows(AUDIT_RECEIPTS, first, last)
        ]

    def _rows(self, table: Table, first: int, last: int | None) -> Sequence[Any]:
        meant = [table.c.number >= first, *([] if last is None else [table.c.number <= last])]
        with self._database.read() as connection:
            return connection.execute(select(table).where(*meant).order_by(table.c.number)).all()


def _row(kept: KeptCheckpoint | KeptReceipt) -> dict[str, Any]:
    envelope = base64.b64encode(kept.envelope).decode()
    return {"number": kept.at.number, "hash": kept.at.hash, "time": to_text(kept.time), "envelope": envelope}


def _checkpoint_of(row: Any) -> KeptCheckpoint:
    return KeptCheckpoint(Position(row.number, row.hash), to_time(row.time), row.signer, _bytes(row.envelope))


def _bytes(text: str) -> bytes:
    """An envelope; what somebody made unreadable is none, and is told as that."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
