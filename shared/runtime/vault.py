"""Secrets that a service has to be able to read again, encrypted by keys that are not in its database.

AES-256-GCM. A secret is bound to its place (service, table, column, row): copied to another place it does not open. Its text is

::

    enc1:<key id>:<base64url of nonce and ciphertext>

Keys are lines of a file, 32 bytes in base64 each. The first one encrypts, all of them decrypt; so a key is replaced by putting another
one before it. Who has the file open notices when it was replaced.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.core.errors import SecretUnreadable
from shared.runtime.logging import get_logger
from shared.runtime.secret_files import replace_file, write_once
from shared.runtime.settings import ConfigurationError

log = get_logger(__name__)
_KEY_BYTES = 32
_NONCE_BYTES = 12
_FORM = re.compile(r"enc1:([0-9a-f]{8}):([A-Za-z0-9_-]{38,})")
"""At least a nonce and a tag."""


class Place(NamedTuple):
    """Where a secret is kept."""

    service: str
    table: str
    column: str
    row: str

    def bound(self) -> bytes:
        """What is authenticated beside the secret."""
        return json.dumps(["odst-secret-1", *self], separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A secret as it is stored."""

    text: str = field(repr=False)

    @property
    def key_id(self) -> str | None:
        """Which key opens it; None if it is no encrypted text."""
        found = _FORM.fullmatch(self.text)
        return found[1] if found else None


class VaultKey:
    """One key. Its id says nothing about it."""

    def __init__(self, key: bytes) -> None:
        """Of 32 bytes."""
        self.key_id = hashlib.sha256(b"odst-vault-key-id-1|" + key).hexdigest()[:8]
        self._cipher = AESGCM(key)

    def encrypt(self, plain: str, place: Place) -> Encrypted:
        """Encrypt for one place."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, plain.encode(), place.bound())
        return Encrypted(f"enc1:{self.key_id}:{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}")

    def decrypt(self, encrypted: Encrypted, place: Place) -> str:
        """Read what this key encrypted for this place.

        Raises:
            SecretUnreadable: if it did not, or the text was changed.
        """
        text = encrypted.text.rpartition(":")[2]
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.bound()).decode()
        except (InvalidTag, ValueError) as error:
            raise SecretUnreadable(f"{_told(place)} was changed, or belongs to another row: give that secret anew") from error


class Vault:
    """Encrypts and decrypts by the keys in a file, whatever keys those are at the moment."""

    def __init__(self, path: Path) -> None:
        """Read the keys.

        Raises:
            ConfigurationError: if the file is not there or not what it should be.
        """
        self._path = path
        self._seen = _version(path)
        self._keys = read_keys(path)

    @classmethod
    def load_or_create(cls, path: Path) -> Vault:
        """With the keys in the file; made with one key if it is not there. Safe when several services start at once.

        Raises:
            ConfigurationError: as above.
        """
        if not path.exists():
            write_once(path, _new_line())
        return cls(path)

    @property
    def newest(self) -> str:
        """Id of the key that encrypts."""
        return next(iter(self._current()))

    def encrypt(self, plain: str, place: Place) -> Encrypted:
        """Encrypt by the newest key."""
        return next(iter(self._current().values())).encrypt(plain, place)

    def decrypt(self, encrypted: Encrypted, place: Place) -> str:
        """Read what any of the keys encrypted for this place.

        Raises:
            SecretUnreadable: if its key is not there, or it was changed, or moved here from another place.
        """
        key = self._current().get(encrypted.key_id or "")
        if key is None:
            raise SecretUnreadable(f"{_told(place)} cannot be read: key {encrypted.key_id} is not in {self._path.name}; put it back there")
        return key.decrypt(encrypted, place)

    def _current(self) -> Mapping[str, VaultKey]:
        try:
            version = _version(self._path)
            if version != self._seen:
                self._keys, self._seen = read_keys(self._path), version
                log.info("vault_keys_changed", key_ids=list(self._keys))
        except ConfigurationError as error:
            # Who has the keys goes on with them: a file that is just being moved or edited must not stop anything.
            log.warning("vault_keys_not_read", reason=str(error))
        return self._keys


def _told(place: Place) -> str:
    return f"the {place.column} of {place.table} {place.row} in {place.service}"


def _version(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise ConfigurationError(f"the key file {path} cannot be read: {error.strerror}") from error
    return stat.st_ino, stat.st_mtime_ns


def read_keys(path: Path) -> dict[str, VaultKey]:
    """The keys in a file by their ids, the newest first.

    Raises:
        ConfigurationError: naming the line that is no key, and never what is in it.
    """
    found = [VaultKey(_key_in(line, path, number)) for number, line in _lines(path)]
    if not found:
        raise ConfigurationError(f"the key file {path} holds no key; put the right one back, or remove the file to have one made")
    return {key.key_id: key for key in found}


def add_key(path: Path) -> str:
    """Put a new key before all others; its id. Who uses the file notices.

    Raises:
        ConfigurationError: if the file cannot be read, or not be replaced.
    """
    line = _new_line()
    read_keys(path)
    _replace(path, line + path.read_bytes())
    return next(iter(read_keys(path)))


def drop_key(path: Path, key_id: str) -> None:
    """Take a key away, for good.

    Raises:
        ConfigurationError: if it is not there, or is the one that encrypts; or as above.
    """
    known = list(read_keys(path))
    if key_id not in known[1:]:
        raise ConfigurationError(f"{key_id} is no older key of {path.name}: these are {', '.join(known[1:]) or 'none'}")
    kept = [line for number, line in _lines(path) if VaultKey(_key_in(line, path, number)).key_id != key_id]
    _replace(path, "".join(f"{line}\n" for line in kept).encode())


def _replace(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content)
    except OSError as error:
        told = "if it is mounted here from elsewhere, change it there, a key on each line"
        raise ConfigurationError(f"the key file {path} cannot be replaced: {error.strerror}; {told}") from error


def _new_line() -> bytes:
    return base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n"


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the key file {path} cannot be read: {type(error).__name__}") from error
    numbered = enumerate((line.strip() for line in text.splitlines()), 1)
    return [(number, line) for number, line in numbered if line and not line.startswith("#")]


def _key_in(line: str, path: Path, number: int) -> bytes:
    try:
        key = base64.b64decode(line, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(
            f"line {number} of the key file {path} is no key, which is 32 random bytes in base64 (openssl rand -base64 32)"
        )
    return key
