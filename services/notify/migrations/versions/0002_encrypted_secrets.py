"""Secrets are encrypted: a column with room for that. What is in it is encrypted when the service starts, which has the keys."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Move the texts; a table made anew would take its deliveries with it."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA secure_delete=ON")
    op.add_column("subscriptions", sa.Column("encrypted_secret", sa.Text, nullable=False, server_default=""))
    op.execute("UPDATE subscriptions SET encrypted_secret = secret, secret = ''")
    op.drop_column("subscriptions", "secret")
