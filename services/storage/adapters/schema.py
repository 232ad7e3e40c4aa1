"""Tables of the storage service. Times are RFC 3339 text in UTC with microseconds, which sorts as it should everywhere."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

from shared.runtime.alarms import alarms_table
from shared.runtime.database import ordered_text
from shared.runtime.outbox import outbox_table

metadata = MetaData()

uploads = Table(
    "uploads",
    metadata,
    Column("upload_id", String(36), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("size", BigInteger),
    Column("uploaded_by", String(120), nullable=False),
    Column("correlation_id", String(64), nullable=False),
    Column("created", String(32), nullable=False),
    Column("changed", String(32), nullable=False),
    Column("state", String(20), nullable=False),
    Column("declared_sha256", String(64)),
    Column("bytes_hashed", BigInteger, nullable=False),
    Column("digests", Text),
    Column("package_id", String(36)),
    Column("error_code", String(60)),
    Column("error_reason", Text),
    Column("tags", Text, nullable=False),
    Column("expires", String(32)),
    Column("bytes_received", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("metadata", Text, nullable=False),
    Index("uploads_by_state", "state", "changed"),
    Index("uploads_by_time", "created", "upload_id"),
)

packages = Table(
    "packages",
    metadata,
    Column("package_id", String(36), primary_key=True),
    Column("name", ordered_text(255), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("state", String(20), nullable=False),
    Column("correlation_id", String(64), nullable=False),
    Column("changed", String(32), nullable=False),
    Column("created", String(32), nullable=False),
    Column("received_from", String(60)),
    Column("published", String(32)),
    Column("error_code", String(60)),
    Column("error_reason", Text),
    Column("tags", Text, nullable=False),
    Column("ever", Text, nullable=False),
    Column("precedence", String(19), nullable=False),
    Column("deleted", String(18)),
    Column("raised", String(18)),
    Column("manifest_digest", String(64), nullable=False),
    Column("meta_digest", String(64), nullable=False),
    Column("gone", Boolean, nullable=False),
    Column("bytes_here", Boolean, nullable=False),
    Column("remove_after", String(32)),
    Column("rung", String(32)),
    Column("origin", String(60), nullable=False),
    Column("folded", Text, nullable=False),
    Index("packages_by_name", "name", "package_id", "folded", "state", "tags", "origin", "created", "bytes_here"),
    Index("packages_by_created", "created", "package_id", "folded", "state", "tags", "origin", "bytes_here"),
    Index("packages_by_size", "size", "package_id", "folded", "state", "tags", "origin", "created", "bytes_here"),
    Index("packages_by_sha256", "sha256"),
    Index("packages_by_state", "state", "changed"),
    Index("packages_to_remove", "remove_after"),
    Index("packages_rung", "rung"),
    Index("packages_held", "size", "bytes_here"),
    Index("packages_in_brief", "package_id", "manifest_digest", "meta_digest", "tags"),
    Index("packages_by_origin", "origin", "created"),
)

feed = Table(
    "feed",
    metadata,
    Column("kind", String(12), primary_key=True),
    Column("record_id", String(60), primary_key=True),
    Column("seq", BigInteger, nullable=False, unique=True),
    Column("revision", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("stamp", String(18)),
)

meta = Table(
    "meta",
    metadata,
    Column("package_id", String(36), primary_key=True),
    Column("field", String(12), primary_key=True),
    Column("author", String(60), primary_key=True),
    Column("stamp", String(18), nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("digest", String(64), nullable=False),
    Index("meta_by_author", "author", "stamp"),
)

charters = Table(
    "charters",
    metadata,
    Column("instance_id", String(60), primary_key=True),
    Column("stamp", String(18), nullable=False),
    Column("envelope", LargeBinary, nullable=False),
)

rotations = Table(
    "rotations",
    metadata,
    Column("old_id", String(60), primary_key=True),
    Column("stamp", String(18), nullable=False),
    Column("envelope", LargeBinary, nullable=False),
)

flags = Table(
    "flags",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("about", String(60), primary_key=True),
    Column("value", Text, nullable=False),
)

promotions = Table(
    "promotions",
    metadata,
    Column("promotion_id", String(36), primary_key=True),
    Column("package_id", String(36), nullable=False),
    Column("name", String(255), nullable=False),
    Column("stage", String(40), nullable=False),
    Column("requested_by", String(120), nullable=False),
    Column("requested", String(32), nullable=False),
    Column("due", String(32), nullable=False),
    Column("state", String(20), nullable=False),
    Column("approved_by", String(120)),
    Column("reason", Text),
    Column("ended", String(32)),
    Index("promotions_by_state", "state", "due"),
    Index("promotions_by_time", "requested", "promotion_id"),
)

feed_state = Table(
    "feed_state",
    metadata,
    Column("one", Integer, primary_key=True),
    Column("epoch", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
)

hash_totals = Table(
    "hash_totals",
    metadata,
    Column("one", Integer, primary_key=True),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
)

further_digests = Table(
    "further_digests",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("md5", String(32)),
    Column("sha512", String(128)),
    Column("asked", String(32), nullable=False),
)
"""Of bytes, not of packages: what has the same bytes has the same digests. `asked` is when hashing was last told to compute them."""

alarms = alarms_table(metadata)

outbox = outbox_table(metadata)
