"""The instance's key, for manifests."""

from __future__ import annotations

from shared.core.manifest import Manifest
from shared.runtime.keys import InstanceKey, open_manifest


class KeySigner:
    """`Signer` with the key of this instance."""

    def __init__(self, key: InstanceKey) -> None:
        """`key` is loaded by the wiring."""
        self._key = key

    @property
    def identity(self) -> tuple[str, bytes]:
        """Instance id and raw public key."""
        return str(self._key.instance_id), self._key.public_bytes

    def sign(self, manifest: Manifest) -> bytes:
        """The envelope of a manifest."""
        return self._key.sign_manifest(manifest)

    def open(self, envelope: bytes) -> Manifest:
        """The manifest in an envelope that its origin signed.

        Raises:
            ManifestInvalid: if it did not.
        """
        return open_manifest(envelope)
