"""What somebody looked at must still be so when they change it: `ETag`, `If-None-Match` and `If-Match` (RFC 9110, 13.1).

::

    @api.get("/peers/<peer_id>")                   @api.patch("/peers/<peer_id>")
    @guard.requires("view")                        @guard.requires("administer")
    @shows(PEER)                                   @changes(PEER)
    @described(answers={200: Peer})                @described(body=PeerChange, answers={200: Peer})
    def show_peer(peer_id: str) -> Response:       def change_peer(peer_id: str) -> Response:
        ...                                            services.call(…, expected=g.expected)

The service compares, within the transaction of the change: between a look and a change by the gateway others could come.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from flask import Response, g, make_response, request

from services.api_gateway.http.describing import also_answers, also_takes
from shared.core.versions import ANY, tag_of, version_in

F = TypeVar("F", bound=Callable[..., Any])
IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
_IF_MATCH_TEXT = "entity tags, one of which it must have: otherwise 412, and nothing is changed; `*`: it is there"
_IF_NONE_MATCH_TEXT = "entity tags of what is known: 304, if it is the same to the last byte"


def shows(by_itself: Collection[str]) -> Callable[[F], F]:
    """Decorator, below the guard and above `described`: the door shows one thing, with its tag.

    `by_itself` are the fields that change without anybody changing the thing (`shared/core/versions.py`).
    """

    def decorate(view: F) -> F:
        @functools.wraps(view)
        def shown(*args: Any, **kwargs: Any) -> Response:
            answer = _tagged(view(*args, **kwargs), by_itself)
            answer.make_conditional(request)  # makes it a 304, if that fits
            return answer

        also_takes(shown, {IF_NONE_MATCH: _IF_NONE_MATCH_TEXT})
        also_answers(shown, {304: None})
        return shown  # type: ignore[return-value]  # takes what `view` does

    return decorate


def changes(by_itself: Collection[str]) -> Callable[[F], F]:
    """Decorator, at the same place: the door changes one thing, if it is as the caller expects, and answers with its new tag.

    `g.expected` are the versions of which the service must find one; none, if the caller says nothing.
    """

    def decorate(view: F) -> F:
        @functools.wraps(view)
        def changed(*args: Any, **kwargs: Any) -> Response:
            g.expected = _expected()
            return _tagged(view(*args, **kwargs), by_itself)

        also_takes(changed, {IF_MATCH: _IF_MATCH_TEXT})
        return changed  # type: ignore[return-value]  # takes what `view` does

    return decorate


def _expected() -> list[str] | None:
    """Weak tags are not among them: they never match. What is no tag at all matches nothing, too, nor does a star in quotes."""
    if IF_MATCH not in request.headers:
        return None
    if request.if_match.star_tag:
        return [ANY]
    # Werkzeug reads an empty tag as none.
    return sorted({version_in(tag or "") for tag in request.if_match.as_set()} - {ANY})


def _tagged(answer: Any, by_itself: Collection[str]) -> Response:
    response = make_response(answer)
    document = response.get_json(silent=True)
    if isinstance(document, dict):
        response.set_etag(tag_of(document, by_itself))
    return response
