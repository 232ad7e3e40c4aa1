"""Event patterns: which events a subscription, or whoever follows events, wants.

`package.published` names an event in all its versions, `package.published.v1` in one; `*` stands for one word (`package.*`), and
alone for everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from shared.core.errors import InvalidInput

MAX_PATTERNS = 50
_WORD = r"(\*|[a-z][a-z0-9_]*)"
_FORM = re.compile(rf"\*|{_WORD}(\.{_WORD}){{1,2}}")
_VERSION = re.compile(r"\.v\d+$")


def matches(pattern: str, event_type: str) -> bool:
    """True if `pattern` means this type, such as `package.published.v1`, with or without its version."""
    if pattern == "*":
        return True
    expression = re.compile(r"\.".join("[^.]+" if word == "*" else re.escape(word) for word in pattern.split(".")))
    return any(expression.fullmatch(form) for form in (event_type, _VERSION.sub("", event_type)))


def checked_patterns(value: Any, told: Iterable[str]) -> tuple[str, ...]:
    """Patterns from outside, each once, in order. `told` are the types of the events that can be told.

    Raises:
        InvalidInput: EVENT_PATTERN_INVALID, if there are none or too many, or one is malformed or means no event.
    """
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MAX_PATTERNS:
        raise InvalidInput(f"events is a list of 1 to {MAX_PATTERNS} patterns such as package.*", "EVENT_PATTERN_INVALID")
    types = sorted(told)
    for pattern in value:
        if not isinstance(pattern, str) or not _FORM.fullmatch(pattern) or not any(matches(pattern, known) for known in types):
            raise InvalidInput(f"{str(pattern)[:80]!r} means no event; there are {', '.join(types)}", "EVENT_PATTERN_INVALID")
    return tuple(dict.fromkeys(value))
