"""Reading small JSON bodies of which nothing is trusted."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from flask import request
from gunicorn.http.errors import ParseException
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from shared.core.errors import InvalidInput
from shared.core.staging import MAX_TAGS

MAX_JSON_BYTES = 64 * 1024
BODY_ERRORS = (OSError, ParseException)
"""What reading a body raises when the connection breaks, or its chunks are malformed."""

TagList = Annotated[list[Annotated[str, StringConstraints(max_length=60)]], Field(max_length=MAX_TAGS)]
"""Staging tags in a JSON body. Which of them there are, the service that keeps them says."""


class Body(BaseModel):
    """Base of all request bodies: unknown fields and other types are refused, so that a typing error shows."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


B = TypeVar("B", bound=Body)


def read(model: type[B]) -> B:
    """The request's JSON body as `model`.

    Raises:
        InvalidInput: BODY_INVALID, naming every field that is wrong.
    """
    try:
        return model.model_validate_json(read_small() or b"{}")
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in error.errors(include_url=False))
        raise InvalidInput(f"the body cannot be used: {faults}"[:1000], "BODY_INVALID") from error


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


def page_limit() -> int:
    """How many items a list shall have: `limit` of the query.

    Raises:
        InvalidInput: as above.
    """
    return whole_number("limit", 100, 1, 1000)
