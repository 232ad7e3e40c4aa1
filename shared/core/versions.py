"""Versions of single things: whoever changes one can ask that it still is as they saw it (RFC 9110, 13.1).

::

    "4c1f…a2.90be…17"       an entity tag
       │        └── all of the answer: for If-None-Match, which asks whether it is the same to the last byte
       └── the version: all of it but what changes by itself; for If-Match, which asks whether somebody changed it

The service that keeps a thing compares versions, within the transaction of the change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from shared.core.errors import PreconditionFailed

PACKAGE: Final = frozenset({"state", "bytes_here", "remove_after", "received_from", "published", "error", "url"})
"""Fields of a package that change without anybody changing it, or that the gateway adds. `tags`, `deleted` and `raised` say the rest."""
PEER: Final = frozenset({"protocol", "behind", "last_contact", "last_pull", "last_error", "clock_skew_seconds", "banned_until"})
"""The same, of a peer."""
PERSON: Final = frozenset({"groups", "last_login"})
"""Of a person."""
PROMOTION: Final[frozenset[str]] = frozenset()
"""Of a promotion: that it was done by itself matters to who wants to reject it."""
TRANSFER: Final = frozenset({"state", "bytes_done", "bytes_fetched", "finished"})
"""Of a transfer: `paused`, `priority`, and who cancelled it (`error`) are what people decide."""
SUBSCRIPTION: Final = frozenset({"changed", "secret_readable"})
"""Of a subscription. That it was disabled matters to who wants to resume it."""
ANY: Final = "*"
"""Expected by whom any version is right, as long as the thing is there."""
_DIGITS = 32


def version_of(document: Mapping[str, Any], by_itself: Collection[str]) -> str:
    """The version of a thing that is described so: a digest of all but the fields that change by themselves."""
    return _digest({name: value for name, value in document.items() if name not in by_itself})


def tag_of(document: Mapping[str, Any], by_itself: Collection[str]) -> str:
    """The entity tag of a thing that is described so, without its quotes."""
    return f"{version_of(document, by_itself)}.{_digest(document)}"


def version_in(tag: str) -> str:
    """The version that an entity tag is about; `tag` has no quotes."""
    return tag.partition(".")[0]


def check_expected(expected: object, document: Mapping[str, Any], by_itself: Collection[str]) -> None:
    """Let pass what is as it was expected: one of these versions, or anything, if nothing is expected. Ask within the transaction.

    Raises:
        PreconditionFailed: if it has another version.
    """
    if expected is None:
        return
    present = version_of(document, by_itself)
    if not isinstance(expected, list) or not {ANY, present}.intersection(map(str, expected)):
        raise PreconditionFailed(f'it was changed since it was looked at: look again, and decide again; its tag is "{present}" now')


def _digest(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_DIGITS]
