"""Passwords by Argon2id, with the parameters that RFC 9106 recommends for little memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from shared.core.errors import ServiceUnavailable
from shared.runtime.offload import offload


class Argon2Passwords:
    """`Passwords` by argon2-cffi, hashed away from the hub; a few at once, because each takes 64 MiB and all processors."""

    def __init__(self, at_once: int, waiting: int) -> None:
        """So many are hashed at once, and so many more wait for their turn. Parameters are part of each hash, and may change later."""
        self._hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._places = threading.Semaphore(at_once)
        self._room = threading.Semaphore(at_once + waiting)

    def hash(self, password: str) -> str:
        """A salted Argon2id hash in its standard text form.

        Raises:
            ServiceUnavailable: PASSWORDS_BUSY, if too many wait already.
        """
        with self._turn():
            return offload(self._hasher.hash, password)

    def verify(self, password_hash: str, password: str) -> bool:
        """True if the hash was made from this password.

        Raises:
            ServiceUnavailable: as above.
        """
        with self._turn():
            return offload(self._verified, password_hash, password)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        # Who waits holds a worker of the service, and tokens need workers too.
        if not self._room.acquire(blocking=False):
            raise ServiceUnavailable("too many passwords are being checked just now: try again in some seconds", "PASSWORDS_BUSY")
        try:
            with self._places:
                yield
        finally:
            self._room.release()

    def _verified(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, password_hash: str) -> bool:
        """True if today's parameters are others."""
        return self._hasher.check_needs_rehash(password_hash)
