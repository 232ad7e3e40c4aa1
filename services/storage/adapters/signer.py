"""The instance's key, and the checking of what others signed."""

from __future__ import annotations

from services.storage.ports import KeptRotation
from shared.core.charter import Charter, Rotation
from shared.core.clock import Stamp
from shared.core.layout import Layout
from shared.core.manifest import Manifest
from shared.core.meta import MetaRecord
from shared.runtime.keys import InstanceKey, make_next_key, open_charter, open_manifest, open_meta, open_rotation, use_next_key


class KeySigner:
    """`Signer` with the key of this instance."""

    def __init__(self, key: InstanceKey, layout: Layout) -> None:
        """`key` is loaded by the wiring; its files lie in `layout`."""
        self._key = key
        self._layout = layout

    @property
    def identity(self) -> tuple[str, bytes]:
        """Instance id and raw public key."""
        return str(self._key.instance_id), self._key.public_bytes

    def sign(self, manifest: Manifest) -> bytes:
        """The envelope of a manifest."""
        return self._key.sign_manifest(manifest)

    def sign_meta(self, record: MetaRecord) -> bytes:
        """The envelope of a meta record."""
        return self._key.sign_meta(record)

    def sign_charter(self, charter: Charter) -> bytes:
        """The envelope of a charter."""
        return self._key.sign_charter(charter)

    def prepare_rotation(self, stamp: Stamp) -> KeptRotation:
        """Make the next key, put it aside, and sign the rotation to it."""
        successor = make_next_key(self._layout)
        old, new = self._key, successor
        rotation = Rotation(old.instance_id, old.public_bytes, new.instance_id, new.public_bytes, stamp)
        return KeptRotation(rotation, self._key.sign_rotation(rotation, successor))

    def complete_rotation(self, rotation: Rotation) -> None:
        """Use the key that was put aside."""
        use_next_key(self._layout, rotation.new)

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
