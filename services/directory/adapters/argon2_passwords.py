"""Passwords by Argon2id, with the parameters that RFC 9106 recommends for little memory."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.profiles import RFC_9106_LOW_MEMORY

from shared.runtime.offload import offload


class Argon2Passwords:
    """`Passwords` by argon2-cffi, hashed away from the hub."""

    def __init__(self) -> None:
        """Parameters are part of each hash, so they may change later."""
        self._hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)

    def hash(self, password: str) -> str:
        """A salted Argon2id hash in its standard text form."""
        return offload(self._hasher.hash, password)
