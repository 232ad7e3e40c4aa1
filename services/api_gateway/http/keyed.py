"""What is sent twice is done once: `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), at every door that creates something.

::

    @api.post("/tokens")
    @guard.requires("self")
    @keyed("see GET /api/v1/tokens")                       what to do when nobody knows whether it was done
    @described(body=TokenWish, answers={201: NewToken})

    key ──▶ directory: is it new? ──▶ the work ──┬─▶ done: kept, without what is shown only once
                 │                               ├─▶ refused: nothing was done, the key is free again
                 │                               └─▶ no answer, an internal error, a kill: nothing is written down,
                 └─ no: what is kept; 409; 422       and after a while nobody knows whether it was done
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, jsonify, make_response, request
from werkzeug.exceptions import HTTPException

from services.api_gateway.http import acts
from services.api_gateway.http.bodies import read_small
from services.api_gateway.http.cookies import sha256
from services.api_gateway.http.describing import also_takes, description_of
from services.api_gateway.http.problems import status_of
from services.api_gateway.ports import Services
from shared.contracts.admin.base import shown_once
from shared.core.errors import AnswerLost, Conflict, InvalidInput, OdstError, ServiceTimeout, StillUnderWay
from shared.runtime.logging import get_logger

log = get_logger(__name__)
F = TypeVar("F", bound=Callable[..., Any])
KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
_TEXT = "up to 255 visible characters, such as a UUID: what comes again under it within a day is not done again"
_EXTENSION = "odst_keys"
_LONGEST = 255
_ERRORS = 400
_UNEXPECTED = 500


def install(app: Flask, services: Services) -> None:
    """Let the doors of this application keep their keys with directory."""
    app.extensions[_EXTENSION] = services


def keyed(if_lost: str) -> Callable[[F], F]:
    """Decorator, below the guard and above `described`: the door takes an `Idempotency-Key`.

    `if_lost` tells a caller what to look at when nobody knows whether the work was done.
    """

    def decorate(view: F) -> F:
        @functools.wraps(view)
        def once(*args: Any, **kwargs: Any) -> Any:
            key = _key()
            if key is None:
                return view(*args, **kwargs)
            this = _Request(current_app.extensions[_EXTENSION])
            known = this.begin(key)
            if known["state"] == "new":
                return this.done(functools.partial(view, *args, **kwargs), _secrets_of(view))
            return _again(known, if_lost)

        also_takes(once, {KEY_HEADER: _TEXT})
        return once  # type: ignore[return-value]  # takes and answers what `view` does

    return decorate


class _Request:
    """The present request, which has a key."""

    def __init__(self, services: Services) -> None:
        self._services, self._id = services, str(uuid.uuid4())

    def begin(self, key: str) -> dict[str, Any]:
        """What is known of it; if nothing, the key is this request's from now on.

        Raises:
            ServiceUnavailable: if directory is away; then nothing is done.
            KeyReused, TooMany: see `begin_request`.
        """
        told = {"person_id": g.principal["person_id"], "key_sha256": sha256(key), "fingerprint": _fingerprint(key)}
        try:
            found: dict[str, Any] = self._services.call("directory", "begin_request", request_id=self._id, **told)
        except (ServiceTimeout, AnswerLost):
            # It may have been taken, and nothing will be done under it.
            self._say("release_request")
            raise
        return found

    def done(self, work: Callable[[], Any], secrets: Callable[[int], frozenset[str]]) -> Response:
        """Do the work and write down what came of it; what was done is answered also if that cannot be written down."""
        try:
            answer = make_response(work())
        except (OdstError, HTTPException) as error:
            if not _may_be_done(error):
                self._say("release_request")
            raise
        if answer.status_code >= _ERRORS:
            self._say("release_request")
            return answer
        document, left_out = answer.get_json(silent=True) or {}, secrets(answer.status_code)
        kept = {name: value for name, value in document.items() if name not in left_out}
        self._say("finish_request", status=answer.status_code, answer=kept, secret=bool(left_out))
        return answer

    def _say(self, method: str, **told: Any) -> None:
        try:
            self._services.call("directory", method, request_id=self._id, **told)
        except OdstError as error:
            log.warning("request_not_written_down", method=method, request_id=self._id, error=str(error))


def _key() -> str | None:
    """The key of the present request; quotes of a structured field (RFC 9651) are not part of it.

    Raises:
        InvalidInput: IDEMPOTENCY_KEY_INVALID.
    """
    text = request.headers.get(KEY_HEADER)
    if text is None:
        return None
    key = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if not 0 < len(key) <= _LONGEST or not key.isascii() or not key.isprintable():
        raise InvalidInput(f"{KEY_HEADER} has 1 to {_LONGEST} visible ASCII characters, such as a UUID", "IDEMPOTENCY_KEY_INVALID")
    return key


def _fingerprint(key: str) -> str:
    """Differs for different requests, and for the same one within other staging tags: a narrow token is not told what a wide one did.

    It tells nothing of the body, which may hold a password, to whoever does not have the key.
    """
    narrowed = json.dumps(None if g.within is None else sorted(g.within)).encode()
    parts = (request.method.encode(), request.path.encode(), request.query_string, read_small(), narrowed)
    return hmac.digest(key.encode(), b"".join(hashlib.sha256(part).digest() for part in parts), "sha256").hex()


def _secrets_of(view: Callable[..., Any]) -> Callable[[int], frozenset[str]]:
    """By status, which fields of the door's answer are shown only once."""

    def secrets(status: int) -> frozenset[str]:
        description = description_of(view)
        model = description.answers.get(status) if description else None
        return shown_once(model) if isinstance(model, type) else frozenset()

    return secrets


def _may_be_done(error: OdstError | HTTPException) -> bool:
    """Whether work that was refused so may have been done all the same; after any other error it may."""
    return isinstance(error, OdstError) and (isinstance(error, ServiceTimeout | AnswerLost) or status_of(error) == _UNEXPECTED)


def _again(known: Mapping[str, Any], if_lost: str) -> Response:
    """What is answered to a request that came before.

    Raises:
        StillUnderWay: if it has not ended.
        Conflict: IDEMPOTENCY_OUTCOME_UNKNOWN, IDEMPOTENCY_SECRET_SHOWN.
    """
    if known["state"] == "under_way":
        raise StillUnderWay(f"this request came at {known['begun']} and has not ended: ask again in a moment, with the same key")
    if known["state"] != "ended":
        raise Conflict(
            f"this request came at {known['begun']}, and nobody knows whether it was done: {if_lost}; then send it with another key",
            "IDEMPOTENCY_OUTCOME_UNKNOWN",
        )
    if known["secret"]:
        raise Conflict(
            f"this was done at {known['begun']}, and what it answered is shown only once: {_names(known['answer'])}; if nobody has it, "
            "revoke it or let it expire, and send this with another key",
            "IDEMPOTENCY_SECRET_SHOWN",
        )
    acts.about(replayed="true")
    answer = jsonify(known["answer"])
    answer.status_code = known["status"]
    answer.headers[REPLAYED_HEADER] = "true"
    return answer


def _names(answer: Mapping[str, Any]) -> str:
    """What an answer calls the thing that it is about."""
    ids = {name: value for name, value in answer.items() if name.endswith("_id")}
    return ", ".join(f"{name} {value}" for name, value in (ids or answer).items())
