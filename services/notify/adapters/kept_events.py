"""Events that could be told, kept for a time, within the transactions of others."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from services.notify.adapters.schema import EVENTS
from services.notify.domain.channels import Told
from shared.core.times import to_text, to_time


def keep(connection: Connection, told: Told) -> bool:
    """Keep an event; False if it is kept already."""
    inserting = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(EVENTS)
    row = {
        "event_id": told.event_id,
        "event_type": told.event_type,
        "time": to_text(told.time),
        "instance": told.instance,
        "data": json.dumps(dict(told.data)),
    }
    return connection.execute(inserting.values(row).on_conflict_do_nothing().returning(EVENTS.c.event_id)).first() is not None


def between(connection: Connection, since: dt.datetime, until: dt.datetime, limit: int) -> Sequence[Told]:
    """Events of that time, oldest first."""
    wanted = select(EVENTS).where(EVENTS.c.time >= to_text(since), EVENTS.c.time < to_text(until))
    return [_told(row) for row in connection.execute(wanted.order_by(EVENTS.c.time, EVENTS.c.event_id).limit(limit))]


def find(connection: Connection, event_id: str) -> Told | None:
    """One event; none if it is forgotten."""
    row = connection.execute(select(EVENTS).where(EVENTS.c.event_id == event_id)).first()
    return _told(row) if row else None


def _told(row: Any) -> Told:
    return Told(row.event_id, row.event_type, to_time(row.time), row.instance, json.loads(row.data))


def prune(connection: Connection, before: dt.datetime, most: int, portion: int) -> int:
    """Forget some of those from before that time, or of the oldest, if there are more than `most`; how many."""
    oldest = select(EVENTS.c.event_id).order_by(EVENTS.c.time, EVENTS.c.event_id)
    number = connection.execute(_forget(oldest.where(EVENTS.c.time < to_text(before)).limit(portion))).rowcount
    too_many = (connection.scalar(select(func.count()).select_from(EVENTS)) or 0) - most
    if too_many > 0 and number < portion:
        number += connection.execute(_forget(oldest.limit(min(too_many, portion - number)))).rowcount
    return number


def _forget(event_ids: Any) -> Any:
    return delete(EVENTS).where(EVENTS.c.event_id.in_(event_ids))
