"""Tables of the replication service."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

from shared.runtime.outbox import outbox_table

metadata = MetaData()

peers = Table(
    "peers",
    metadata,
    Column("peer_id", String(60), primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("name", String(60), nullable=False),
    Column("url", String(500), nullable=False),
    Column("registered", String(32), nullable=False),
    Column("state", String(20), nullable=False),
    Column("last_contact", String(32)),
    Column("last_error", Text),
    Column("epoch", String(64)),
    Column("cursor", BigInteger, nullable=False),
    Column("next_poll", String(32)),
    Column("strikes", Integer, nullable=False),
    Column("banned_until", String(32)),
)

invitations = Table(
    "invitations",
    metadata,
    Column("lookup", String(64), primary_key=True),
    Column("proof_key", LargeBinary, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("expires", String(32), nullable=False),
    Column("wrong_proofs", Integer, nullable=False),
    Column("used_by", String(60)),
)

nonces = Table(
    "nonces",
    metadata,
    Column("sender", String(60), primary_key=True),
    Column("nonce", String(128), primary_key=True),
    Column("expires", BigInteger, nullable=False, index=True),
)

sources = Table(
    "sources",
    metadata,
    Column("package_id", String(36), primary_key=True),
    Column("peer_id", String(60), primary_key=True),
)

announcements = Table(
    "announcements",
    metadata,
    Column("peer_id", String(60), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("not_before", String(32), nullable=False),
    Column("correlation_id", String(64), nullable=False),
)

transfers = Table(
    "transfers",
    metadata,
    Column("transfer_id", String(36), primary_key=True),
    Column("package_id", String(36), nullable=False, index=True),
    Column("name", String(255), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("sha1", String(40), nullable=False),
    Column("correlation_id", String(64), nullable=False),
    Column("planned", String(32), nullable=False),
    Column("changed", String(32), nullable=False),
    Column("state", String(20), nullable=False),
    Column("finished", String(32)),
    Column("bytes_fetched", BigInteger, nullable=False),
    Column("error", Text),
    Index("transfers_by_state", "state", "changed"),
)

slices = Table(
    "slices",
    metadata,
    Column("transfer_id", String(36), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("first_chunk", Integer, nullable=False),
    Column("chunk_total", Integer, nullable=False),
    Column("state", String(20), nullable=False),
    Column("worker", String(80)),
    Column("lease_until", String(32)),
    Column("not_before", String(32), nullable=False),
    Column("fence", Integer, nullable=False),
    Index("slices_by_state", "state", "not_before"),
)

bad_chunks = Table(
    "bad_chunks",
    metadata,
    Column("transfer_id", String(36), primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("peer_id", String(60), primary_key=True),
)

outbox = outbox_table(metadata)
