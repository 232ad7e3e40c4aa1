"""What a registration lets a peer see and say, where its feed stands, and records that were not taken."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Peers that are known already see what has no tags, and are no stewards."""
    with op.batch_alter_table("peers") as peers:
        peers.add_column(sa.Column("tags", sa.Text, nullable=False, server_default=""))
        peers.add_column(sa.Column("ever_tags", sa.Text, nullable=False, server_default=""))
        peers.add_column(sa.Column("view", sa.Integer, nullable=False, server_default="0"))
        peers.add_column(sa.Column("steward", sa.Boolean, nullable=False, server_default=sa.false()))
        peers.add_column(sa.Column("steward_until", sa.String(18)))
        peers.add_column(sa.Column("revoked_since", sa.String(18)))
        peers.add_column(sa.Column("protocol", sa.Integer, nullable=False, server_default="1"))
        peers.add_column(sa.Column("announced_epoch", sa.String(64)))
        peers.add_column(sa.Column("announced_seq", sa.BigInteger, nullable=False, server_default="0"))
        peers.add_column(sa.Column("news_correlation_id", sa.String(64)))
        peers.add_column(sa.Column("last_pull", sa.String(32)))
        peers.add_column(sa.Column("clock_skew_seconds", sa.Float))
        peers.add_column(sa.Column("next_drift_check", sa.String(32)))
        peers.add_column(sa.Column("drift_checks", sa.Integer, nullable=False, server_default="0"))
        peers.add_column(sa.Column("drift_found", sa.BigInteger, nullable=False, server_default="0"))
        peers.add_column(sa.Column("catching_up", sa.Boolean, nullable=False, server_default=sa.false()))
    with op.batch_alter_table("invitations") as invitations:
        invitations.add_column(sa.Column("tags", sa.Text))
        invitations.add_column(sa.Column("steward", sa.Boolean, nullable=False, server_default=sa.false()))
    with op.batch_alter_table("sources") as sources:
        sources.add_column(sa.Column("has_bytes", sa.Boolean, nullable=False, server_default=sa.true()))
    op.create_index("sources_by_peer", "sources", ["peer_id"])
    op.create_table(
        "deferred",
        sa.Column("peer_id", sa.String(60), primary_key=True),
        sa.Column("kind", sa.String(20), primary_key=True),
        sa.Column("record_id", sa.String(60), primary_key=True),
        sa.Column("digest", sa.String(130), nullable=False),
        sa.Column("code", sa.String(60), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("first_seen", sa.String(32), nullable=False),
        sa.Column("next_try", sa.String(32), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("final", sa.Boolean, nullable=False),
    )
    op.create_index("deferred_by_time", "deferred", ["peer_id", "final", "next_try"])
