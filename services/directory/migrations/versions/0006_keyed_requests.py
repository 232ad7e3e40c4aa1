"""Requests that came with an Idempotency-Key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"


def upgrade() -> None:
    """One table."""
    op.create_table(
        "keyed_requests",
        sa.Column("request_id", sa.String(36), primary_key=True),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("key_sha256", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("begun", sa.String(32), nullable=False, index=True),
        sa.Column("ended", sa.String(32)),
        sa.Column("status", sa.Integer),
        sa.Column("answer", sa.Text),
        sa.Column("secret", sa.Boolean, nullable=False),
        sa.UniqueConstraint("person_id", "key_sha256", name="keyed_requests_by_key"),
    )
