"""Header fields of tus 1.0 (https://tus.io/protocols/resumable-upload), of which nothing is trusted."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import Headers

from services.api_gateway.http.bodies import split
from shared.core.digest import Digest
from shared.core.errors import DigestMismatch, InvalidInput

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
ALGORITHMS = ("sha1", "sha256")
MAX_METADATA = 4096
"""Characters of `Upload-Metadata`."""
_MAX_DIGITS = 18
_MAX_PAIRS = 32
_KEY = re.compile(r"[!-+\--~]{1,100}", re.ASCII)
"""Printable, without space and comma."""


def number(headers: Headers, name: str) -> int:
    """A whole number that must be there.

    Raises:
        InvalidInput: HEADER_INVALID.
    """
    text = headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise InvalidInput(f"{name} must be a whole number of bytes, not {text[:40]!r}", "HEADER_INVALID")
    return int(text)


@dataclass(frozen=True)
class Metadata:
    """What the sender says about an upload."""

    text: str
    """Verbatim."""
    name: str
    tags: list[str]
    sha256: str | None

    @classmethod
    def of(cls, headers: Headers) -> Metadata:
        """Read `Upload-Metadata`: `filename` (or `name`), `tags` with commas, `sha256` in hex. Other keys are kept, and mean nothing.

        Raises:
            InvalidInput: METADATA_INVALID, if it cannot be read; NAME_INVALID, if it has no name; DIGEST_MALFORMED.
        """
        text = headers.get("Upload-Metadata", "")
        pairs = _pairs(text)
        name = pairs.get("filename") or pairs.get("name")
        if not name:
            raise InvalidInput("the package has no name: give `filename` in Upload-Metadata", "NAME_INVALID")
        declared = pairs.get("sha256")
        return cls(text, name, split(pairs.get("tags")), Digest.parse(f"sha256:{declared}").hex if declared else None)


def _pairs(text: str) -> dict[str, str]:
    if len(text) > MAX_METADATA:
        raise InvalidInput(f"Upload-Metadata is longer than {MAX_METADATA} characters", "METADATA_INVALID")
    found: dict[str, str] = {}
    for pair in text.split(",") if text else []:
        key, _, value = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in found or len(found) >= _MAX_PAIRS:
            raise InvalidInput("Upload-Metadata is a list of different keys, each with a value in base64 after a space", "METADATA_INVALID")
        found[key] = _decoded(key, value)
    return found


def _decoded(key: str, value: str) -> str:
    try:
        return base64.b64decode(value.encode("ascii"), validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise InvalidInput(f"the value of {key[:40]!r} in Upload-Metadata is not UTF-8 in base64", "METADATA_INVALID") from error


@dataclass
class Checksum:
    """What the sender says the bytes of one request are, and what they turn out to be."""

    algorithm: str
    expected: bytes
    hasher: Any = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no bytes."""
        self.hasher = hashlib.new(self.algorithm, usedforsecurity=False)

    @classmethod
    def of(cls, headers: Headers) -> Checksum | None:
        """Read `Upload-Checksum`: an algorithm, a space, the digest in base64.

        Raises:
            InvalidInput: CHECKSUM_UNSUPPORTED or CHECKSUM_MALFORMED.
        """
        text = headers.get("Upload-Checksum")
        if text is None:
            return None
        algorithm, _, value = text.partition(" ")
        if algorithm not in ALGORITHMS:
            raise InvalidInput(f"Upload-Checksum has one of {', '.join(ALGORITHMS)}, not {algorithm[:40]!r}", "CHECKSUM_UNSUPPORTED")
        made = cls(algorithm, _digest(value))
        if len(made.expected) != made.hasher.digest_size:
            raise InvalidInput(f"the value in Upload-Checksum is no {algorithm} in base64", "CHECKSUM_MALFORMED")
        return made

    def update(self, block: bytes) -> None:
        """More bytes came."""
        self.hasher.update(block)

    def check(self) -> None:
        """Compare.

        Raises:
            DigestMismatch: CHECKSUM_MISMATCH.
        """
        if self.hasher.digest() != self.expected:
            found = self.hasher.hexdigest()
            raise DigestMismatch(
                f"the {self.algorithm} of these bytes is {found}, another was declared; send them again", "CHECKSUM_MISMATCH"
            )


def _digest(value: str) -> bytes:
    try:
        return base64.b64decode(value.strip().encode("ascii"), validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidInput("the value in Upload-Checksum is not in base64", "CHECKSUM_MALFORMED") from error
