"""Reading small JSON bodies and queries of which nothing is trusted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from flask import request
from gunicorn.http.errors import ParseException
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shared.contracts.admin.base import Body, Query
from shared.core.errors import InvalidInput

MAX_JSON_BYTES = 64 * 1024
BODY_ERRORS = (OSError, ParseException)
"""What reading a body raises when the connection breaks, or its chunks are malformed."""

B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Query)


def read(model: type[B]) -> B:
    """The request's JSON body as `model`.

    Raises:
        InvalidInput: BODY_INVALID, naming every field that is wrong; ENCODING_UNSUPPORTED.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InvalidInput("send the JSON as it is, without Content-Encoding", "ENCODING_UNSUPPORTED")
    try:
        return model.model_validate_json(read_small() or b"{}")
    except ValidationError as error:
        raise InvalidInput(f"the body cannot be used: {_faults(error, 'body', model)}"[:1000], "BODY_INVALID") from error


def read_query(model: type[Q], among: Collection[str] | None = None) -> Q:
    """The request's query as `model`; only the parameters of these names, if a stranger adds others.

    Raises:
        InvalidInput: QUERY_INVALID, naming every parameter that is wrong, unknown, or there twice.
    """
    given = {name: values for name, values in request.args.lists() if among is None or name in among}
    twice = sorted(name for name, values in given.items() if len(values) > 1 and name not in model.several)
    if twice:
        raise InvalidInput(f"the query cannot be used: {', '.join(twice)[:200]}: given more than once", "QUERY_INVALID")
    if any("\0" in value for values in given.values() for value in values):
        raise InvalidInput("the query cannot be used: a value has a NUL", "QUERY_INVALID")
    try:
        return model.model_validate_strings({name: ",".join(values) for name, values in given.items()})
    except ValidationError as error:
        raise InvalidInput(f"the query cannot be used: {_faults(error, 'query', model)}"[:1000], "QUERY_INVALID") from error


def _faults(error: ValidationError, whole: str, model: type[BaseModel]) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or whole}: {_said(fault, model)}" for fault in faults)


def _said(fault: ErrorDetails, model: type[BaseModel]) -> str:
    if fault["type"] != "extra_forbidden":
        return fault["msg"]
    if len(fault["loc"]) > 1:
        return "is not known here"
    known = sorted(field.alias or name for name, field in model.model_fields.items())
    return f"is not known here; there are {', '.join(known)}" if known else "is not known here; this call takes none"


def read_small() -> bytes:
    """The request's body, if it is not too long.

    Raises:
        InvalidInput: BODY_INVALID, if it cannot be read to its end.
        werkzeug's RequestEntityTooLarge: if it is too long; the limit is set before the first byte is read.
    """
    request.max_content_length = MAX_JSON_BYTES
    try:
        return request.get_data()
    except BODY_ERRORS as error:
        raise InvalidInput(f"the body cannot be read: {type(error).__name__}", "BODY_INVALID") from error


def whole_number(name: str, default: int, least: int, most: int) -> int:
    """A number from the query.

    Raises:
        InvalidInput: QUERY_INVALID, if it is no number in range.
    """
    text: Any = request.args.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18 or not least <= int(text) <= most:  # noqa: PLR2004
        raise InvalidInput(f"{name} must be a whole number from {least} to {most}", "QUERY_INVALID")
    return int(text)


def split(text: str | None) -> list[str]:
    """The parts of a comma-separated list (RFC 9110, section 5.6.1: empty ones are nothing)."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]
