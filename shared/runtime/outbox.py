"""The outbox: the fact is committed with the change, and rung afterwards until the broker has it.

A service adds events to its outbox table in the transaction of the change. After the commit the relay publishes them, in
order, with confirms; a relay that fails tries again at the next sweep. An event may be published twice, never not at all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, Text, delete, insert, select

from shared.contracts.events import Envelope, Event
from shared.core.errors import ServiceUnavailable
from shared.runtime.bus.dispatcher import publish_event
from shared.runtime.bus.publisher import Publisher
from shared.runtime.database import Database
from shared.runtime.logging import correlation_id, get_logger
from shared.runtime.loops import Loop

log = get_logger(__name__)
_BATCH = 100


def outbox_table(metadata: MetaData) -> Table:
    """The table, the same in every service that has an outbox."""
    return Table(
        "outbox",
        metadata,
        Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("event_id", String(36), nullable=False, unique=True),
        Column("type", String(80), nullable=False),
        Column("envelope", Text, nullable=False),
        Column("created", String(32), nullable=False),
    )


class Outbox:
    """Events of one service that are committed and not yet on the bus."""

    def __init__(self, database: Database, table: Table, publisher: Publisher) -> None:
        """`table` is `outbox_table` of the service's metadata."""
        self._database = database
        self._table = table
        self._publisher = publisher
        self._ring: Callable[[], None] = _nobody

    def as_loop(self, interval_seconds: float) -> Loop:
        """The relay as background work of the service: rung after each commit, and looking by itself now and then."""
        loop = Loop("outbox", self._relay_step, interval_seconds)
        self._ring = loop.ring
        return loop

    def _relay_step(self) -> bool:
        self.relay()
        return False

    def add(self, connection: Connection, *events: Event) -> None:
        """Write events in the caller's transaction."""
        for event in events:
            envelope = Envelope.around(event, correlation_id())
            connection.execute(
                insert(self._table).values(
                    event_id=envelope.id,
                    type=envelope.type,
                    envelope=envelope.model_dump_json(),
                    created=dt.datetime.now(dt.UTC).isoformat(),
                )
            )

    def ring(self) -> None:
        """Say that a transaction with events was committed."""
        self._ring()

    def waiting(self) -> int:
        """How many events wait for the broker."""
        with self._database.read() as connection:
            return len(connection.execute(select(self._table.c.number)).all())

    def relay(self) -> int:
        """Publish what waits, oldest first; stop at the first that the broker does not take. Returns how many went."""
        sent = 0
        while True:
            with self._database.read() as connection:
                rows = connection.execute(select(self._table).order_by(self._table.c.number).limit(_BATCH)).all()
            if not rows:
                return sent
            for row in rows:
                try:
                    publish_event(self._publisher, Envelope.model_validate_json(row.envelope))
                except ServiceUnavailable as error:
                    log.warning("outbox_waits", type=row.type, error=str(error))
                    return sent
                with self._database.write() as connection:
                    connection.execute(delete(self._table).where(self._table.c.number == row.number))
                sent += 1


def _nobody() -> None:
    """There is no relay in this process."""
