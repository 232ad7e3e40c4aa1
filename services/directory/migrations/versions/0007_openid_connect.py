"""People of an OpenID Connect provider are known by their subject there; log-ins that were begun and not finished."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Nobody of whom we knew has a subject."""
    op.add_column("people", sa.Column("subject", sa.Text))
    op.create_index("people_by_subject", "people", ["subject"], unique=True)
    op.create_table(
        "pending_logins",
        sa.Column("state_sha256", sa.String(64), primary_key=True),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        sa.Column("next_path", sa.Text, nullable=False),
        sa.Column("address", sa.String(80), nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
