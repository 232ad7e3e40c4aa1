"""What storage keeps beside its database, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from services.storage.ports import KeptRotation
from shared.core.charter import Charter, Rotation
from shared.core.clock import Stamp
from shared.core.manifest import Manifest
from shared.core.meta import MetaRecord
from shared.runtime.keys import InstanceKey, open_charter, open_manifest, open_meta, open_rotation


@dataclass
class FakeToldFile:
    """`ToldFile` in memory."""

    told: tuple[str, int] | None = None

    def read(self) -> tuple[str, int] | None:
        """Epoch and highest number that anybody was told."""
        return self.told

    def tell(self, epoch: str, seq: int) -> None:
        """Remember the highest."""
        if self.told is None or self.told[0] != epoch or self.told[1] < seq:
            self.told = epoch, seq


@dataclass
class FakeRecordFiles:
    """`RecordFiles` in memory."""

    documents: dict[str, bytes] = field(default_factory=dict)

    def keep(self, package_id: str, document: bytes) -> None:
        """Write or replace."""
        self.documents[package_id] = document

    def all(self) -> Iterator[bytes]:
        """Every document."""
        return iter(list(self.documents.values()))


@dataclass
class FakeSigner:
    """`Signer` with real signatures and a key in memory."""

    key: InstanceKey = field(default_factory=InstanceKey.generate)
    successor: InstanceKey | None = None

    @property
    def identity(self) -> tuple[str, bytes]:
        """Instance id and raw public key."""
        return str(self.key.instance_id), self.key.public_bytes

    def sign(self, manifest: Manifest) -> bytes:
        """The envelope of a manifest."""
        return self.key.sign_manifest(manifest)

    def sign_meta(self, record: MetaRecord) -> bytes:
        """The envelope of a meta record."""
        return self.key.sign_meta(record)

    def sign_charter(self, charter: Charter) -> bytes:
        """The envelope of a charter."""
        return self.key.sign_charter(charter)

    def prepare_rotation(self, stamp: Stamp) -> KeptRotation:
        """Make the next key."""
        self.successor = self.successor or InstanceKey.generate()
        old, new = self.key, self.successor
        rotation = Rotation(old.instance_id, old.public_bytes, new.instance_id, new.public_bytes, stamp)
        return KeptRotation(rotation, old.sign_rotation(rotation, new))

    def complete_rotation(self, rotation: Rotation) -> None:
        """Use it."""
        if self.successor is not None and self.successor.instance_id == rotation.new:
            self.key, self.successor = self.successor, None

    def open(self, envelope: bytes) -> Manifest:
        """The manifest in an envelope that its origin signed."""
        return open_manifest(envelope)

    def open_meta(self, envelope: bytes) -> MetaRecord:
        """The meta record in an envelope that its author signed."""
        return open_meta(envelope)

    def open_charter(self, envelope: bytes) -> Charter:
        """The charter in an envelope that its instance signed."""
        return open_charter(envelope)

    def open_rotation(self, envelope: bytes) -> Rotation:
        """The rotation in an envelope that both keys signed."""
        return open_rotation(envelope)
