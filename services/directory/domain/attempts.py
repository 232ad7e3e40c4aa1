"""What somebody types to log in, before anybody is asked about it."""

from __future__ import annotations

import unicodedata
from typing import Any

from shared.core.errors import Unauthenticated

REFUSAL = "the name or the password is wrong, or this account may not log in"
"""The one sentence for whoever is refused, whatever the reason was."""
MAX_NAME_CHARACTERS = 256
MAX_PASSWORD_BYTES = 1024
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})


def check_attempt(name: Any, password: Any) -> None:
    """Let pass a name and a password that somebody could have.

    An empty password never passes: to a directory it means that nobody in particular asks, which many of them allow
    (RFC 4513, 5.1.2). Names have one spelling as far as it can be told here: no space around them, nothing that is not seen.

    Raises:
        Unauthenticated: in the sentence for everybody.
    """
    if not (is_possible_name(name) and _is_possible_password(password)):
        raise Unauthenticated(REFUSAL)


def is_possible_name(name: Any) -> bool:
    """True for 1 to 256 visible characters without space around them."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARACTERS or name != name.strip():
        return False
    return not any(unicodedata.category(character) in _UNSEEN for character in name)


def _is_possible_password(password: Any) -> bool:
    if not isinstance(password, str) or not password or "\x00" in password:
        return False
    try:
        return len(password.encode()) <= MAX_PASSWORD_BYTES
    except UnicodeEncodeError:
        return False
