"""Who an instance is: an id that proves its key.

`instance_id` = base32(SHA-256(raw Ed25519 public key)) without padding: 52 characters. People see it in groups with a check
character each, as Syncthing does (Luhn mod N, https://docs.syncthing.net/dev/device-ids.html):
13 + 1 characters, four times, in groups of seven.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from shared.core.errors import InvalidInput

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PLAIN, _CHECKED, _PART, _GROUP = 52, 56, 13, 7


@dataclass(frozen=True, slots=True)
class InstanceId:
    """The 52 characters of an instance's id, valid by construction."""

    text: str

    @classmethod
    def of_key(cls, public_key: bytes) -> InstanceId:
        """The id of the instance that holds this raw Ed25519 public key (32 bytes)."""
        return cls(base64.b32encode(hashlib.sha256(public_key).digest()).decode().rstrip("="))

    @classmethod
    def parse(cls, text: str) -> InstanceId:
        """Read an id, plain or in groups with check characters.

        Raises:
            InvalidInput: INSTANCE_ID_INVALID, if it has another length, alphabet or check character.
        """
        plain = "".join(text.split()).replace("-", "").upper()
        if not set(plain) <= set(_ALPHABET) or len(plain) not in (_PLAIN, _CHECKED):
            raise InvalidInput(
                f"{text[:80]!r} is no instance id: 52 letters and digits, or 56 with check characters", "INSTANCE_ID_INVALID"
            )
        if len(plain) == _PLAIN:
            return cls(plain)
        parts = [plain[i : i + _PART + 1] for i in range(0, _CHECKED, _PART + 1)]
        if any(_check_character(part[:-1]) != part[-1] for part in parts):
            raise InvalidInput(f"{text[:80]!r} is mistyped: a check character does not fit", "INSTANCE_ID_INVALID")
        return cls("".join(part[:-1] for part in parts))

    def belongs_to(self, public_key: bytes) -> bool:
        """True if this is the id of that raw public key."""
        return InstanceId.of_key(public_key) == self

    def grouped(self) -> str:
        """The form for people: eight groups of seven, check characters included."""
        parts = (self.text[i : i + _PART] for i in range(0, _PLAIN, _PART))
        checked = "".join(part + _check_character(part) for part in parts)
        return "-".join(checked[i : i + _GROUP] for i in range(0, _CHECKED, _GROUP))

    def __str__(self) -> str:
        """The plain 52 characters."""
        return self.text


def _check_character(part: str) -> str:
    total, factor = 0, 1
    for character in part:
        addend = factor * _ALPHABET.index(character)
        total += addend // 32 + addend % 32
        factor = 3 - factor
    return _ALPHABET[-total % 32]
