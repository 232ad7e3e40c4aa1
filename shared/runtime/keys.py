"""The instance's Ed25519 key: made at first start, kept in a file that only its owner reads; signs manifests and requests."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.signer import Signature

from shared.core.errors import ManifestInvalid
from shared.core.identity import InstanceId
from shared.core.layout import Layout
from shared.core.manifest import MAX_PAYLOAD_BYTES, PAYLOAD_TYPE, Manifest

MAX_ENVELOPE_BYTES = 4 * MAX_PAYLOAD_BYTES


class InstanceKey:
    """This instance's private key and what follows from it."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        """Use `load_or_create` or `generate`."""
        self.private = private
        self.public_bytes = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.instance_id = InstanceId.of_key(self.public_bytes)

    @classmethod
    def generate(cls) -> InstanceKey:
        """A new key, in memory only."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load_or_create(cls, layout: Layout) -> InstanceKey:
        """The key in `secrets/instance.key`; made if it is not there. Safe when several services start at once."""
        layout.secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = layout.secrets / "instance.key"
        if not path.exists():
            _write_once(path, cls.generate())
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(private, Ed25519PrivateKey):
            raise ManifestInvalid(f"{path} holds no Ed25519 key")
        return cls(private)

    def sign_manifest(self, manifest: Manifest) -> bytes:
        """The DSSE envelope of a manifest, as the JSON bytes that are kept and relayed."""
        payload = manifest.payload()
        envelope = Envelope(payload, PAYLOAD_TYPE, {})
        signature = self.private.sign(envelope.pae()).hex()
        envelope.signatures[str(self.instance_id)] = Signature(str(self.instance_id), signature)
        return json.dumps(envelope.to_dict(), sort_keys=True).encode()


def _write_once(path: Path, key: InstanceKey) -> None:
    pem = key.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()


def public_key(raw: bytes) -> Ed25519PublicKey:
    """A public key from its 32 raw bytes.

    Raises:
        ValueError: if they are no key.
    """
    return Ed25519PublicKey.from_public_bytes(raw)


def open_manifest(envelope_bytes: bytes) -> Manifest:
    """Read a manifest from its envelope, if its origin signed it.

    Raises:
        ManifestInvalid: if it is malformed, too large, of another type, or not signed by its origin.
    """
    if len(envelope_bytes) > MAX_ENVELOPE_BYTES:
        raise ManifestInvalid(f"an envelope of {len(envelope_bytes)} bytes is not read; the limit is {MAX_ENVELOPE_BYTES}")
    try:
        document: Any = json.loads(envelope_bytes)
        envelope = Envelope.from_dict(document)
        signatures = {keyid: bytes.fromhex(signature.signature) for keyid, signature in envelope.signatures.items()}
    except Exception as error:  # securesystemslib raises KeyError, TypeError, AttributeError, FormatError… on junk
        raise ManifestInvalid(f"the envelope is malformed: {type(error).__name__}") from error
    if envelope.payload_type != PAYLOAD_TYPE:
        raise ManifestInvalid("the envelope holds no manifest")
    manifest = Manifest.parse(envelope.payload)
    try:
        public_key(manifest.origin_key).verify(signatures[str(manifest.origin)], envelope.pae())
    except (KeyError, ValueError, InvalidSignature) as error:
        raise ManifestInvalid("the manifest is not signed by its origin") from error
    return manifest


def decode_key(text: str) -> bytes:
    """Base64 text as raw key bytes.

    Raises:
        ValueError: if it is no base64.
    """
    return base64.b64decode(text, validate=True)
