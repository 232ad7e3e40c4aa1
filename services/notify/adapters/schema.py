"""The tables of the notify service. Times are text of one length in UTC, so that they sort."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text, UniqueConstraint

from shared.runtime.alarms import alarms_table
from shared.runtime.outbox import outbox_table
from shared.runtime.secret_columns import EncryptedText

METADATA = MetaData()

SUBSCRIPTIONS = Table(
    "subscriptions",
    METADATA,
    Column("subscription_id", String(36), primary_key=True),
    Column("kind", String(20), nullable=False, server_default="webhook"),
    Column("settings", Text, nullable=False, server_default="{}"),
    Column("encrypted_secret", EncryptedText, nullable=False, server_default=""),
    Column("events", Text, nullable=False),
    Column("filters", Text, nullable=False, server_default="{}"),
    Column("within", Text),
    Column("created_by", String(120), nullable=False),
    Column("owner_id", String(36)),
    Column("description", String(200), nullable=False, server_default=""),
    Column("created", String(32), nullable=False),
    Column("changed", String(32)),
    Column("state", String(20), nullable=False),
    Column("reason", String(40)),
    Column("since", String(32)),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("failing_since", String(32)),
    Column("rests_until", String(32)),
    Column("next_due", String(32)),
    Column("lease_until", String(32)),
    Column("fence", Integer, nullable=False, server_default="0"),
    Index("subscriptions_by_due", "state", "next_due"),
)
"""`next_due` is when the first of its waiting deliveries may be tried, and none if there is none: by it a claim is found."""

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("delivery_id", String(36), primary_key=True),
    Column("subscription_id", ForeignKey("subscriptions.subscription_id", ondelete="CASCADE"), nullable=False),
    Column("event_id", String(36), nullable=False),
    Column("event_type", String(80), nullable=False),
    Column("kind", String(20), nullable=False, server_default="webhook"),
    Column("body", LargeBinary, nullable=False),
    Column("content_type", String(120), nullable=False, server_default="application/json"),
    Column("created", String(32), nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", String(32)),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("digest_id", String(36)),
    UniqueConstraint("subscription_id", "event_id"),
    Index("deliveries_by_state", "state", "created"),
    Index("deliveries_by_receiver", "subscription_id", "created"),
    Index("deliveries_by_subscription", "subscription_id", "state", "next_attempt"),
    Index("deliveries_by_created", "created"),
    Index("deliveries_by_digest", "digest_id"),
)

DIGESTS = Table(
    "digests",
    METADATA,
    Column("digest_id", String(36), primary_key=True),
    Column("subscription_id", ForeignKey("subscriptions.subscription_id", ondelete="CASCADE"), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("content_type", String(120), nullable=False),
    Column("created", String(32), nullable=False),
    Column("untaken", Integer, nullable=False, server_default="-1"),
    Index("digests_by_subscription", "subscription_id"),
    Index("digests_by_created", "created"),
)
"""Messages that tell of several deliveries, frozen before the first try. `untaken` is as many as the tries, if each was certainly refused:
a try that was lost, or whose worker died, is counted among the tries alone."""

ATTEMPTS = Table(
    "attempts",
    METADATA,
    Column("attempt_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("delivery_id", ForeignKey("deliveries.delivery_id", ondelete="CASCADE"), nullable=False),
    Column("time", String(32), nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("status", Integer),
    Column("error", Text),
    Column("answer", Text, nullable=False),
    Index("attempts_by_delivery", "delivery_id"),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("event_id", String(36), primary_key=True),
    Column("event_type", String(80), nullable=False),
    Column("time", String(32), nullable=False),
    Column("instance", Text, nullable=False),
    Column("data", Text, nullable=False),
    Index("events_by_time", "time"),
)
"""What could be told, kept for a time: from it a subscription gets what it missed."""

TEMPLATES = Table(
    "templates",
    METADATA,
    Column("kind", String(20), primary_key=True),
    Column("source", Text, nullable=False),
    Column("changed", String(32), nullable=False),
    Column("changed_by", String(120), nullable=False),
)
"""What administrators made of the built-in templates, by the kind of channel."""

alarms = alarms_table(METADATA)

outbox = outbox_table(METADATA)
