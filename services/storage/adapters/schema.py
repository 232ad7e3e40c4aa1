"""Tables of the storage service. Times are RFC 3339 text in UTC with microseconds, which sorts as it should everywhere."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

from shared.runtime.outbox import outbox_table

metadata = MetaData()

uploads = Table(
    "uploads",
    metadata,
    Column("upload_id", String(36), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("size", BigInteger),
    Column("uploaded_by", String(120), nullable=False),
    Column("correlation_id", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    Column("changed", String(32), nullable=False),
    Column("state", String(20), nullable=False),
    Column("declared_sha256", String(64)),
    Column("bytes_hashed", BigInteger, nullable=False),
    Column("digests", Text),
    Column("package_id", String(36)),
    Column("error_code", String(60)),
    Column("error_reason", Text),
    Index("uploads_by_state", "state", "changed"),
)

packages = Table(
    "packages",
    metadata,
    Column("package_id", String(36), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("state", String(20), nullable=False),
    Column("correlation_id", String(64), nullable=False),
    Column("changed", String(32), nullable=False),
    Column("created", String(32), nullable=False),
    Column("received_from", String(60)),
    Column("published", String(32)),
    Column("error_code", String(60)),
    Column("error_reason", Text),
    Index("packages_by_name", "name", "package_id"),
    Index("packages_by_sha256", "sha256"),
    Index("packages_by_state", "state", "changed"),
)

feed = Table(
    "feed",
    metadata,
    Column("package_id", String(36), primary_key=True),
    Column("seq", BigInteger, nullable=False, unique=True),
    Column("revision", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
)

feed_state = Table(
    "feed_state",
    metadata,
    Column("one", Integer, primary_key=True),
    Column("epoch", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
)

hash_totals = Table(
    "hash_totals",
    metadata,
    Column("one", Integer, primary_key=True),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
)

outbox = outbox_table(metadata)
