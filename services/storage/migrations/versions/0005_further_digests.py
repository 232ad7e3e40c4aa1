"""MD5 and SHA-512 of bytes, for programs outside that ask for them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """A table of its own: nothing that peers see has to do with it."""
    op.create_table(
        "further_digests",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("md5", sa.String(32)),
        sa.Column("sha512", sa.String(128)),
        sa.Column("asked", sa.String(32), nullable=False),
    )
