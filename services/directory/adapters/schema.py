"""The tables of the directory service. Times are text of one length in UTC, so that they sort."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from shared.runtime.alarms import alarms_table
from shared.runtime.outbox import outbox_table

METADATA = MetaData()

PEOPLE = Table(
    "people",
    METADATA,
    Column("person_id", String(36), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("key", String(200), nullable=False, unique=True),
    Column("source", String(20), nullable=False),
    Column("grants", Text, nullable=False),
    Column("created", String(32), nullable=False),
    Column("password_hash", Text),
    Column("display_name", Text, nullable=False),
    Column("email", Text),
    Column("state", String(10), nullable=False),
    Column("groups", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("seen", String(32)),
    Column("last_login", String(32)),
    Column("subject", Text),
    Index("people_by_subject", "subject", unique=True),
)

TOKENS = Table(
    "tokens",
    METADATA,
    Column("token_id", String(36), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("person_id", String(36), nullable=False, index=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("created_by", String(120), nullable=False),
    Column("created", String(32), nullable=False),
    Column("grants", Text),
    Column("rights", Text),
    Column("expires", String(32)),
    Column("last_used", String(32)),
    Column("revoked", String(32)),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("session_id", String(36), primary_key=True),
    Column("person_id", String(36), nullable=False, index=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("epoch", Integer, nullable=False),
    Column("created", String(32), nullable=False),
    Column("last_used", String(32), nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", Text, nullable=False),
)

ATTEMPTS = Table(
    "attempts",
    METADATA,
    Column("key", String(80), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last", String(32), nullable=False),
    Column("blocked_until", String(32), nullable=False),
)

PENDING_LOGINS = Table(
    "pending_logins",
    METADATA,
    Column("state_sha256", String(64), primary_key=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("next_path", Text, nullable=False),
    Column("address", String(80), nullable=False),
    Column("created", String(32), nullable=False),
)

GROUP_GRANTS = Table(
    "group_grants",
    METADATA,
    Column("grant_id", String(36), primary_key=True),
    Column("group", Text, nullable=False),
    Column("grant", Text, nullable=False),
)

KEYED_REQUESTS = Table(
    "keyed_requests",
    METADATA,
    Column("request_id", String(36), primary_key=True),
    Column("person_id", String(36), nullable=False),
    Column("key_sha256", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("begun", String(32), nullable=False, index=True),
    Column("ended", String(32)),
    Column("status", Integer),
    Column("answer", Text),
    Column("secret", Boolean, nullable=False),
    UniqueConstraint("person_id", "key_sha256", name="keyed_requests_by_key"),
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

alarms = alarms_table(METADATA)

outbox = outbox_table(METADATA)
