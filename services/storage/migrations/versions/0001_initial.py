"""The first tables of the storage service."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables, and the change feed's epoch."""
    op.create_table(
        "uploads",
        sa.Column("upload_id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger),
        sa.Column("uploaded_by", sa.String(120), nullable=False),
        sa.Column("correlation_id", sa.String(64), nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("changed", sa.String(32), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("declared_sha256", sa.String(64)),
        sa.Column("bytes_hashed", sa.BigInteger, nullable=False),
        sa.Column("digests", sa.Text),
        sa.Column("package_id", sa.String(36)),
        sa.Column("error_code", sa.String(60)),
        sa.Column("error_reason", sa.Text),
    )
    op.create_index("uploads_by_state", "uploads", ["state", "changed"])
    op.create_table(
        "packages",
        sa.Column("package_id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql"), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("correlation_id", sa.String(64), nullable=False),
        sa.Column("changed", sa.String(32), nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("received_from", sa.String(60)),
        sa.Column("published", sa.String(32)),
        sa.Column("error_code", sa.String(60)),
        sa.Column("error_reason", sa.Text),
    )
    op.create_index("packages_by_name", "packages", ["name", "package_id"])
    op.create_index("packages_by_sha256", "packages", ["sha256"])
    op.create_index("packages_by_state", "packages", ["state", "changed"])
    op.create_table(
        "feed",
        sa.Column("package_id", sa.String(36), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False, unique=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    state = op.create_table(
        "feed_state",
        sa.Column("one", sa.Integer, primary_key=True),
        sa.Column("epoch", sa.String(32), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(state, [{"one": 1, "epoch": secrets.token_hex(16), "seq": 0}])
    totals = op.create_table(
        "hash_totals",
        sa.Column("one", sa.Integer, primary_key=True),
        sa.Column("files", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
    )
    op.bulk_insert(totals, [{"one": 1, "files": 0, "bytes": 0, "seconds": 0.0}])
    op.create_table(
        "outbox",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(36), nullable=False, unique=True),
        sa.Column("type", sa.String(80), nullable=False),
        sa.Column("envelope", sa.Text, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
