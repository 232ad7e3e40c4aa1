"""The first tables of the replication service."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "peers",
        sa.Column("peer_id", sa.String(60), primary_key=True),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("registered", sa.String(32), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("last_contact", sa.String(32)),
        sa.Column("last_error", sa.Text),
        sa.Column("epoch", sa.String(64)),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("next_poll", sa.String(32)),
        sa.Column("strikes", sa.Integer, nullable=False),
        sa.Column("banned_until", sa.String(32)),
    )
    op.create_table(
        "invitations",
        sa.Column("lookup", sa.String(64), primary_key=True),
        sa.Column("proof_key", sa.LargeBinary, nullable=False),
        sa.Column("created_by", sa.String(120), nullable=False),
        sa.Column("expires", sa.String(32), nullable=False),
        sa.Column("wrong_proofs", sa.Integer, nullable=False),
        sa.Column("used_by", sa.String(60)),
    )
    op.create_table(
        "nonces",
        sa.Column("sender", sa.String(60), primary_key=True),
        sa.Column("nonce", sa.String(128), primary_key=True),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_nonces_expires", "nonces", ["expires"])
    op.create_table(
        "sources",
        sa.Column("package_id", sa.String(36), primary_key=True),
        sa.Column("peer_id", sa.String(60), primary_key=True),
    )
    op.create_table(
        "announcements",
        sa.Column("peer_id", sa.String(60), primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", sa.String(32), nullable=False),
        sa.Column("correlation_id", sa.String(64), nullable=False),
    )
    op.create_table(
        "transfers",
        sa.Column("transfer_id", sa.String(36), primary_key=True),
        sa.Column("package_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("sha1", sa.String(40), nullable=False),
        sa.Column("correlation_id", sa.String(64), nullable=False),
        sa.Column("planned", sa.String(32), nullable=False),
        sa.Column("changed", sa.String(32), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("finished", sa.String(32)),
        sa.Column("bytes_fetched", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text),
    )
    op.create_index("transfers_by_state", "transfers", ["state", "changed"])
    op.create_index("ix_transfers_package_id", "transfers", ["package_id"])
    op.create_table(
        "slices",
        sa.Column("transfer_id", sa.String(36), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("first_chunk", sa.Integer, nullable=False),
        sa.Column("chunk_total", sa.Integer, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("worker", sa.String(80)),
        sa.Column("lease_until", sa.String(32)),
        sa.Column("not_before", sa.String(32), nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
    )
    op.create_index("slices_by_state", "slices", ["state", "not_before"])
    op.create_table(
        "bad_chunks",
        sa.Column("transfer_id", sa.String(36), primary_key=True),
        sa.Column("chunk", sa.Integer, primary_key=True),
        sa.Column("peer_id", sa.String(60), primary_key=True),
    )
    op.create_table(
        "outbox",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(36), nullable=False, unique=True),
        sa.Column("type", sa.String(80), nullable=False),
        sa.Column("envelope", sa.Text, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
