"""A Jamf Pro server on a real socket, over HTTPS: tokens that end, a load balancer with two nodes, both APIs.

It writes down every request, so that a test can say what was asked, in which order, at which node.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import secrets
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit
from xml.etree import ElementTree as ET

from shared.testing.certificates import Issued
from shared.testing.jamf_records import Kept, Record, Refused

CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD = "client-1", "s3cret-of-the-client", "odst", "s3cret-of-the-user"
_RESOURCES = {"packages": "Packages", "distribution-points": "Distribution Points"}
_ACTIONS = {"GET": "Read", "POST": "Create", "PUT": "Update"}
EVERY_PRIVILEGE = frozenset(f"{action} {what}" for what in _RESOURCES.values() for action in _ACTIONS.values())
COOKIE, NODES = "jpro-ingress", 2
_CLASSIC = {"packages": ("packages", "package"), "distributionpoints": ("distribution-points", "distribution_point")}
_CLASSIC_FIELDS = {
    "packages": {"name": "packageName", "filename": "fileName", "hash_type": "hashType", "hash_value": "hashValue", "info": "info",
                 "notes": "notes", "priority": "priority", "reboot_required": "rebootRequired", "os_requirements": "osRequirements"},
    "distribution-points": {"name": "name", "ip_address": "serverName", "protocol": "protocol", "port": "httpsPort",
                            "context": "httpsContext", "http_downloads_enabled": "httpsEnabled",
                            "no_authentication_required": "open", "username_password_required": "guarded",
                            "http_username": "httpsUsername", "http_password": "httpsPassword"},
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    node: int
    body: bytes = field(repr=False)


@dataclass
class FakeJamf:
    """The server. Change its fields while it runs."""

    port: int = 0
    privileges: frozenset[str] = EVERY_PRIVILEGE
    says_privileges: bool = True
    token_seconds: int = 300
    token_calls: int = 10_000
    """For how many calls a token is good, whatever its time."""
    is_old: bool = False
    """Knows the Classic API only."""
    troubles: list[tuple[int, Mapping[str, str]]] = field(default_factory=list)
    """What the next calls of the API are answered with."""
    lost_answers: int = 0
    """So many writes are done, and the connection ends before their answers."""
    asked: list[Asked] = field(default_factory=list)
    kept: dict[str, Kept] = field(default_factory=lambda: {kind: Kept(kind, NODES) for kind in _RESOURCES})
    _tokens: dict[str, int] = field(default_factory=dict)
    _turn: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def packages(self) -> list[Record]:
        """All package records, by id."""
        return list(self.kept["packages"].rows.values())

    @property
    def points(self) -> list[Record]:
        """All distribution points."""
        return list(self.kept["distribution-points"].rows.values())

    def writes(self) -> list[Asked]:
        """Requests that change records."""
        return [one for one in self.asked if one.method != "GET" and "token" not in one.path]

    def seed(self, kind: str = "packages", **fields: Any) -> Record:
        """A record that was there before, which every node knows."""
        required = {"categoryId": "-1", "priority": 10, "serverName": "x", "fileSharingConnectionType": "NONE", "httpsEnabled": True}
        flags = ("fillUserTemplate", "rebootRequired", "osInstall", "suppressUpdates", "suppressFromDock", "suppressEula")
        whole = required | dict.fromkeys((*flags, "suppressRegistration"), False) | fields
        with self._lock:
            record_id = self.kept[kind].add(whole, 0)
            self.kept[kind].sync()
            return self.kept[kind].rows[record_id]

    def end_tokens(self) -> None:
        """None is good any more."""
        self._tokens.clear()

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """What is answered."""
        with self._lock:
            cookies = SimpleCookie(headers.get("cookie", ""))
            node = int(cookies[COOKIE].value) if COOKIE in cookies else self._next_node()
            self.asked.append(Asked(method, target, node, body))
            more = {} if COOKIE in cookies else {"set-cookie": f"{COOKIE}={node}; Path=/; Secure; HttpOnly"}
            try:
                status, kind, content = self._answer(method, target, headers, body, node)
            except Refused as refused:
                status, kind, content = refused.status, "application/json", json.dumps(refused.document).encode()
            except _Trouble as trouble:
                return trouble.status, {**more, **trouble.headers}, b""
            return status, {**more, "content-type": kind}, content

    def _next_node(self) -> int:
        self._turn += 1
        return self._turn % NODES

    def _answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes, node: int) -> tuple[int, str, bytes]:
        parts = urlsplit(target)
        if parts.path == "/api/v1/oauth/token" and method == "POST":
            return _json(200, self._client_token(body))
        if parts.path == "/api/v1/auth/token" and method == "POST":
            return _json(200, self._user_token(headers))
        self._check_token(headers)
        if self.troubles:
            raise _Trouble(*self.troubles.pop(0))
        words = [unquote(word) for word in parts.path.strip("/").split("/")]
        if words[:2] == ["api", "v1"]:
            return self._modern(method, words[2:], dict(parse_qsl(parts.query)), body, node)
        if words[0] == "JSSResource" and words[1] in _CLASSIC:
            return self._classic(method, words[1:], body, node)
        raise Refused(404, "NOT_FOUND")

    # Tokens

    def _client_token(self, body: bytes) -> Record:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        wanted = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        if form != wanted:
            raise Refused(401, "INVALID_CLIENT")
        return {"access_token": self._new_token(), "scope": "api-role:1", "token_type": "Bearer", "expires_in": self.token_seconds - 1}

    def _user_token(self, headers: Mapping[str, str]) -> Record:
        if headers.get("authorization") != "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode():
            raise Refused(401, "INVALID_CREDENTIALS")
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.token_seconds)
        return {"token": self._new_token(), "expires": ends.isoformat(timespec="milliseconds").replace("+00:00", "Z")}

    def _new_token(self) -> str:
        token = secrets.token_urlsafe()
        self._tokens[token] = self.token_calls
        return token

    def _check_token(self, headers: Mapping[str, str]) -> None:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        left = self._tokens.pop(token, 0)
        if left <= 0:
            raise Refused(401, "INVALID_TOKEN")
        self._tokens[token] = left - 1

    def _check_privilege(self, method: str, kind: str) -> None:
        if f"{_ACTIONS[method]} {_RESOURCES[kind]}" not in self.privileges:
            raise Refused(403, "INVALID_PRIVILEGE")

    # The present API

    def _modern(self, method: str, words: list[str], query: Mapping[str, str], body: bytes, node: int) -> tuple[int, str, bytes]:
        if words == ["jamf-pro-version"]:
            return _json(200, {"version": "10.42.1-t1667940000" if self.is_old else "11.25.0-t1770000000"})
        if words == ["auth"]:
            by_site = {"-1": sorted(self.privileges)} if self.says_privileges else {}
            return _json(200, {"account": {"privilegesBySite": by_site}, "accountGroups": [], "sites": []})
        if words[0] not in _RESOURCES or self.is_old:
            raise Refused(404, "NOT_FOUND")
        self._check_privilege(method, words[0])
        kept = self.kept[words[0]]
        if method == "GET":
            return _json(200, kept.page(query, node) if len(words) == 1 else kept.find(words[1], node))
        document = json.loads(body)
        if method == "POST":
            record_id = kept.add(document, node)
            return _json(201, {"id": record_id, "href": f"/api/v1/{words[0]}/{record_id}"})
        return _json(200, kept.replace(words[1], document, node))

    # The Classic API

    def _classic(self, method: str, words: list[str], body: bytes, node: int) -> tuple[int, str, bytes]:
        kind, element = _CLASSIC[words[0]]
        self._check_privilege(method, kind)
        kept, fields = self.kept[kind], _CLASSIC_FIELDS[kind]
        if method == "GET" and len(words) == 1:
            rows = [{"id": row["id"], "name": row[fields["name"]]} for row in kept.seen[node].values()]
            return _xml(200, words[0], [(element, row) for row in rows])
        found = self._classic_row(kept, words, fields["name"], node)
        if method == "GET":
            told = [(name, of) for name, of in {"id": "id", **fields}.items() if name != "http_password"]
            return _xml(200, element, [(name, str(found.get(of, "") or "")) for name, of in told])
        given = {fields[child.tag]: child.text or "" for child in ET.fromstring(body) if child.tag in fields}
        if method == "POST" and not (given.get(fields["name"])):
            raise Refused(409, "REQUIRED", "name")
        taken = [row for row in kept.rows.values() if row[fields["name"]] == given.get(fields["name"]) and row["id"] != found.get("id")]
        if taken:
            raise Refused(409, "DUPLICATE_FIELD", "name")
        if not found:
            kept.last += 1
        row = {"id": str(kept.last), **found, **given}
        kept.rows[row["id"]] = kept.seen[node][row["id"]] = row
        return _xml(201, element, [("id", row["id"])])

    def _classic_row(self, kept: Kept, words: list[str], name: str, node: int) -> Record:
        if words[1:] == ["id", "0"]:
            return {}
        key = "id" if words[1] == "id" else name
        for row in kept.seen[node].values():
            if row[key] == words[2]:
                return row
        raise Refused(404, "NOT_FOUND")


class _Trouble(Exception):
    """Answered whatever was asked."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status, self.headers = status, headers


def _json(status: int, document: Any) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(document).encode()


def _xml(status: int, root: str, children: list[tuple[str, Any]]) -> tuple[int, str, bytes]:
    top = ET.Element(root)
    for name, value in children:
        child = ET.SubElement(top, name)
        if isinstance(value, dict):
            for inner, text in value.items():
                ET.SubElement(child, inner).text = text
        else:
            child.text = {"True": "true", "False": "false"}.get(value, value)
    return status, "text/xml", ET.tostring(top)


@contextmanager
def jamf_server(certificate: Issued, **fields: Any) -> Iterator[FakeJamf]:
    """A server with this certificate, listening on the loopback."""
    made = FakeJamf(**fields)

    class Handler(BaseHTTPRequestHandler):
        """Hands everything to the server."""

        def do_GET(self) -> None:
            """Answer."""
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {key.lower(): value for key, value in self.headers.items()}
            status, more, content = made.answer(self.command, self.path, headers, body)
            if made.lost_answers and self.command in ("POST", "PUT") and "token" not in self.path:
                made.lost_answers -= 1
                self.close_connection = True
                return
            self.send_response(status)
            for key, value in {**more, "content-length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_GET  # noqa: N815 - http.server's names

        def log_message(self, *_args: Any) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_args: None  # type: ignore[method-assign]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    made.port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
