"""Passwords by Argon2id, with the parameters that RFC 9106 recommends for little memory."""

from __future__ import annotations

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from shared.runtime.offload import offload

_AT_ONCE = 4


class Argon2Passwords:
    """`Passwords` by argon2-cffi, hashed away from the hub; a few at once, because each takes 64 MiB."""

    def __init__(self) -> None:
        """Parameters are part of each hash, so they may change later."""
        self._hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._places = threading.Semaphore(_AT_ONCE)

    def hash(self, password: str) -> str:
        """A salted Argon2id hash in its standard text form."""
        with self._places:
            return offload(self._hasher.hash, password)

    def verify(self, password_hash: str, password: str) -> bool:
        """True if the hash was made from this password."""
        with self._places:
            return offload(self._verified, password_hash, password)

    def _verified(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, password_hash: str) -> bool:
        """True if today's parameters are others."""
        return self._hasher.check_needs_rehash(password_hash)
