"""What a door takes and answers, said beside it: the OpenAPI document, the rights table and the tests read it there.

A door of the API that says nothing of a query takes none: it is refused there, so that a typing error shows. Addresses outside of `/api/`
are for machines that add parameters of their own, such as probes, and are lenient.

::

    @api.post("/tokens")                                    where
    @guard.requires("administer")                           for whom
    @described(body=TokenWish, answers={201: NewToken})     what
    def create_token() -> ...:
        \"\"\"Make a token.\"\"\"                              why: the first line is its summary
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from flask import request

from services.api_gateway.http.bodies import read_query
from shared.contracts.admin.base import Answer, Body, NoQuery, Query

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "odst_description"
BYTES = "application/octet-stream"
STREAM = "text/event-stream"
JSON = "application/json"
FORM = "multipart/form-data"
_STRICT = "/api/"


@dataclass(frozen=True)
class Description:
    """One operation of the API."""

    answers: Mapping[int, type[Answer] | str | tuple[str, ...] | None]
    """By status: a model, a media type or several, or nothing."""
    body: type[Body] | None = None
    query: type[Query] | None = None
    takes: str = JSON
    """Media type of the body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header fields that the caller may send, and what they mean."""
    text: str = ""
    """What it does: its first line is the summary."""

    @property
    def summary(self) -> str:
        """One sentence."""
        return self.text.partition("\n")[0]

    @property
    def more(self) -> str:
        """What is to be said beyond the summary; mostly nothing."""
        return " ".join(self.text.partition("\n")[2].split())


def described(
    *,
    answers: Mapping[int, type[Answer] | str | tuple[str, ...] | None],
    body: type[Body] | None = None,
    query: type[Query] | None = None,
    takes: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> Callable[[F], F]:
    """Decorator: says what a door takes and answers. Its docstring says what it does. Without `query`, one is refused (QUERY_INVALID)."""

    def decorate(view: F) -> F:
        told = view if query else _without_query(view)
        setattr(told, _ATTRIBUTE, Description(answers, body, query, takes, headers or {}, inspect.getdoc(view) or ""))
        return told

    return decorate


def _without_query(view: F) -> F:
    @functools.wraps(view)
    def strict(*args: Any, **kwargs: Any) -> Any:
        if request.path.startswith(_STRICT):
            read_query(NoQuery)
        return view(*args, **kwargs)

    return strict  # type: ignore[return-value]


def also_takes(view: Any, headers: Mapping[str, str]) -> None:
    """Say that a described door takes these header fields too; for decorators around it, which are functions of their own."""
    description: Description = getattr(view, _ATTRIBUTE)
    setattr(view, _ATTRIBUTE, replace(description, headers={**description.headers, **headers}))


def also_answers(view: Any, answers: Mapping[int, type[Answer] | None]) -> None:
    """Say that a described door answers so, too."""
    description: Description = getattr(view, _ATTRIBUTE)
    setattr(view, _ATTRIBUTE, replace(description, answers={**description.answers, **answers}))


def description_of(view: Any) -> Description | None:
    """What was said beside a door, if anything; decorators around it keep it."""
    found: Description | None = getattr(view, _ATTRIBUTE, None)
    return found


def right_of(view: Any) -> str | None:
    """The right that a door asks for; none if it is open."""
    found: str | None = getattr(view, "odst_right", None)
    return found
