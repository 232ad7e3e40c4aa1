"""A large catalogue in little time: packages, and what was said about them, as if an instance had made them long ago.

`python -m shared.testing.seeding DATA_FOLDER COUNT` fills the data folder of an instance that does not run, by the settings in
the environment. Nothing is faked: the records are signed with the instance's own key, and go through the storage service's own
handlers into its own database. Only that each commit survives a power cut is given up while it lasts.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import sys
import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import event

from services.storage.config import StorageSettings
from services.storage.wiring import build
from shared.contracts.events import FileDigests
from shared.core.clock import Stamp
from shared.core.digest import Digest
from shared.core.layout import Layout
from shared.core.manifest import Manifest, mint_id
from shared.core.meta import MetaField, MetaRecord, MetaValue
from shared.core.names import PackageName
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.database import Database
from shared.runtime.keys import InstanceKey
from shared.runtime.logging import configure
from shared.testing.builders import chunk_digests, file_digests

_AT_ONCE = 1000
"""Packages in one transaction."""
_OURSELVES = None
"""Whom the records come from: no peer."""
_UNUSED_BUS = "amqp://localhost"
"""Events wait in the outbox until the instance starts."""
_SHA1_DIGITS, _SHA256_DIGITS, _MINT_DIGITS = 40, 64, 32
_LARGEST = 4 << 30


@dataclass(frozen=True, slots=True)
class Share:
    """What a catalogue is made of."""

    versions: int = 4
    """Packages of one name: the last is current, the others are superseded."""
    tagged_every: int = 10
    """Of so many packages one has a meta record with a staging tag."""
    tag: str = "production"
    deleted_every: int = 20
    """Of so many packages one has a tombstone."""


def seed(  # noqa: PLR0913 - all but two have a default
    data: Path,
    count: int,
    *,
    content: bytes | None = None,
    share: Share | None = None,
    chance: int = 0,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """Add packages to the data folder of an instance that does not run; their ids, in the order in which they were made.

    Without `content` nobody has their bytes, so the current ones are wanted. With it these are the bytes of all of them, and
    lie there once; file systems allow only so many names for one file (ext4: 65,000). The same `chance` makes the same packages:
    whoever adds to a catalogue takes another. `environment` has the instance's own settings, `ODST_…`: if its rules are others
    when it starts, it looks at every package again.
    """
    settings = StorageSettings.load({**(environment or {}), "ODST_AMQP_URI": _UNUSED_BUS, "ODST_DATA": str(data)})
    with closing(build(settings)) as storage, unsynced(storage.database):
        digests = _put(settings.layout, content) if content is not None else None
        maker = _Maker(InstanceKey.load_or_create(settings.layout), share or Share(), digests, random.Random(chance))
        made: list[str] = []
        for start in range(0, count, _AT_ONCE):
            documents = [maker.document(number) for number in range(start, min(start + _AT_ONCE, count))]
            refused = storage.do.records.offer(documents, [], [], _OURSELVES)["refused"]
            assert not refused, refused[:3]
            made += [document["id"] for document in documents]
    return made


@contextmanager
def unsynced(database: Database) -> Iterator[None]:
    """Connections from now on do not wait for the disk; those that were opened before are closed."""

    def prepare(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    if not database.is_sqlite:
        yield
        return
    database.close()
    event.listen(database.engine, "connect", prepare)
    yield


def _put(layout: Layout, content: bytes) -> FileDigests:
    """Bytes in their place, as if they had been uploaded."""
    store, incoming_id, digests = FilesystemByteStore(layout), str(uuid.uuid4()), file_digests(content)
    store.reserve(incoming_id, len(content))
    with store.open_incoming(incoming_id) as file:
        store.write(file, memoryview(content))
        store.sync(file)
    store.write_chunk_list(incoming_id, chunk_digests(content))
    store.make_blob(incoming_id, Digest("sha256", digests.sha256))
    return digests


class _Maker:
    """Makes signed records, in the form in which peers relay them."""

    def __init__(self, key: InstanceKey, share: Share, digests: FileDigests | None, chance: random.Random) -> None:
        self._key = InstanceKey(key.private)  # The file is looked at once, not at each signature.
        self._share, self._digests, self._chance = share, digests, chance
        self._began = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(days=100)

    def document(self, number: int) -> dict[str, Any]:
        """A package, and what was said about it."""
        manifest = self._manifest(number)
        said = [self._meta(manifest, field, value) for field, value in self._facts(number)]
        return {"id": manifest.package_id, "manifest": _text(self._key.sign_manifest(manifest)), "meta": said}

    def _manifest(self, number: int) -> Manifest:
        name, version = divmod(number, self._share.versions)
        digests, mint = self._digests or self._some_digests(), self._hex(_MINT_DIGITS)
        return Manifest(
            package_id=mint_id(self._key.public_bytes, mint),
            revision=1,
            name=PackageName.parse(f"Package-{name:06d}.pkg"),
            size=digests.size,
            sha256=Digest("sha256", digests.sha256),
            sha1=Digest("sha1", digests.sha1),
            chunks_sha1=Digest("sha256", digests.chunks_sha1),
            chunks_sha256=Digest("sha256", digests.chunks_sha256),
            origin=self._key.instance_id,
            origin_key=self._key.public_bytes,
            created=self._began + dt.timedelta(hours=version),
            mint=mint,
        )

    def _some_digests(self) -> FileDigests:
        """Of bytes that nobody has."""
        sha256, chunks_sha256, chunks_sha1 = (self._hex(_SHA256_DIGITS) for _ in range(3))
        size = self._chance.randrange(_LARGEST)
        return FileDigests(
            size=size, sha256=sha256, sha1=self._hex(_SHA1_DIGITS), chunks_sha256=chunks_sha256, chunks_sha1=chunks_sha1, seconds=0
        )

    def _hex(self, digits: int) -> str:
        return f"{self._chance.getrandbits(4 * digits):0{digits}x}"

    def _facts(self, number: int) -> Iterator[tuple[MetaField, MetaValue]]:
        """Different packages of the names are tagged and deleted, as versions come in fours and these in tens."""
        if number % self._share.tagged_every == self._share.tagged_every - 1:
            yield MetaField.TAGS, (self._share.tag,)
        if number % self._share.deleted_every == self._share.deleted_every // 2:
            yield MetaField.DELETED, True

    def _meta(self, about: Manifest, field: MetaField, value: MetaValue) -> str:
        stamp = Stamp.of(about.created + dt.timedelta(days=1))
        record = MetaRecord(about.package_id, field, value, stamp, self._key.instance_id, self._key.public_bytes, "seeding")
        return _text(self._key.sign_meta(record))


def _text(envelope: bytes) -> str:
    return b64encode(envelope).decode()


def main(arguments: list[str]) -> int:
    """Fill a data folder."""
    if len(arguments) != 2 or not arguments[1].isdigit():  # noqa: PLR2004 - the two that it takes
        sys.stderr.write("usage: python -m shared.testing.seeding DATA_FOLDER COUNT\n")
        return 2
    configure("seeding", "WARNING", "console")
    made = seed(Path(arguments[0]), int(arguments[1]), environment=os.environ)
    sys.stdout.write(f"{len(made)} packages were added\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
