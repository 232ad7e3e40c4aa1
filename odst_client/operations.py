"""Which method is which operation of the API, and what all groups of them have in common.

::

    class Tokens(Group):
        @operation("POST", "/api/v1/tokens", creates=True)
        def create(self, name: str, role: Role) -> NewToken:
            \"\"\"Make an API token.\"\"\"
            return self._read(self.create, NewToken, wish(TokenWish, name=name, role=role))

Method and path stand in the decorator and nowhere else: a request is made from what the method was decorated with. A test holds
the operations to the OpenAPI document of the gateway.
"""

from __future__ import annotations

import datetime as dt
import inspect
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import requests
from pydantic import ValidationError

from odst_client.failures import CallFailed, malformed, unsendable, unwritable
from odst_client.transport import Transport
from shared.contracts.admin.base import LENIENT, Answer, Body

F = TypeVar("F", bound=Callable[..., Any])
A = TypeVar("A", bound=Answer)
_ATTRIBUTE = "odst_operation"
KEY_HEADER = "Idempotency-Key"
_REPEATED = frozenset({"GET", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True)
class Operation:
    """One operation of the Admin API."""

    method: str
    path: str
    """With `{parameters}`."""
    creates: bool = False
    """Whether doing it twice makes two; then it is sent with an Idempotency-Key, and what is sent twice is done once."""
    once: bool = False
    """Whether it is not tried again, although it could be."""

    @property
    def repeats(self) -> bool:
        """Whether it may be sent again when nobody knows whether it arrived."""
        return not self.once and (self.method in _REPEATED or self.creates)

    def __str__(self) -> str:
        """As the OpenAPI document has it."""
        return f"{self.method} {self.path}"

    def at(self, **parameters: str) -> str:
        """Its path with these parameters."""
        return self.path.format(**{name: segment(text) for name, text in parameters.items()})


def operation(method: str, path: str, *, creates: bool = False, once: bool = False) -> Callable[[F], F]:
    """Decorator: says which operation of the API a method is."""

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, Operation(method, path, creates, once))
        return function

    return mark


def operation_of(method: Callable[..., Any]) -> Operation:
    """Which one a method is."""
    found: Operation = getattr(method, _ATTRIBUTE)
    return found


def operations_of(group: object) -> Iterator[tuple[Operation, Callable[..., Any]]]:
    """All operations of a group (an object or a class), with their methods."""
    for _, method in inspect.getmembers(group, lambda member: hasattr(member, _ATTRIBUTE)):
        yield operation_of(method), method


class Group:
    """Operations on one subject."""

    def __init__(self, transport: Transport) -> None:
        """Asks over this."""
        self._transport = transport

    def _read(
        self,
        method: Callable[..., Any],
        model: type[A],
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        if_match: str | None = None,
        **parameters: str,
    ) -> A:
        """Do the operation that `method` is; what was answered."""
        answer = self._done(method, parameters, body, query, if_match)
        return read(self._transport.url, model, answer).with_etag(answer.headers.get("ETag"))

    def _do(
        self, method: Callable[..., Any], body: Mapping[str, Any] | None = None, if_match: str | None = None, **parameters: str
    ) -> None:
        """Do the operation that `method` is, which answers nothing."""
        self._done(method, parameters, body, None, if_match)

    def _done(
        self,
        method: Callable[..., Any],
        parameters: Mapping[str, str],
        body: Mapping[str, Any] | None,
        query: Mapping[str, Any] | None,
        if_match: str | None,
    ) -> requests.Response:
        asked = operation_of(method)
        headers = given({KEY_HEADER: str(uuid.uuid4()) if asked.creates else None, "If-Match": if_match})
        arguments: dict[str, Any] = {"params": in_query(query or {}), "headers": headers}
        if asked.method in ("POST", "PATCH"):
            arguments["json"] = dict(body or {})
        # Done and sent again, it would be refused: what it was done to is no longer what it was.
        repeats = asked.repeats and if_match is None
        return self._transport.done(asked.method, asked.at(**parameters), repeats=repeats, **arguments)


def read(url: str, model: type[A], answer: requests.Response) -> A:
    """An answer as `model`. What a newer instance says beyond that is ignored.

    Raises:
        CallFailed: ANSWER_MALFORMED.
    """
    try:
        return model.model_validate_json(answer.content, context=LENIENT)
    except ValidationError as error:
        raise malformed(url, error) from error


def wish(model: type[Body], **fields: Any) -> dict[str, Any]:
    """A body of these fields; those that are None are left out.

    Raises:
        CallFailed: BODY_INVALID, if the instance would refuse it.
    """
    try:
        return model(**given(fields)).model_dump(mode="json", by_alias=True, exclude_unset=True)
    except ValidationError as error:
        raise unsendable(error) from error


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def in_query(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same, as text in a query: times in RFC 3339, lists with commas."""
    return {name: _said(value) for name, value in given(fields).items()}


def _said(value: Any) -> Any:
    match value:
        case bool():
            return str(value).lower()
        case dt.datetime():
            return value.isoformat().replace("+00:00", "Z")
        case list() | tuple():
            return ",".join(value)
    return value


def segment(text: str) -> str:
    """`text` as one segment of a URL's path.

    Raises:
        CallFailed: BODY_INVALID, if it is empty, and so would be about another thing; or cannot be written in UTF-8.
    """
    if not text:
        raise CallFailed("BODY_INVALID", "this cannot be sent: an empty name or id names nothing")
    try:
        return quote(text, safe="")
    except UnicodeError as error:
        raise unwritable() from error
