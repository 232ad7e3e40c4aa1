"""Digests in a database, within the transactions of others: which deliveries go out together, and what was written of them.

::

    delivery, digest_id none ──claimed──▶ gathered: it and all others of its subscription that wait, one digest_id, one next_attempt
                                          and, in the same transaction, the digest: a row with the message
    gathered ──a try──▶ all of them are what the try made of them
    gathered, each try certainly not taken ──another digest arrives──▶ digest_id none: all that waited through an outage is one mail

A digest that was not written does not exist: whoever dies before has gathered nothing.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection, and_, delete, exists, insert, select, update

from services.notify.adapters.rows import delivery_of
from services.notify.adapters.schema import DELIVERIES, DIGESTS
from services.notify.domain.channels import Message
from services.notify.domain.channels.unshaped import told_of
from services.notify.domain.deliveries import Claim, Delivery, DeliveryState
from services.notify.domain.digests import Digest, in_full
from shared.core.times import to_text, to_text_or_none


def frozen(connection: Connection, delivery: Delivery) -> Delivery:
    """A delivery with the message of its digest, if it is in one."""
    if delivery.digest_id is None:
        return delivery
    row = connection.execute(select(DIGESTS).where(DIGESTS.c.digest_id == delivery.digest_id)).one()
    return replace(delivery, message=Message(row.body, row.content_type))


def freeze(connection: Connection, claim: Claim, digest_id: str, write: Callable[[Digest], Message]) -> Claim:
    """Gather all that waits with a claim, and keep what `write` makes of it."""
    delivery = claim.delivery
    _gather(connection, delivery, digest_id)
    message = write(_digest(connection, digest_id))
    row = {"digest_id": digest_id, "subscription_id": delivery.subscription_id, "created": to_text(claim.time)}
    written = {"body": message.content, "content_type": message.content_type, "untaken": delivery.attempts - 1}
    connection.execute(insert(DIGESTS).values(row | written))
    return replace(claim, delivery=replace(delivery, message=message, digest_id=digest_id))


def count_untaken(connection: Connection, digest_id: str) -> None:
    """A try of this one was certainly not taken."""
    this_one = DIGESTS.c.digest_id == digest_id
    connection.execute(update(DIGESTS).where(this_one).values(untaken=DIGESTS.c.untaken + 1))


def thaw(connection: Connection, subscription_id: str, now: dt.datetime) -> None:
    """Have deliveries of digests that were certainly never taken gathered anew, now and from the first try on: mail gets through again."""
    never = select(DIGESTS.c.digest_id).where(DIGESTS.c.subscription_id == subscription_id, DIGESTS.c.untaken == DELIVERIES.c.attempts)
    these = and_(
        DELIVERIES.c.subscription_id == subscription_id,
        DELIVERIES.c.state == DeliveryState.WAITING.value,
        DELIVERIES.c.digest_id.in_(never),
    )
    connection.execute(update(DELIVERIES).where(these).values(digest_id=None, attempts=0, next_attempt=to_text(now)))


def _gather(connection: Connection, delivery: Delivery, digest_id: str) -> None:
    waiting = and_(
        DELIVERIES.c.subscription_id == delivery.subscription_id,
        DELIVERIES.c.state == DeliveryState.WAITING.value,
        DELIVERIES.c.digest_id.is_(None),
    )
    together = {"digest_id": digest_id, "attempts": delivery.attempts, "next_attempt": to_text_or_none(delivery.next_attempt)}
    connection.execute(update(DELIVERIES).where(waiting).values(together))


def _digest(connection: Connection, digest_id: str) -> Digest:
    these = DELIVERIES.c.digest_id == digest_id
    columns = (DELIVERIES.c.delivery_id, DELIVERIES.c.event_type)
    rows = connection.execute(select(*columns).where(these).order_by(DELIVERIES.c.created, DELIVERIES.c.event_id)).all()
    chosen = in_full([(row.delivery_id, row.event_type) for row in rows])
    found = connection.execute(select(DELIVERIES).where(DELIVERIES.c.delivery_id.in_(chosen)))
    tolds = {row.delivery_id: told_of(delivery_of(row).message) for row in found}
    first = [tolds[one] for one in chosen]
    return Digest(digest_id, first[0].instance, first, Counter(row.event_type for row in rows))


def prune(connection: Connection, before: dt.datetime, most: int) -> int:
    """Forget some of those of which no delivery is left; how many."""
    used = exists().where(DELIVERIES.c.digest_id == DIGESTS.c.digest_id)
    unused = select(DIGESTS.c.digest_id).where(DIGESTS.c.created < to_text(before), ~used).limit(most)
    return connection.execute(delete(DIGESTS).where(DIGESTS.c.digest_id.in_(unused))).rowcount
