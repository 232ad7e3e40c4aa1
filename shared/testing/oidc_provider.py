"""A provider of OpenID Connect for tests, by HTTPS: strict where a real one is, and false where it is told to be.

Strict: `redirect_uri` to the letter (but for the port of a loopback address, RFC 8252, 7.3), PKCE by S256 or nothing, a code once and
for whom it was made, the client's secret, a nonce and a state always.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import re
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import KeySet, RSAKey

from shared.testing.certificates import Issued

CLIENT_ID, CLIENT_SECRET = "odst at the test", "a secret: of/the+client"
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]|localhost)):\d+(/.*)?")
_HANG_SECONDS = 30


@dataclass(frozen=True)
class Misbehaviour:
    """What is false about it; each is one line of an attack."""

    claims: dict[str, Any] = field(default_factory=dict)
    """Instead of the right ones; None leaves one out."""
    algorithm: str = "RS256"
    """`none`, or `HS256` with the public key as its secret, among others."""
    foreign_key: bool = False
    """Signed by a key that is not among the published ones, and named like one that is."""
    metadata: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    """By path: `hang`, `huge`, `redirect`, `rubbish`, `500`, `drip`."""
    issuer_in_answer: str | None = None
    """Sent as `iss` through the browser, instead of the right one; empty for none."""
    error: str | None = None
    """Told through the browser, instead of a code."""
    access_token: str = "an access token"
    userinfo: dict[str, Any] | None = None


@dataclass
class _Code:
    request: dict[str, str]
    claims: dict[str, Any]


class OidcProvider:
    """One provider. A context manager: it answers inside, and nothing is left afterwards."""

    def __init__(self, issued: Issued, *redirect_uris: str) -> None:
        """It shows this certificate, and sends browsers to these addresses only."""
        self.redirect_uris = set(redirect_uris)
        self.person: dict[str, Any] = {"sub": "1001", "preferred_username": "ada", "name": "Ada Lovelace", "groups": ["packagers"]}
        """Who is logged in at the provider, in every browser."""
        self.misbehaviour = Misbehaviour()
        self.asked: list[str] = []
        self.refused: list[str] = []
        """Why it refused what was asked of it."""
        self.key = self._new_key()
        self._codes: dict[str, _Code] = {}
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.certificate, issued.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.issuer = f"https://localhost:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    @contextlib.contextmanager
    def misbehaving(self, **ways: Any) -> Iterator[None]:
        """False in these ways within."""
        before, self.misbehaviour = self.misbehaviour, replace(self.misbehaviour, **ways)
        try:
            yield
        finally:
            self.misbehaviour = before

    @staticmethod
    def _new_key() -> RSAKey:
        return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})

    def rotate_key(self) -> None:
        """Another key, at once."""
        self.key = self._new_key()

    def visit(self, url: str) -> str:
        """What a browser does at the authorization endpoint: where it is sent then.

        Raises:
            AssertionError: if the provider shows an error of its own instead.
        """
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, strict_parsing=True))
        assert parts.path == "/authorize", url
        return self.authorize(query)

    def authorize(self, query: dict[str, str]) -> str:
        """The answer to a request of a browser: an address."""
        assert self._registered(query["redirect_uri"]), query["redirect_uri"]
        wanted = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
        assert {name: query.get(name) for name in wanted} == wanted, query
        assert "openid" in query["scope"].split(), query
        assert len(query["nonce"]) >= 43 and len(query["state"]) >= 43 and len(query["code_challenge"]) == 43, query  # noqa: PT018, PLR2004
        false = self.misbehaviour
        said = {"state": query["state"]}
        if false.error is not None:
            said |= {"error": false.error, "error_description": "<script>alert(1)</script>"}
        else:
            code = said["code"] = secrets.token_urlsafe(16)
            self._codes[code] = _Code(query, dict(self.person))
        issuer = self.issuer if false.issuer_in_answer is None else false.issuer_in_answer
        said |= {"iss": issuer} if issuer else {}
        return f"{query['redirect_uri']}?{urlencode(said)}"

    def _registered(self, uri: str) -> bool:
        found = _LOOPBACK.fullmatch(uri)
        return uri in self.redirect_uris or (found is not None and found[1] + (found[2] or "") in self.redirect_uris)

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """Status and document of an answer."""
        false = self.misbehaviour
        known: dict[str, Callable[[], tuple[int, Any]]] = {
            "/.well-known/openid-configuration": lambda: (200, self._metadata() | false.metadata),
            "/jwks": lambda: (200, KeySet([self.key]).as_dict(private=False)),
            "/token": lambda: self._token(method, headers, body),
            "/userinfo": lambda: self._userinfo(headers),
        }
        found = known.get(path)
        return found() if found else (404, {"error": "not_found"})

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def _token(self, method: str, headers: Any, body: bytes) -> tuple[int, Any]:
        form = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
        basic = base64.b64decode(headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if [unquote(part) for part in basic.split(":")] != [CLIENT_ID, CLIENT_SECRET]:
            return self._refuse(401, "invalid_client", "the secret")
        found = self._codes.pop(form.get("code", ""), None)
        if method != "POST" or form.get("grant_type") != "authorization_code" or found is None:
            return self._refuse(400, "invalid_grant", "the code")
        if form.get("redirect_uri") != found.request["redirect_uri"]:
            return self._refuse(400, "invalid_grant", "the redirect_uri")
        made = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).decode().rstrip("=")
        if made != found.request["code_challenge"]:
            return self._refuse(400, "invalid_grant", "the verifier")
        tokens = {"access_token": self.misbehaviour.access_token, "token_type": "Bearer", "expires_in": 60}
        return 200, tokens | {"id_token": self._id_token(found)}

    def _refuse(self, status: int, error: str, why: str) -> tuple[int, Any]:
        self.refused.append(why)
        return status, {"error": error}

    def _userinfo(self, headers: Any) -> tuple[int, Any]:
        if headers.get("Authorization") != f"Bearer {self.misbehaviour.access_token}":
            return 401, {"error": "invalid_token"}
        return 200, self.misbehaviour.userinfo if self.misbehaviour.userinfo is not None else {"sub": self.person["sub"]}

    def _id_token(self, code: _Code) -> str:
        now = int(time.time())
        right = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 60, "nonce": code.request["nonce"], **code.claims}
        claims = {name: value for name, value in (right | self.misbehaviour.claims).items() if value is not None}
        payload = json.dumps(claims).encode()
        header = {"alg": self.misbehaviour.algorithm, "kid": str(self.key.kid), "typ": "JWT"}
        if header["alg"] in ("none", "HS256"):
            return self._unsigned(header, payload)
        key = RSAKey.generate_key(2048, {"kid": str(self.key.kid)}) if self.misbehaviour.foreign_key else self.key
        return jws.serialize_compact(header, payload, key, algorithms=[header["alg"]])

    def _unsigned(self, header: dict[str, Any], payload: bytes) -> str:
        signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (json.dumps(header).encode(), payload))
        signature = b""
        if header["alg"] == "HS256":
            signature = base64.urlsafe_b64encode(hmac.digest(self.key.as_pem(private=False), signed, "sha256")).rstrip(b"=")
        return (signed + b"." + signature).decode()

    def wait(self) -> None:
        """Say nothing, until the test is over."""
        self.released.wait(_HANG_SECONDS)


class _Answering(BaseHTTPRequestHandler):
    """How answers are sent, right and wrong ones."""

    provider: OidcProvider

    def _falsely(self, way: str) -> None:
        match way:
            case "hang":
                self.provider.wait()
            case "huge":
                self._send(200, b'{"a": "' + b"a" * (8 << 20) + b'"}')
            case "redirect":
                self._redirect(f"{self.provider.issuer}/elsewhere")
            case "drip":
                self._drip()
            case "500":
                self._send(500, b"{}")
            case _:
                self._send(200, b"<html>rubbish")

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.provider.released.wait(0.02):
            self.wfile.write(b" ")
            self.wfile.flush()

    def _redirect(self, where: str) -> None:
        self.send_response(302)
        self.send_header("Location", where)
        self.end_headers()

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        """One conversation; one that the other side gives up is none of ours."""
        with contextlib.suppress(OSError, TimeoutError):
            super().handle()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def _handler(provider: OidcProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(_Answering):
        def _do(self) -> None:
            path = self.path.partition("?")[0]
            provider.asked.append(f"{self.command} {path}")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            way = provider.misbehaviour.answers.get(path)
            if way is not None:
                self._falsely(way)
            elif path == "/authorize":
                self._redirect(provider.authorize(dict(parse_qsl(urlsplit(self.path).query))))
            else:
                status, document = provider.answer(self.command, path, self.headers, body)
                self._send(status, json.dumps(document).encode())

        do_GET = do_POST = _do  # noqa: N815 - names that http.server asks for

    Handler.provider = provider
    return Handler
