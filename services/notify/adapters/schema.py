"""The tables of the notify service. Times are text of one length in UTC, so that they sort."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text, UniqueConstraint

from shared.runtime.secret_columns import EncryptedText

METADATA = MetaData()

SUBSCRIPTIONS = Table(
    "subscriptions",
    METADATA,
    Column("subscription_id", String(36), primary_key=True),
    Column("url", Text, nullable=False),
    Column("encrypted_secret", EncryptedText, nullable=False, server_default=""),
    Column("events", Text, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("created", String(32), nullable=False),
    Column("state", String(20), nullable=False),
)

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("delivery_id", String(36), primary_key=True),
    Column("subscription_id", ForeignKey("subscriptions.subscription_id", ondelete="CASCADE"), nullable=False),
    Column("event_id", String(36), nullable=False),
    Column("event_type", String(80), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created", String(32), nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", String(32)),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("lease_until", String(32)),
    Column("fence", Integer, nullable=False, default=0),
    UniqueConstraint("subscription_id", "event_id"),
    Index("deliveries_by_state", "state", "next_attempt"),
    Index("deliveries_by_created", "created"),
)
