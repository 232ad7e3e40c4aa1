"""Channels, owners, filters; each try; events that are kept; the outbox. The claim of a delivery is a claim of its subscription now."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns one by one: a table made anew would take its deliveries with it."""
    for column in (
        sa.Column("kind", sa.String(20), nullable=False, server_default="webhook"),
        sa.Column("settings", sa.Text, nullable=False, server_default="{}"),
        sa.Column("filters", sa.Text, nullable=False, server_default="{}"),
        sa.Column("within", sa.Text),
        sa.Column("owner_id", sa.String(36)),
        sa.Column("description", sa.String(200), nullable=False, server_default=""),
        sa.Column("changed", sa.String(32)),
        sa.Column("reason", sa.String(40)),
        sa.Column("since", sa.String(32)),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("failing_since", sa.String(32)),
        sa.Column("rests_until", sa.String(32)),
        sa.Column("next_due", sa.String(32)),
        sa.Column("lease_until", sa.String(32)),
        sa.Column("fence", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("subscriptions", column)
    _move_settings()
    op.drop_column("subscriptions", "url")
    op.create_index("subscriptions_by_due", "subscriptions", ["state", "next_due"])
    op.add_column("deliveries", sa.Column("kind", sa.String(20), nullable=False, server_default="webhook"))
    op.add_column("deliveries", sa.Column("content_type", sa.String(120), nullable=False, server_default="application/json"))
    op.drop_column("deliveries", "lease_until")
    op.drop_column("deliveries", "fence")
    op.create_index("deliveries_by_subscription", "deliveries", ["subscription_id", "state", "next_attempt"])
    _make_tables()


def _move_settings() -> None:
    connection = op.get_bind()
    for subscription_id, url in connection.execute(sa.text("SELECT subscription_id, url FROM subscriptions")).all():
        change = (
            "UPDATE subscriptions SET settings = :settings, "
            "next_due = (SELECT min(next_attempt) FROM deliveries d WHERE d.subscription_id = :id AND d.state = 'waiting'), "
            "reason = CASE WHEN state = 'disabled' THEN 'RECEIVER_GONE' END WHERE subscription_id = :id"
        )
        connection.execute(sa.text(change), {"id": subscription_id, "settings": json.dumps({"url": url})})


def _make_tables() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "attempts",
        sa.Column("attempt_id", number, primary_key=True, autoincrement=True),
        sa.Column("delivery_id", sa.String(36), sa.ForeignKey("deliveries.delivery_id", ondelete="CASCADE"), nullable=False),
        sa.Column("time", sa.String(32), nullable=False),
        sa.Column("milliseconds", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text),
        sa.Column("answer", sa.Text, nullable=False),
    )
    op.create_index("attempts_by_delivery", "attempts", ["delivery_id"])
    op.create_table(
        "events",
        sa.Column("event_id", sa.String(36), primary_key=True),
        sa.Column("event_type", sa.String(80), nullable=False),
        sa.Column("time", sa.String(32), nullable=False),
        sa.Column("instance", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
    op.create_index("events_by_time", "events", ["time"])
    op.create_table(
        "outbox",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(36), nullable=False, unique=True),
        sa.Column("type", sa.String(80), nullable=False),
        sa.Column("envelope", sa.Text, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
