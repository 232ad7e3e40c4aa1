"""Digests that a sender declares (RFC 9530, `Repr-Digest` and `Content-Digest`), held against the bytes that come."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import http_sf
from werkzeug.datastructures import Headers

from shared.core.errors import DigestMismatch, InvalidInput

FIELDS = ("Repr-Digest", "Content-Digest")
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}
"""Those that are not broken. Others may be declared beside them and are not checked."""


@dataclass
class DeclaredDigests:
    """What the sender says the bytes are, and what they turn out to be."""

    declared: dict[str, bytes]
    hashers: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no bytes."""
        self.hashers = {algorithm: hashlib.new(_ALGORITHMS[algorithm]) for algorithm in self.declared}

    @classmethod
    def of(cls, headers: Headers) -> DeclaredDigests:
        """Read both fields.

        Raises:
            InvalidInput: DIGEST_MALFORMED, if one cannot be read or names no algorithm that is checked.
            DigestMismatch: if they contradict each other.
        """
        declared: dict[str, bytes] = {}
        for name in FIELDS:
            found = _read(name, headers[name]) if name in headers else {}
            if any(declared.get(algorithm, value) != value for algorithm, value in found.items()):
                raise DigestMismatch(" and ".join(FIELDS) + " contradict each other")
            declared |= found
        return cls(declared)

    def update(self, block: bytes) -> None:
        """More bytes came."""
        for hasher in self.hashers.values():
            hasher.update(block)

    def check(self) -> str | None:
        """Compare; the SHA-256 in hex if it was computed.

        Raises:
            DigestMismatch: if a declared digest is not that of the bytes.
        """
        for algorithm, expected in self.declared.items():
            found = self.hashers[algorithm].digest()
            if found != expected:
                raise DigestMismatch(f"{algorithm} of the bytes is {found.hex()}, declared was {expected.hex()}; send the file again")
        return self.hashers["sha-256"].hexdigest() if "sha-256" in self.hashers else None


def _read(name: str, text: str) -> dict[str, bytes]:
    try:
        members: Any = http_sf.parse(text.encode("ascii"), tltype="dictionary")
        found = {algorithm: value[0] for algorithm, value in members.items() if algorithm in _ALGORITHMS}
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise InvalidInput(f"{name} is malformed; write sha-256=:<base64>:", "DIGEST_MALFORMED") from error
    if not found or any(not _fits(algorithm, value) for algorithm, value in found.items()):
        raise InvalidInput(f"{name} holds no usable sha-256 or sha-512 digest", "DIGEST_MALFORMED")
    return found


def _fits(algorithm: str, value: Any) -> bool:
    return isinstance(value, bytes) and len(value) == hashlib.new(_ALGORITHMS[algorithm]).digest_size
