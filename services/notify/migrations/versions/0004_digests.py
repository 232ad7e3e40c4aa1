"""Digests: one message for several deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """What waits stays as it is: none of it is in a digest."""
    op.create_table(
        "digests",
        sa.Column("digest_id", sa.String(36), primary_key=True),
        sa.Column("subscription_id", sa.String(36), sa.ForeignKey("subscriptions.subscription_id", ondelete="CASCADE"), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("content_type", sa.String(120), nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
    op.create_index("digests_by_subscription", "digests", ["subscription_id"])
    op.add_column("deliveries", sa.Column("digest_id", sa.String(36)))
    op.create_index("deliveries_by_digest", "deliveries", ["digest_id"])
