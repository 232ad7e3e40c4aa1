"""People with grants, states and sources; tokens that belong to them; sessions, attempts to log in, grants for groups.

Until now a role stood in each row, and tokens belonged to nobody: they become those of the one person that there was.
"""

import json
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0002"


def upgrade() -> None:
    """Make new tables beside the old ones, fill them, and drop those: the same on every database."""
    op.rename_table("people", "people_before")
    op.rename_table("tokens", "tokens_before")
    _people()
    _tokens()
    _sessions()
    _fill()
    op.drop_table("people_before")
    op.drop_table("tokens_before")


def _people() -> None:
    # Constraints have names of their own: on PostgreSQL those of the old tables are still taken.
    op.create_table(
        "people",
        sa.Column("person_id", sa.String(36)),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("grants", sa.Text, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("seen", sa.String(32)),
        sa.Column("last_login", sa.String(32)),
        sa.UniqueConstraint("key", name="people_by_key"),
        sa.PrimaryKeyConstraint("person_id", name="people_with_grants_pkey"),
    )


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.String(36)),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_by", sa.String(120), nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("grants", sa.Text),
        sa.Column("rights", sa.Text),
        sa.Column("expires", sa.String(32)),
        sa.Column("last_used", sa.String(32)),
        sa.Column("revoked", sa.String(32)),
        sa.UniqueConstraint("sha256", name="tokens_by_sha256"),
        sa.PrimaryKeyConstraint("token_id", name="tokens_of_people_pkey"),
    )
    op.create_index("ix_tokens_person_id", "tokens", ["person_id"])


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.String(36), primary_key=True),
        sa.Column("person_id", sa.String(36), nullable=False, index=True),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("last_used", sa.String(32), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
    )
    op.create_table(
        "attempts",
        sa.Column("key", sa.String(80), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("last", sa.String(32), nullable=False),
        sa.Column("blocked_until", sa.String(32), nullable=False),
    )
    op.create_table(
        "group_grants",
        sa.Column("grant_id", sa.String(36), primary_key=True),
        sa.Column("group", sa.Text, nullable=False),
        sa.Column("grant", sa.Text, nullable=False),
    )


def _fill() -> None:
    connection, first = op.get_bind(), None
    people, tokens = (sa.Table(name, sa.MetaData(), autoload_with=connection) for name in ("people", "tokens"))
    for row in connection.execute(sa.text("SELECT * FROM people_before ORDER BY created")).mappings().all():
        first = first or row["person_id"]
        kept = {name: row[name] for name in ("person_id", "name", "created", "password_hash")}
        added = {
            "key": unicodedata.normalize("NFKC", row["name"]).strip().casefold(),
            "source": "local",
            "display_name": "",
            "state": "active",
        }
        connection.execute(sa.insert(people).values(**kept, **added, grants=_grants(row["role"]), groups="[]", epoch=0))
    for row in connection.execute(sa.text("SELECT * FROM tokens_before")).mappings().all():
        kept = {name: value for name, value in row.items() if name != "role"}
        connection.execute(sa.insert(tokens).values(**kept, person_id=first, grants=_grants(row["role"])))


def _grants(role: str) -> str:
    return json.dumps([{"role": role, "tags": [], "instances": []}])
