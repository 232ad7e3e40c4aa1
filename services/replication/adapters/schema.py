"""Tables of the replication service."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text, false, true

from shared.runtime.alarms import alarms_table
from shared.runtime.outbox import outbox_table
from shared.runtime.secret_columns import EncryptedText

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
    Column("tags", Text, nullable=False, server_default=""),
    Column("ever_tags", Text, nullable=False, server_default=""),
    Column("view", Integer, nullable=False, server_default="0"),
    Column("steward", Boolean, nullable=False, server_default=false()),
    Column("steward_until", String(18)),
    Column("revoked_since", String(18)),
    Column("protocol", Integer, nullable=False, server_default="1"),
    Column("announced_epoch", String(64)),
    Column("announced_seq", BigInteger, nullable=False, server_default="0"),
    Column("news_correlation_id", String(64)),
    Column("last_pull", String(32)),
    Column("clock_skew_seconds", Float),
    Column("next_drift_check", String(32)),
    Column("drift_checks", Integer, nullable=False, server_default="0"),
    Column("drift_found", BigInteger, nullable=False, server_default="0"),
    Column("catching_up", Boolean, nullable=False, server_default=false()),
)

invitations = Table(
    "invitations",
    metadata,
    Column("lookup", String(64), primary_key=True),
    Column("encrypted_proof_key", EncryptedText, nullable=False, server_default=""),
    Column("created_by", String(120), nullable=False),
    Column("expires", String(32), nullable=False),
    Column("wrong_proofs", Integer, nullable=False),
    Column("used_by", String(60)),
    Column("tags", Text),
    Column("steward", Boolean, nullable=False, server_default=false()),
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
    Column("has_bytes", Boolean, nullable=False, server_default=true()),
    Index("sources_by_peer", "peer_id"),
)

deferred = Table(
    "deferred",
    metadata,
    Column("peer_id", String(60), primary_key=True),
    Column("kind", String(20), primary_key=True),
    Column("record_id", String(60), primary_key=True),
    Column("digest", String(130), nullable=False),
    Column("code", String(60), nullable=False),
    Column("reason", Text, nullable=False),
    Column("first_seen", String(32), nullable=False),
    Column("next_try", String(32), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("final", Boolean, nullable=False),
    Index("deferred_by_time", "peer_id", "final", "next_try"),
)

witnessed = Table(
    "witnessed",
    metadata,
    Column("peer_id", String(60), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String(64), primary_key=True),
    Column("received", String(32), nullable=False),
    Column("contradicts", Boolean, nullable=False),
    Column("envelope", Text, nullable=False),
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
    Column("paused", Boolean, nullable=False, server_default=false()),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("turn", String(40)),
    Index("transfers_by_state", "state", "changed"),
    Index("transfers_by_turn", "turn", "transfer_id"),
    Index("transfers_by_time", "planned", "transfer_id"),
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

alarms = alarms_table(metadata)

outbox = outbox_table(metadata)
