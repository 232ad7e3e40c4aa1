"""Errors as problem details (RFC 9457): one table from error to status, one shape for all."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from shared.core import errors
from shared.core.errors import OdstError
from shared.runtime.logging import correlation_id, get_logger

log = get_logger(__name__)

STATUS: tuple[tuple[type[OdstError], int], ...] = (
    (errors.InsufficientSpace, 507),
    (errors.TooMany, 429),
    (errors.ServiceTimeout, 504),
    (errors.ServiceUnavailable, 503),
    (errors.SecretUnreadable, 503),
    (errors.PeerUnreachable, 502),
    (errors.OutsideFailed, 502),
    (errors.PeerLied, 502),
    (errors.Locked, 423),
    (errors.StillUnderWay, 409),
    (errors.NotFound, 404),
    (errors.Gone, 410),
    (errors.Conflict, 409),
    (errors.PreconditionFailed, 412),
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.DigestMismatch, 400),
    (errors.RecordInvalid, 422),
    (errors.RecordRefused, 422),
    (errors.ClockAhead, 422),
    (errors.TooLarge, 413),
    (errors.KeyReused, 422),
    (errors.InvalidInput, 400),
)
"""The first that fits; anything else is 500."""
_MOST_PATH = 300

_CODES = {
    400: "REQUEST_INVALID",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    412: "PRECONDITION_FAILED",
    413: "BODY_TOO_LARGE",
    415: "MEDIA_TYPE_UNSUPPORTED",
    416: "RANGE_NOT_SATISFIABLE",
}


def status_of(error: OdstError) -> int:
    """HTTP status of an error."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def document(status: int, code: str, detail: str, **more: str) -> dict[str, Any]:
    """What is wrong and what to do, as problem details; `more` are further members."""
    return {
        "type": f"urn:odst:error:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
        "correlation_id": correlation_id(),
        **more,
    }


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None, **more: str) -> Response:
    """The answer with such a document."""
    return Response(json.dumps(document(status, code, detail, **more)), status, headers, mimetype="application/problem+json")


def answer(error: OdstError) -> Response:
    """The problem that an error is."""
    status = status_of(error)
    headers = {"Connection": "close"}
    if status == 401:  # noqa: PLR2004
        headers["WWW-Authenticate"] = 'Bearer realm="odst"'
    if status in (423, 503, 504, 507):
        headers["Retry-After"] = "1" if status == 423 else "5"  # noqa: PLR2004
    if isinstance(error, errors.StillUnderWay):
        headers["Retry-After"] = "1"
    if isinstance(error, errors.TooMany):
        headers["Retry-After"] = str(error.retry_after_seconds)
    return problem(status, error.code, error.message, headers)


def refuse(status: int, code: str, detail: str) -> NoReturn:
    """End the present request with a problem that no error of ODST stands for.

    Raises:
        werkzeug's HTTPException: that problem.
    """
    abort(problem(status, code, detail, {"Connection": "close"}))


def install(app: Flask) -> None:
    """Let every error leave as a problem; the unexpected ones without their details."""
    app.register_error_handler(OdstError, answer)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    kept = {name: value for name, value in error.get_headers() if name in ("Allow", "Content-Range")}
    return problem(status, _CODES.get(status, "REQUEST_REFUSED"), _detail(error), {**kept, "Connection": "close"})


def _detail(error: HTTPException) -> str:
    """What is wrong and what to do; the library's own words are for people who type addresses."""
    if isinstance(error, MethodNotAllowed) and error.valid_methods and error.description == MethodNotAllowed.description:
        return f"{request.method} is not possible here, but {', '.join(sorted(error.valid_methods))}"
    if isinstance(error, NotFound) and error.description == NotFound.description:
        slash = ", but perhaps without the slash at its end" if request.path.endswith("/") and request.path != "/" else ""
        return f"there is nothing at {request.path[:_MOST_PATH]}{slash}; GET /api/v1/docs shows what there is"
    return error.description or ""


def _unexpected(error: Exception) -> Any:
    log.error("request_failed", exc_info=error)
    return problem(500, "INTERNAL", "an internal error; the log has the details under this correlation id", {"Connection": "close"})
