"""Which passwords are good enough, after NIST SP 800-63B, section 3.1.1: long, not obvious, and otherwise as people like."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from shared.core.errors import InvalidInput

MAX_BYTES = 256
_LEFT_CHARACTERS, _DIFFERENT_CHARACTERS = 6, 5
_WORDS = """
    administrator admin password passwort passw0rd p@ssword p@ssw0rd kennwort secret welcome willkommen letmein changeme iloveyou
    monkey dragon football baseball sunshine princess master shadow superman batman trustno1 qwertyuiop qwertzuiop qwerty qwertz
    asdfghjkl asdf yxcvbnm zxcvbnm 1q2w3e4r5t6y 1q2w3e4r 1qaz2wsx zaq12wsx abcdefghijkl abcdef abc 1234567890 0123456789 123456789
    12345678 1234567 123456 12345 1234 123 000000 111111 112233 123123 123321 654321 666666 888888 987654321 odst package munki jamf
"""
"""What common passwords are made of."""


def normalised(password: str) -> str:
    """A password as it is hashed: one form, however the keyboard composed its characters."""
    return unicodedata.normalize("NFKC", password)


def checked_password(password: Any, least_characters: int, known: Iterable[str]) -> str:
    """A new password, normalised; `known` are names that whoever guesses knows too.

    Raises:
        InvalidInput: PASSWORD_WEAK, saying what to do.
    """
    text = normalised(password) if isinstance(password, str) else ""
    if len(text) < least_characters:
        raise InvalidInput(f"a password has at least {least_characters} characters; a few words in a row are easy to keep", "PASSWORD_WEAK")
    if len(text.encode()) > MAX_BYTES:
        raise InvalidInput(f"a password has at most {MAX_BYTES} bytes in UTF-8", "PASSWORD_WEAK")
    if is_obvious(text, known):
        raise InvalidInput(
            "this password is among the first that are guessed; take words that have nothing to do with you", "PASSWORD_WEAK"
        )
    return text


def is_obvious(password: str, known: Iterable[str]) -> bool:
    """True if little is left when common words and known names are taken out, or if it repeats few characters."""
    left = password.casefold()
    parts = {part for name in known for part in re.split(r"[\s._@-]+", name.casefold()) if len(part) > 2}  # noqa: PLR2004 - of any use
    for word in sorted({*parts, *_WORDS.split()}, key=len, reverse=True):
        left = left.replace(word, "")
    return len(left) < _LEFT_CHARACTERS or len(set(left)) < _DIFFERENT_CHARACTERS
