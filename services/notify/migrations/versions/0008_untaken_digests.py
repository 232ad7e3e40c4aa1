"""How many tries of a digest were certainly not taken: if all were, its deliveries can go out in another one."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Of digests that are there already, nobody knows."""
    op.add_column("digests", sa.Column("untaken", sa.Integer, nullable=False, server_default="-1"))
