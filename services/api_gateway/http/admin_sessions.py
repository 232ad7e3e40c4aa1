"""The Admin API's doors for oneself: log in and out, who am I, my sessions, my password, my tokens."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from services.api_gateway.http.acts import about
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read
from services.api_gateway.http.cookies import SessionCookie, csrf_token, sha256
from services.api_gateway.http.describing import described
from services.api_gateway.http.keyed import keyed
from services.api_gateway.ports import Services
from shared.contracts.admin.people import LoginWish, Me, NewToken, OwnPasswordWish, SessionList, TokenList, TokenWish, grants_in
from shared.core.errors import NotFound, TooMany

_LOGIN_SECONDS = 15.0
"""Longest wait for a login: a hash, and each source outside in turn."""
_SEES_ALL, _CHANGES_ALL = "audit", "administer"


def doors(services: Services, guard: Guard, cookie: SessionCookie) -> Blueprint:
    """All of them."""
    api = Blueprint("sessions", __name__)
    _logging_in(api, services, cookie)
    _session(api, services, guard, cookie)
    _own(api, services, guard, cookie)
    _tokens(api, services, guard)
    return api


def _logging_in(api: Blueprint, services: Services, cookie: SessionCookie) -> None:
    @api.post("/session")
    @described(body=LoginWish, answers={201: Me})
    def log_in() -> tuple[Response, int]:
        """Log in: the answer sets the cookie of a session, and holds the token that its changes need in `X-Ods-Csrf`."""
        cookie.check_origin()
        wish, text = read(LoginWish), cookie.new_text()
        found = services.call(
            "directory",
            "log_in",
            _timeout_seconds=_LOGIN_SECONDS,
            name=wish.name,
            password=wish.password,
            session_sha256=sha256(text),
            address=g.address,
            agent=request.headers.get("User-Agent", ""),
        )
        check_wait(found)
        about(way=found["source"])
        answer = jsonify(me(found, text))
        cookie.put(answer, text)
        return answer, 201


def check_wait(answer: dict[str, Any]) -> None:
    """Let pass what does not have to wait.

    Raises:
        TooMany: TOO_MANY_ATTEMPTS.
    """
    seconds = answer.get("wait_seconds") or 0
    if seconds:
        raise TooMany(f"too many refused log-ins: wait {seconds} s", "TOO_MANY_ATTEMPTS", retry_after_seconds=seconds)


def me(principal: dict[str, Any], text: str | None) -> dict[str, Any]:
    """Who calls, and the proof for changes of the session with this text."""
    shown = {name: principal.get(name) for name in Me.model_fields}
    return shown | {"csrf_token": csrf_token(text) if text is not None and principal.get("session_id") else None}


def _session(api: Blueprint, services: Services, guard: Guard, cookie: SessionCookie) -> None:
    @api.get("/session")
    @guard.requires("self")
    @described(answers={200: Me})
    def who_am_i() -> Response:
        """Say who calls, and what they may do; also for a token."""
        return jsonify(me(g.principal, cookie.text()))

    @api.delete("/session")
    @guard.requires("self")
    @described(answers={204: None})
    def log_out() -> Response:
        """Log out: the session ends on the server."""
        if g.principal.get("session_id") is None:
            raise NotFound("this call came with a token, not in a session: revoke the token instead")
        services.call("directory", "end_session", person_id=g.principal["person_id"], session_id=g.principal["session_id"])
        answer = Response(status=204)
        cookie.remove(answer)
        return answer


def _own(api: Blueprint, services: Services, guard: Guard, cookie: SessionCookie) -> None:
    @api.post("/session/password")
    @guard.requires("self")
    @described(body=OwnPasswordWish, answers={204: None})
    def change_password() -> Response:
        """Take another password, knowing the present one; all sessions end."""
        wish = read(OwnPasswordWish)
        changed = services.call(
            "directory",
            "change_own_password",
            person_id=g.principal["person_id"],
            password=wish.password,
            new_password=wish.new_password,
            address=g.address,
        )
        check_wait(changed)
        answer = Response(status=204)
        cookie.remove(answer)
        return answer

    @api.get("/sessions")
    @guard.requires("self")
    @described(answers={200: SessionList})
    def list_sessions() -> Response:
        """List where one is logged in, newest first."""
        return jsonify(services.call("directory", "list_sessions", person_id=g.principal["person_id"]))

    @api.delete("/sessions/<session_id>")
    @guard.requires("self")
    @described(answers={204: None})
    def end_session(session_id: str) -> tuple[str, int]:
        """End one of one's sessions."""
        services.call("directory", "end_session", person_id=g.principal["person_id"], session_id=session_id)
        return "", 204


def _tokens(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/tokens")
    @guard.requires("self")
    @keyed("see GET /api/v1/tokens")
    @described(body=TokenWish, answers={201: NewToken})
    def create_token() -> tuple[Response, int]:
        """Make an API token that may do no more than oneself; the answer holds its text, this once."""
        wish = read(TokenWish)
        made = services.call(
            "directory",
            "create_token",
            name=wish.name,
            grants=grants_in(wish),
            rights=wish.rights,
            person=wish.person,
            valid_seconds=wish.valid_seconds,
            never_expires=wish.never_expires,
            maker={"person_id": g.principal["person_id"], "token_id": g.principal.get("token_id")},
        )
        return jsonify(made), 201

    @api.get("/tokens")
    @guard.requires("self")
    @described(answers={200: TokenList})
    def list_tokens() -> Response:
        """List API tokens, without their text: one's own; for administrators and auditors, all."""
        return jsonify(services.call("directory", "list_tokens", of=_whose(_SEES_ALL)))

    @api.delete("/tokens/<token_id>")
    @guard.requires("self")
    @described(answers={204: None})
    def revoke_token(token_id: str) -> tuple[str, int]:
        """Revoke an API token for good: one's own; for administrators, any."""
        services.call("directory", "revoke_token", token_id=token_id, of=_whose(_CHANGES_ALL))
        return "", 204


def _whose(right: str) -> str | None:
    """Whose tokens this call is about; none for everybody's."""
    person_id: str = g.principal["person_id"]
    return None if right in g.principal["rights"] else person_id
