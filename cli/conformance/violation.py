"""How a check says that something is not as the page has it."""

from __future__ import annotations

from typing import Any

_LONGEST = 200


class Violation(Exception):
    """The instance does not do as the page says. Its text is for people."""

    def __init__(self, expected: str, seen: Any) -> None:
        """What the page says, and what was seen instead."""
        super().__init__(f"expected {expected}; got {str(seen)[:_LONGEST]}")


class NothingToCheck(Exception):
    """There is nothing at the instance to try this on. Its text says what would have to be there."""


def require(condition: object, expected: str, seen: Any) -> None:
    """Go on only if this is so.

    Raises:
        Violation: if it is not.
    """
    if not condition:
        raise Violation(expected, seen)
