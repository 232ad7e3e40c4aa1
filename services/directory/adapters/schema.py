"""The tables of the directory service. Times are text of one length in UTC, so that they sort."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData, String, Table, Text

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
)
