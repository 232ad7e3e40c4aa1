"""The instance's Ed25519 key: made at first start, kept in a file that only its owner reads; signs manifests and requests."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.signer import Signature

from shared.core.charter import CHARTER_TYPE, ROTATION_TYPE, Charter, Rotation
from shared.core.charter import MAX_PAYLOAD_BYTES as MAX_CHARTER_PAYLOAD
from shared.core.checkpoint import CHECKPOINT_TYPE, RECEIPT_TYPE, Checkpoint, Receipt
from shared.core.errors import ManifestInvalid, RecordInvalid
from shared.core.identity import InstanceId
from shared.core.layout import Layout
from shared.core.manifest import MAX_PAYLOAD_BYTES, PAYLOAD_TYPE, Manifest
from shared.core.meta import PAYLOAD_TYPE as META_TYPE
from shared.core.meta import MetaRecord
from shared.runtime.secret_files import sync_folder, write_once

MAX_ENVELOPE_BYTES = 4 * MAX_PAYLOAD_BYTES
MAX_CHARTER_BYTES = 2 * MAX_CHARTER_PAYLOAD


@dataclass(frozen=True, slots=True)
class _Loaded:
    private: Ed25519PrivateKey
    public_bytes: bytes
    instance_id: InstanceId

    @classmethod
    def of(cls, private: Ed25519PrivateKey) -> _Loaded:
        public_bytes = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return cls(private, public_bytes, InstanceId.of_key(public_bytes))


class InstanceKey:
    """This instance's private key and what follows from it."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        """Use `load_or_create` or `generate`."""
        self._loaded = _Loaded.of(private)

    @property
    def private(self) -> Ed25519PrivateKey:
        """What signs."""
        return self._current().private

    @property
    def public_bytes(self) -> bytes:
        """32 raw bytes."""
        return self._current().public_bytes

    @property
    def instance_id(self) -> InstanceId:
        """The id that proves the key."""
        return self._current().instance_id

    def _current(self) -> _Loaded:
        return self._loaded

    @classmethod
    def generate(cls) -> InstanceKey:
        """A new key, in memory only."""
        return InstanceKey(Ed25519PrivateKey.generate())

    @classmethod
    def load_or_create(cls, layout: Layout) -> InstanceKey:
        """The key in `secrets/instance.key`; made if it is not there. Safe when several services start at once.

        Its attributes are read from the file again when that was replaced, because a rotation reaches every process that way.
        """
        path = key_file(layout)
        if not path.exists():
            write_once(path, _pem(cls.generate()))
        return LiveKey(path)

    @classmethod
    def in_file(cls, path: Path) -> InstanceKey:
        """The key that is in a file now; made if it is not there, for its owner's eyes only."""
        if not path.exists():
            write_once(path, _pem(cls.generate()))
        return InstanceKey(read_private(path))

    def sign_manifest(self, manifest: Manifest) -> bytes:
        """The DSSE envelope of a manifest, as the JSON bytes that are kept and relayed."""
        return seal(manifest.payload(), PAYLOAD_TYPE, self)

    def sign_meta(self, record: MetaRecord) -> bytes:
        """The envelope of a meta record."""
        return seal(record.payload(), META_TYPE, self)

    def sign_charter(self, charter: Charter) -> bytes:
        """The envelope of a charter."""
        return seal(charter.payload(), CHARTER_TYPE, self)

    def sign_checkpoint(self, checkpoint: Checkpoint) -> bytes:
        """The envelope of a checkpoint of the audit log."""
        return seal(checkpoint.payload(), CHECKPOINT_TYPE, self)

    def sign_receipt(self, receipt: Receipt) -> bytes:
        """The envelope of a receipt for a peer's checkpoint."""
        return seal(receipt.payload(), RECEIPT_TYPE, self)

    def sign_rotation(self, rotation: Rotation, successor: InstanceKey) -> bytes:
        """The envelope of a rotation from this key to its successor, signed by both."""
        return seal(rotation.payload(), ROTATION_TYPE, self, successor)


class LiveKey(InstanceKey):
    """The key in a file, whatever key that is at the moment."""

    def __init__(self, path: Path) -> None:
        """The file must be there."""
        self._path = path
        self._seen = _version(path)
        super().__init__(read_private(path))

    def _current(self) -> _Loaded:
        version = _version(self._path)
        if version != self._seen:
            self._loaded, self._seen = _Loaded.of(read_private(self._path)), version
        return self._loaded


def key_file(layout: Layout) -> Path:
    """Where the instance's key lies."""
    return layout.secrets / "instance.key"


def next_key_file(layout: Layout) -> Path:
    """Where the next key lies during a rotation."""
    return layout.secrets / "instance.key.next"


def read_private(path: Path) -> Ed25519PrivateKey:
    """The private key in a file.

    Raises:
        ManifestInvalid: if the file holds another kind of key.
    """
    private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise ManifestInvalid(f"{path.name} holds no Ed25519 key")
    return private


def make_next_key(layout: Layout) -> InstanceKey:
    """The key after this one, on the disk; the same again until it took its place."""
    return InstanceKey.in_file(next_key_file(layout))


def use_next_key(layout: Layout, expected: InstanceId) -> None:
    """Let the key that was put aside take the place of the present one, atomically; nothing happens if it did already."""
    path = next_key_file(layout)
    if path.exists() and InstanceKey(read_private(path)).instance_id == expected:
        path.replace(key_file(layout))
        sync_folder(layout.secrets)


def _version(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns


def seal(payload: bytes, payload_type: str, *keys: InstanceKey) -> bytes:
    """A DSSE envelope with a signature of each key."""
    envelope = Envelope(payload, payload_type, {})
    for key in keys:
        key_id = str(key.instance_id)
        envelope.signatures[key_id] = Signature(key_id, key.private.sign(envelope.pae()).hex())
    return json.dumps(envelope.to_dict(), sort_keys=True).encode()


def _pem(key: InstanceKey) -> bytes:
    return key.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


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
    try:
        envelope = _envelope(envelope_bytes, PAYLOAD_TYPE, MAX_ENVELOPE_BYTES)
        manifest = Manifest.parse(envelope.payload)
        _check_signed(envelope, manifest.origin, manifest.origin_key)
    except ManifestInvalid:
        raise
    except RecordInvalid as error:
        raise ManifestInvalid(f"the manifest cannot be accepted: {error}") from error
    return manifest


def _trusted_payload(envelope_bytes: bytes) -> bytes:
    """The payload of an envelope whose signature was checked when it came: from our own database, never from outside."""
    return base64.b64decode(json.loads(envelope_bytes)["payload"])


def trusted_manifest(envelope_bytes: bytes) -> Manifest:
    """A manifest out of our own database."""
    return Manifest.read_again(_trusted_payload(envelope_bytes))


def trusted_meta(envelope_bytes: bytes) -> MetaRecord:
    """A meta record out of our own database."""
    return MetaRecord.parse(_trusted_payload(envelope_bytes))


def trusted_charter(envelope_bytes: bytes) -> Charter:
    """A charter out of our own database."""
    return Charter.parse(_trusted_payload(envelope_bytes))


def trusted_rotation(envelope_bytes: bytes) -> Rotation:
    """A rotation out of our own database."""
    return Rotation.parse(_trusted_payload(envelope_bytes))


def trusted_checkpoint(envelope_bytes: bytes) -> Checkpoint:
    """A checkpoint out of our own database."""
    return Checkpoint.parse(_trusted_payload(envelope_bytes))


def open_meta(envelope_bytes: bytes) -> MetaRecord:
    """Read a meta record, if its author signed it.

    Raises:
        RecordInvalid: if it is malformed, too large, of another type, or not signed by its author.
    """
    envelope = _envelope(envelope_bytes, META_TYPE, MAX_ENVELOPE_BYTES)
    record = MetaRecord.parse(envelope.payload)
    _check_signed(envelope, record.author, record.author_key)
    return record


def open_charter(envelope_bytes: bytes) -> Charter:
    """Read a charter, if the instance that it is about signed it.

    Raises:
        RecordInvalid: as above.
    """
    envelope = _envelope(envelope_bytes, CHARTER_TYPE, MAX_CHARTER_BYTES)
    charter = Charter.parse(envelope.payload)
    _check_signed(envelope, charter.instance_id, charter.instance_key)
    return charter


def open_rotation(envelope_bytes: bytes) -> Rotation:
    """Read a rotation, if both keys signed it.

    Raises:
        RecordInvalid: as above.
    """
    envelope = _envelope(envelope_bytes, ROTATION_TYPE, MAX_ENVELOPE_BYTES)
    rotation = Rotation.parse(envelope.payload)
    _check_signed(envelope, rotation.old, rotation.old_key)
    _check_signed(envelope, rotation.new, rotation.new_key)
    return rotation


def open_checkpoint(envelope_bytes: bytes) -> Checkpoint:
    """Read a checkpoint, if the instance whose audit log it is about signed it.

    Raises:
        RecordInvalid: as above.
    """
    envelope = _envelope(envelope_bytes, CHECKPOINT_TYPE, MAX_ENVELOPE_BYTES)
    checkpoint = Checkpoint.parse(envelope.payload)
    _check_signed(envelope, checkpoint.instance_id, checkpoint.instance_key)
    return checkpoint


def open_receipt(envelope_bytes: bytes) -> Receipt:
    """Read a receipt, if its witness signed it.

    Raises:
        RecordInvalid: as above.
    """
    envelope = _envelope(envelope_bytes, RECEIPT_TYPE, MAX_ENVELOPE_BYTES)
    receipt = Receipt.parse(envelope.payload)
    _check_signed(envelope, receipt.witness, receipt.witness_key)
    return receipt


def _envelope(envelope_bytes: bytes, payload_type: str, limit: int) -> Envelope:
    if len(envelope_bytes) > limit:
        raise RecordInvalid(f"an envelope of {len(envelope_bytes)} bytes is not read; the limit is {limit}")
    try:
        envelope = Envelope.from_dict(json.loads(envelope_bytes))
    except Exception as error:  # securesystemslib raises KeyError, TypeError, AttributeError, FormatError… on junk
        raise RecordInvalid(f"the envelope is malformed: {type(error).__name__}") from error
    if envelope.payload_type != payload_type:
        raise RecordInvalid(f"the envelope holds no {payload_type}")
    return envelope


def _check_signed(envelope: Envelope, signer: InstanceId, key: bytes) -> None:
    try:
        public_key(key).verify(bytes.fromhex(envelope.signatures[str(signer)].signature), envelope.pae())
    except (KeyError, ValueError, TypeError, AttributeError, InvalidSignature) as error:
        raise RecordInvalid("the record is not signed by whom it says") from error


def decode_key(text: str) -> bytes:
    """Base64 text as raw key bytes.

    Raises:
        ValueError: if it is no base64.
    """
    return base64.b64decode(text, validate=True)
