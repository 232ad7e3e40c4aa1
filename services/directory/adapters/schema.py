"""The tables of the directory service. Times are text of one length in UTC, so that they sort."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, String, Table, Text

METADATA = MetaData()

PEOPLE = Table(
    "people",
    METADATA,
    Column("person_id", String(36), primary_key=True),
    Column("name", String(120), nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created", String(32), nullable=False),
)

TOKENS = Table(
    "tokens",
    METADATA,
    Column("token_id", String(36), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("role", String(20), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created_by", String(120), nullable=False),
    Column("created", String(32), nullable=False),
    Column("expires", String(32)),
    Column("last_used", String(32)),
    Column("revoked", String(32)),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", String(36), nullable=False, unique=True),
    Column("type", String(80), nullable=False),
    Column("source", String(40), nullable=False),
    Column("time", String(32), nullable=False),
    Column("correlation_id", String(64), nullable=False),
    Column("person", Text),
    Column("subject", Text),
    Column("data", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("audit_by_time", "time"),
    Index("audit_by_type", "type", "number"),
    Index("audit_by_person", "person", "number"),
    Index("audit_by_subject", "subject", "number"),
    Index("audit_by_correlation_id", "correlation_id"),
)

AUDIT_CHECKPOINTS = Table(
    "audit_checkpoints",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False),
    Column("time", String(32), nullable=False),
    Column("signer", String(52), nullable=False),
    Column("envelope", Text, nullable=False),
)

AUDIT_RECEIPTS = Table(
    "audit_receipts",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("peer_id", String(52), primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("time", String(32), nullable=False),
    Column("envelope", Text, nullable=False),
)
