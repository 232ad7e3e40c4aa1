"""What the page of the API's description needs besides the document: subjects in order, and text as HTML."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from markupsafe import Markup, escape

_CODE = re.compile(r"`([^`\n]+)`")
_AS_CODE = Markup("<code>{}</code>")
_BREAK = Markup("<wbr>/")


def by_subject(document: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The operations of an OpenAPI document under their first tag, in the order of their paths."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found.setdefault(operation["tags"][0], []).append({"method": method.upper(), "path": path, "operation": operation})
    return sorted(found.items())


def as_code(text: str) -> Markup:
    """Plain text in which `…` is code."""
    parts = enumerate(_CODE.split(text))  # every second one stood between backticks
    return Markup().join(_AS_CODE.format(part) if number % 2 else part for number, part in parts)


def breakable(path: str) -> Markup:
    """A path that a browser may break before each slash, and nowhere else."""
    return escape(path).replace("/", _BREAK)


FILTERS: dict[str, Callable[..., Any]] = {"by_subject": by_subject, "as_code": as_code, "breakable": breakable}
"""For Jinja2, by name."""
