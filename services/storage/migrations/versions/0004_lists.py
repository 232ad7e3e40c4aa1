"""Lists of packages with filters, in three orders; of uploads and promotions too."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_FILTERED = ["folded", "state", "tags", "origin"]


def upgrade() -> None:
    """Add the folded names, and an index for each order that holds all that is filtered by."""
    op.add_column("packages", sa.Column("folded", sa.Text, nullable=False, server_default=""))
    _fold()
    op.drop_index("packages_by_name", "packages")
    op.create_index("packages_by_name", "packages", ["name", "package_id", *_FILTERED, "created", "bytes_here"])
    op.create_index("packages_by_created", "packages", ["created", "package_id", *_FILTERED, "bytes_here"])
    op.create_index("packages_by_size", "packages", ["size", "package_id", *_FILTERED, "created", "bytes_here"])
    op.create_index("promotions_by_time", "promotions", ["requested", "promotion_id"])


def _fold() -> None:
    import unicodedata  # noqa: PLC0415 - a migration stands for itself

    connection = op.get_bind()
    change = sa.text("UPDATE packages SET folded = :folded WHERE name = :name")
    names = [row.name for row in connection.execute(sa.text("SELECT DISTINCT name FROM packages")).all()]
    values = [{"name": name, "folded": unicodedata.normalize("NFC", name.casefold())} for name in names]
    if values:
        connection.execute(change, values)
