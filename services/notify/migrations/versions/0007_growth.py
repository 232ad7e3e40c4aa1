"""Indexes by which many deliveries are listed, counted and forgotten without reading all of them."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """One of them takes the place of another, which nothing used."""
    op.drop_index("deliveries_by_state", "deliveries")
    op.create_index("deliveries_by_state", "deliveries", ["state", "created"])
    op.create_index("deliveries_by_receiver", "deliveries", ["subscription_id", "created"])
    op.create_index("digests_by_created", "digests", ["created"])
