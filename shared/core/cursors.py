"""Cursors of lists: where a page ended, and of which list. They mean nothing to whoever carries them back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json

from shared.core.errors import InvalidInput

Place = tuple[str | int, str]
"""What a list is ordered by, and the id that decides between equals."""


def question(*said: object) -> str:
    """A short name for what a list was asked: order and filters, as JSON has them."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


def write_cursor(asked: str, place: Place) -> str:
    """The cursor behind a place in the list that was asked for so."""
    return base64.urlsafe_b64encode(json.dumps([asked, *place], ensure_ascii=False, separators=(",", ":")).encode()).decode()


def read_cursor(asked: str, text: str, kind: type[str | int] = str) -> Place:
    """The place behind a cursor; lists are ordered by values of that kind.

    Raises:
        InvalidInput: CURSOR_INVALID, if it was not given by this API, or for another order or other filters.
    """
    try:
        said, value, last = json.loads(base64.urlsafe_b64decode(text))
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise _invented() from error
    if said != asked and isinstance(said, str):
        raise InvalidInput(
            "the cursor in `after` belongs to a list with another order or other filters: send the same, or begin without `after`",
            "CURSOR_INVALID",
        )
    if said != asked or type(value) is not kind or type(last) is not str or not _fits(value) or not _fits(last):
        raise _invented()
    return value, last


def _fits(value: str | int) -> bool:
    """Whether a database can be asked for it: JSON has larger numbers, and halves of characters."""
    return value.encode(errors="replace") == value.encode(errors="ignore") if isinstance(value, str) else abs(value) < 1 << 63


def _invented() -> InvalidInput:
    return InvalidInput("the cursor in `after` is not one that this API gave", "CURSOR_INVALID")
