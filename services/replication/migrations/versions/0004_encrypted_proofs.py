"""What proves an invitation is encrypted: a column with room for that. It is encrypted when the service starts, which has the keys."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_INVITATIONS = sa.table(
    "invitations", sa.column("lookup"), sa.column("proof_key", sa.LargeBinary), sa.column("encrypted_proof_key", sa.Text)
)


def upgrade() -> None:
    """Open invitations stay open."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        op.execute("PRAGMA secure_delete=ON")
    op.add_column("invitations", sa.Column("encrypted_proof_key", sa.Text, nullable=False, server_default=""))
    for lookup, key in connection.execute(sa.select(_INVITATIONS.c.lookup, _INVITATIONS.c.proof_key)).all():
        values = {"encrypted_proof_key": bytes(key).hex(), "proof_key": b""}
        connection.execute(sa.update(_INVITATIONS).where(_INVITATIONS.c.lookup == lookup).values(values))
    op.drop_column("invitations", "proof_key")
