"""Uploads that are continued where they stand, and listed newest first."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns; uploads that are under way cannot be resumed."""
    op.add_column("uploads", sa.Column("expires", sa.String(32)))
    op.add_column("uploads", sa.Column("bytes_received", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("uploads", sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("uploads", sa.Column("metadata", sa.Text, nullable=False, server_default=""))
    op.create_index("uploads_by_time", "uploads", ["created", "upload_id"])
