"""Alarms of one service, kept in its own database: a restart neither raises them again nor forgets to clear them.

What is told is written to the outbox in the transaction that remembers it. Several processes of a service may look: one after the other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, Text, delete, select

from shared.contracts.events import AlarmClearedV1, AlarmRaisedV1, Event
from shared.core.alarms import Alarm, AlarmKind, Changed, Condition, Key, Patience, Severity, Turn, what_changed
from shared.core.times import to_text, to_text_or_none, to_time, to_time_or_none
from shared.runtime.database import Database, replace_rows
from shared.runtime.logging import get_logger
from shared.runtime.outbox import Outbox

log = get_logger(__name__)


def alarms_table(metadata: MetaData) -> Table:
    """The table, the same in every service that has alarms."""
    return Table(
        "alarms",
        metadata,
        Column("kind", String(60), primary_key=True),
        Column("about", String(120), primary_key=True),
        Column("severity", String(20), nullable=False),
        Column("detail", Text, nullable=False),
        Column("mark", String(60), nullable=False),
        Column("since", String(32), nullable=False),
        Column("seen", String(32), nullable=False),
        Column("told", String(32)),
        Column("repeated", Integer, nullable=False),
        Column("gone", String(32)),
    )


class SqlAlarmBook:
    """`AlarmBook` on SQLAlchemy."""

    def __init__(self, service: str, database: Database, table: Table, outbox: Outbox, patience: Patience) -> None:
        """`table` is `alarms_table` of the service's metadata; `service` is what the events name."""
        self._service = service
        self._database = database
        self._table = table
        self._outbox = outbox
        self._patience = patience

    def begin(self) -> None:
        """At a start: forget what was only suspected, as nobody looked meanwhile; what was raised stays."""
        with self._database.write(alone=True) as connection:
            connection.execute(delete(self._table).where(self._table.c.told.is_(None)))

    def note(self, kinds: Collection[AlarmKind], found: Collection[Condition], now: dt.datetime) -> None:
        """See `AlarmBook`. Looks before it locks, as there is mostly nothing to write."""
        with self._database.read() as connection:
            if not self._judged(connection, kinds, found, now):
                return
        with self._database.write(alone=True) as connection:
            changed = self._judged(connection, kinds, found, now)
            before = self._known(connection, kinds)
            for key, (alarm, turn) in changed.items():
                self._write(connection, key, alarm)
                last = alarm or before[key]
                if turn is not None:
                    self._outbox.add(connection, told(self._service, last, turn))
        self._outbox.ring()
        for key, (alarm, turn) in changed.items():
            if turn is not None:
                log.warning("alarm", turn=turn.value, kind=key[0], about=key[1], detail=(alarm or before[key]).detail)

    def present(self) -> Sequence[Alarm]:
        """See `AlarmBook`."""
        known = self._table.c.kind.in_([kind.value for kind in AlarmKind])  # a newer process of the service may have others
        query = select(self._table).where(self._table.c.told.is_not(None), known).order_by(self._table.c.since, *self._table.primary_key)
        with self._database.read() as connection:
            return [_alarm_of(row) for row in connection.execute(query)]

    def _known(self, connection: Connection, kinds: Collection[AlarmKind]) -> Mapping[Key, Alarm]:
        rows = connection.execute(select(self._table).where(self._table.c.kind.in_([kind.value for kind in kinds])))
        return {alarm.key: alarm for alarm in map(_alarm_of, rows)}

    def _judged(self, connection: Connection, kinds: Collection[AlarmKind], found: Collection[Condition], now: dt.datetime) -> Changed:
        return what_changed(self._known(connection, kinds), found, now, self._patience)

    def _write(self, connection: Connection, key: Key, alarm: Alarm | None) -> None:
        if alarm is None:
            this = (self._table.c.kind == key[0], self._table.c.about == key[1])
            connection.execute(delete(self._table).where(*this))
        else:
            replace_rows(connection, self._table, ("kind", "about"), [_row_of(alarm)])


def told(service: str, alarm: Alarm, turn: Turn) -> Event:
    """The event that tells it."""
    about = {"service": service, "kind": alarm.kind.value, "about": alarm.about, "severity": alarm.severity.value}
    said: dict[str, Any] = about | {"since": alarm.since, "detail": alarm.detail, "repeated": alarm.repeated}
    return AlarmClearedV1(**said) if turn is Turn.CLEARED else AlarmRaisedV1(**said)


def _row_of(alarm: Alarm) -> dict[str, Any]:
    return {
        "kind": alarm.kind.value,
        "about": alarm.about,
        "severity": alarm.severity.value,
        "detail": alarm.detail,
        "mark": alarm.mark,
        "since": to_text(alarm.since),
        "seen": to_text(alarm.seen),
        "told": to_text_or_none(alarm.told),
        "repeated": alarm.repeated,
        "gone": to_text_or_none(alarm.gone),
    }


def _alarm_of(row: Any) -> Alarm:
    return Alarm(
        AlarmKind(row.kind),
        row.about,
        Severity(row.severity),
        row.detail,
        to_time(row.since),
        row.mark,
        to_time(row.seen),
        to_time_or_none(row.told),
        row.repeated,
        to_time_or_none(row.gone),
    )
