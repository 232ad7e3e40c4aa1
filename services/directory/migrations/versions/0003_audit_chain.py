"""The audit log becomes a chain: what stands there already is chained in its order."""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_PAGE = 1000
_FIELDS = ("event_id", "type", "source", "time", "correlation_id", "person", "subject")


def upgrade() -> None:
    """Add previous and hash; tables for checkpoints and receipts; indexes for searches."""
    for name in ("previous", "hash"):
        op.add_column("audit", sa.Column(name, sa.String(64), nullable=False, server_default=""))
    _chain(op.get_bind())
    op.create_index("audit_by_time", "audit", ["time"])
    op.create_index("audit_by_type", "audit", ["type", "number"])
    op.create_index("audit_by_person", "audit", ["person", "number"])
    op.create_index("audit_by_subject", "audit", ["subject", "number"])
    op.create_index("audit_by_correlation_id", "audit", ["correlation_id"])
    op.create_table(
        "audit_checkpoints",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("time", sa.String(32), nullable=False),
        sa.Column("signer", sa.String(52), nullable=False),
        sa.Column("envelope", sa.Text, nullable=False),
    )
    op.create_table(
        "audit_receipts",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("peer_id", sa.String(52), primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("time", sa.String(32), nullable=False),
        sa.Column("envelope", sa.Text, nullable=False),
    )


def _chain(connection: sa.Connection) -> None:
    """As `shared.core.audit_chain` does it; written out here, because what a migration did must not change later."""
    columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in ("number", "data", "previous", "hash", *_FIELDS)]
    audit = sa.table("audit", *columns)
    number, before = 0, "0" * 64
    while True:
        query = sa.select(*columns).select_from(audit).where(audit.c.number > number).order_by(audit.c.number).limit(_PAGE)
        rows = connection.execute(query).all()
        for row in rows:
            fields = {name: getattr(row, name) for name in _FIELDS}
            fields |= {"number": row.number, "previous": before, "data": json.loads(row.data)}
            made = hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
            connection.execute(audit.update().where(audit.c.number == row.number).values(previous=before, hash=made))
            number, before = row.number, made
        if len(rows) < _PAGE:
            return
