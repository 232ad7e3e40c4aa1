"""Meta records, charters, rotations and promotions; packages know their tags; the feed has rows of every kind."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NO_META = hashlib.sha256(b"").hexdigest()


def upgrade() -> None:
    """Add columns and tables; number the feed's rows as they were."""
    _packages()
    _feed()
    _records()
    op.add_column("uploads", sa.Column("tags", sa.Text, nullable=False, server_default=""))


def _packages() -> None:
    added = (
        sa.Column("tags", sa.Text, nullable=False, server_default=""),
        sa.Column("ever", sa.Text, nullable=False, server_default="."),
        sa.Column("precedence", sa.String(19), nullable=False, server_default=""),
        sa.Column("deleted", sa.String(18)),
        sa.Column("raised", sa.String(18)),
        sa.Column("manifest_digest", sa.String(64), nullable=False, server_default=""),
        sa.Column("meta_digest", sa.String(64), nullable=False, server_default=_NO_META),
        sa.Column("gone", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("bytes_here", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("remove_after", sa.String(32)),
        sa.Column("rung", sa.String(32)),
        sa.Column("origin", sa.String(60), nullable=False, server_default=""),
    )
    for column in added:
        op.add_column("packages", column)
    _fill_packages()
    op.create_index("packages_to_remove", "packages", ["remove_after"])
    op.create_index("packages_rung", "packages", ["rung"])
    op.create_index("packages_held", "packages", ["size", "bytes_here"])
    op.create_index("packages_in_brief", "packages", ["package_id", "manifest_digest", "meta_digest", "tags"])
    op.create_index("packages_by_origin", "packages", ["origin", "created"])


def _fill_packages() -> None:
    import base64  # noqa: PLC0415 - a migration stands for itself
    import datetime as dt  # noqa: PLC0415
    import json  # noqa: PLC0415

    connection = op.get_bind()
    packages = sa.table("packages", *(sa.column(name) for name in ("package_id", "envelope", "state", "created", "manifest_digest")))
    change = sa.text(
        "UPDATE packages SET manifest_digest = :digest, bytes_here = :here, origin = :origin, precedence = :precedence, "
        "tags = :tags, ever = :ever WHERE package_id = :id"
    )
    for row in connection.execute(sa.select(packages)).all():
        manifest = json.loads(base64.b64decode(json.loads(row.envelope)["payload"]))
        tags = " ".join(sorted(manifest.get("tags", [])))
        made = dt.datetime.strptime(row.created, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.UTC)
        values = {
            "digest": hashlib.sha256(row.envelope).hexdigest(),
            "here": row.state in ("published", "superseded"),
            "origin": manifest["origin"],
            "tags": tags,
            "ever": tags or ".",
            "precedence": f"{int(made.timestamp()) * 1000:013d}.0000",
            "id": row.package_id,
        }
        connection.execute(change, values)


def _feed() -> None:
    connection = op.get_bind()
    old = connection.execute(sa.text("SELECT package_id, seq, revision, digest FROM feed")).all()
    op.drop_table("feed")
    feed = op.create_table(
        "feed",
        sa.Column("kind", sa.String(12), primary_key=True),
        sa.Column("record_id", sa.String(60), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False, unique=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("stamp", sa.String(18)),
    )
    rows = [{"kind": "package", "record_id": one.package_id, "seq": one.seq, "revision": one.revision, "digest": one.digest} for one in old]
    rows += _not_in_feed_yet({one.package_id for one in old})
    op.bulk_insert(feed, rows)


def _not_in_feed_yet(shown: set[str]) -> list[dict[str, object]]:
    """Until now only packages whose bytes can be had were in the feed; now all that are known."""
    connection, rows = op.get_bind(), list[dict[str, object]]()
    seq = connection.execute(sa.text("SELECT seq FROM feed_state")).scalar_one()
    for one in connection.execute(sa.text("SELECT package_id, manifest_digest FROM packages ORDER BY package_id")).all():
        if one.package_id not in shown:
            seq += 1
            rows.append({"kind": "package", "record_id": one.package_id, "seq": seq, "revision": 1, "digest": one.manifest_digest})
    connection.execute(sa.text("UPDATE feed_state SET seq = :seq"), {"seq": seq})
    return rows


def _records() -> None:
    op.create_table(
        "meta",
        sa.Column("package_id", sa.String(36), primary_key=True),
        sa.Column("field", sa.String(12), primary_key=True),
        sa.Column("author", sa.String(60), primary_key=True),
        sa.Column("stamp", sa.String(18), nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_index("meta_by_author", "meta", ["author", "stamp"])
    op.create_table(
        "charters",
        sa.Column("instance_id", sa.String(60), primary_key=True),
        sa.Column("stamp", sa.String(18), nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "rotations",
        sa.Column("old_id", sa.String(60), primary_key=True),
        sa.Column("stamp", sa.String(18), nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "flags",
        sa.Column("kind", sa.String(20), primary_key=True),
        sa.Column("about", sa.String(60), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "promotions",
        sa.Column("promotion_id", sa.String(36), primary_key=True),
        sa.Column("package_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("stage", sa.String(40), nullable=False),
        sa.Column("requested_by", sa.String(120), nullable=False),
        sa.Column("requested", sa.String(32), nullable=False),
        sa.Column("due", sa.String(32), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("approved_by", sa.String(120)),
        sa.Column("reason", sa.Text),
        sa.Column("ended", sa.String(32)),
    )
    op.create_index("promotions_by_state", "promotions", ["state", "due"])
