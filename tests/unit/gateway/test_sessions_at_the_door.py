"""Claims about sessions at the door: the cookie, forged requests, what a browser may do with answers, and how often one may call."""

from __future__ import annotations

from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from services.api_gateway.http.addresses import Addresses
from services.api_gateway.http.cookies import CSRF_HEADER, LOGIN_PATH, LoginCookie, csrf_token
from shared.core.errors import Unauthenticated
from tests.unit.directory.desk import OTHER, PASSWORD, Desk
from tests.unit.gateway.gateway_fakes import ToldServices, a_gateway

SAFE = "https://odst.example.org"
OURS = {"Origin": SAFE, "Sec-Fetch-Site": "same-origin"}


class House:
    """A gateway in front of a directory that knows Ada, who uploads, and an administrator."""

    def __init__(self, folder: Path, public_url: str = SAFE, **settings: Any) -> None:
        self.desk = Desk()
        self.desk.with_administrator()
        self.desk.person("ada", "uploader")
        do = self.desk.do
        self.services = ToldServices(
            directory__authorize=do.gate.authorize,
            directory__authorize_session=do.gate.authorize_session,
            directory__log_in=do.sessions.log_in,
            directory__end_session=do.sessions.end,
            directory__list_sessions=do.sessions.listed,
            directory__change_own_password=do.sessions.change_own_password,
            directory__create_token=do.tokens.create_token,
            directory__list_tokens=do.tokens.list_tokens,
            directory__revoke_token=do.tokens.revoke_token,
            directory__create_person=do.people.create,
            storage__list_packages={"items": [], "next": None},
        )
        self.base = public_url
        self.client: FlaskClient = a_gateway(folder, self.services, public_url=public_url, **settings).client

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """A call from a browser, with whatever cookies it has; underscores in names of headers are hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(f"/api/v1{path}", method=method, json=body, headers=named, base_url=self.base)

    def log_in(self, name: str = "ada", password: str = PASSWORD) -> str:
        """The token against forged requests of a new session."""
        answer = self.ask("POST", "/session", {"name": name, "password": password}, **OURS)
        assert answer.status_code == 201, answer.text
        return str(answer.json["csrf_token"])


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Reached by HTTPS."""
    return House(tmp_path)


def cookie_of(answer: TestResponse) -> tuple[str, Any]:
    """The one cookie that an answer sets."""
    (found,) = SimpleCookie(answer.headers["Set-Cookie"]).items()
    return found


def test_logging_in_sets_a_cookie_that_only_this_host_can_set_and_no_script_reads(house: House) -> None:
    """`__Host-`, Secure, HttpOnly, SameSite=Strict, for the whole host; another one at each login, and its text rides no bus."""
    first, second = (house.ask("POST", "/session", {"name": "ada", "password": PASSWORD}) for _ in range(2))

    name, cookie = cookie_of(first)
    assert (name, cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (
        "__Host-odst-session",
        True,
        True,
        "Strict",
        "/",
        "",
    )
    assert len(cookie.value) >= 43
    assert cookie.value != cookie_of(second)[1].value
    assert cookie.value not in str(house.services.asked)
    assert cookie.value not in first.text


def test_whoever_is_logged_in_is_told_who_they_are(house: House) -> None:
    """With the same token against forged requests, so that a page can be loaded anew; a token has none."""
    token = house.log_in()
    other = house.desk.token("ada")["token"]

    me = house.ask("GET", "/session").json

    assert (me["person"], me["role"], me["csrf_token"], me["token_id"]) == ("ada", "uploader", token, None)
    assert me["rights"] == {"self": None, "upload": None, "view": None}
    assert house.ask("GET", "/session", Authorization=f"Bearer {other}").json["csrf_token"] is None


def test_logging_out_ends_the_session_on_the_server(house: House) -> None:
    """The cookie goes; who kept it has nothing."""
    token = house.log_in()
    kept = house.client.get_cookie("__Host-odst-session", domain="odst.example.org")

    answer = house.ask("DELETE", "/session", X_Ods_Csrf=token)

    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert house.client.get_cookie("__Host-odst-session", domain="odst.example.org") is None
    house.client.set_cookie("__Host-odst-session", kept.value, domain="odst.example.org", secure=True)
    assert house.ask("GET", "/session").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {CSRF_HEADER: ""},
        {CSRF_HEADER: "guess"},
        {CSRF_HEADER: csrf_token("another session")},
        {CSRF_HEADER: "right", "Origin": "https://evil.example.org"},
        {CSRF_HEADER: "right", "Origin": "http://odst.example.org"},
        {CSRF_HEADER: "right", "Origin": "null"},
        {CSRF_HEADER: "right", "Sec-Fetch-Site": "cross-site"},
        {CSRF_HEADER: "right", "Sec-Fetch-Site": "same-site"},
        {CSRF_HEADER: "right", "Origin": SAFE, "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_another_site_changes_nothing(house: House, headers: dict[str, str]) -> None:
    """403 before the directory is even asked; a look is allowed, because other sites cannot read it."""
    token = house.log_in()
    sent = {name: token if value == "right" else value for name, value in headers.items()}
    before = len(house.services.asked)

    answer = house.ask("POST", "/tokens", {"name": "stolen"}, **sent)

    assert (answer.status_code, answer.json["code"]) == (403, "CSRF_REFUSED")
    assert len(house.services.asked) == before
    assert house.ask("GET", "/packages", **sent).status_code == 200


@pytest.mark.parametrize("headers", [OURS, {"Origin": SAFE}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": SAFE.upper()}, {}])
def test_a_page_of_ours_changes_what_it_may(house: House, headers: dict[str, str]) -> None:
    """With its token, from wherever the browser does not say that it is elsewhere."""
    answer = house.ask("POST", "/tokens", {"name": "a tool", "rights": ["upload"]}, X_Ods_Csrf=house.log_in(), **headers)

    assert (answer.status_code, answer.json["person"], answer.json["rights"]) == (201, "ada", ["upload"])


def test_a_token_needs_no_proof_and_goes_before_the_cookie(house: House) -> None:
    """Another site cannot make a browser send it; and a bad one is not made good by a cookie."""
    house.log_in()
    token = house.desk.token("root")["token"]

    made = house.ask("POST", "/tokens", {"name": "x"}, Authorization=f"Bearer {token}", Origin="https://evil.example.org")

    assert (made.status_code, made.json["person"]) == (201, "root")
    assert house.ask("GET", "/session", Authorization="Bearer odst_guess").status_code == 401
    assert house.ask("GET", "/session", Authorization="Basic x").status_code == 401


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example.org"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_site_logs_nobody_in(house: House, headers: dict[str, str]) -> None:
    """As somebody else, whose account would then get what the victim does."""
    answer = house.ask("POST", "/session", {"name": "ada", "password": PASSWORD}, **headers)

    assert (answer.status_code, answer.json["code"]) == (403, "CSRF_REFUSED")
    assert house.services.arguments("directory", "log_in") == []


@pytest.mark.parametrize(
    ("url", "name"),
    [("http://127.0.0.1:8080", "odst-session"), ("http://localhost:8080", "odst-session"), ("http://[::1]:80", "odst-session")],
)
def test_on_loopback_a_developer_logs_in_without_tls(tmp_path: Path, url: str, name: str) -> None:
    """With a cookie of another name, which is never taken for the real one."""
    answer = House(tmp_path, url).ask("POST", "/session", {"name": "ada", "password": PASSWORD})

    assert answer.status_code == 201
    assert cookie_of(answer)[0] == name
    assert not cookie_of(answer)[1]["secure"]


def test_elsewhere_nobody_sends_a_password_without_tls(tmp_path: Path) -> None:
    """It is said what to set, and nothing is passed on."""
    house = House(tmp_path, "http://odst.example.org")

    answer = house.ask("POST", "/session", {"name": "ada", "password": PASSWORD})

    assert (answer.status_code, answer.json["code"]) == (403, "TLS_NEEDED")
    assert house.services.arguments("directory", "log_in") == []


def test_wrong_passwords_are_refused_in_the_same_words_and_then_have_to_wait(house: House) -> None:
    """429 says for how long; the right password waits too."""
    texts = set()
    for name in ("ada", "nobody", "ada", "nobody", "ada", "nobody"):
        answer = house.ask("POST", "/session", {"name": name, "password": "a guess"})
        assert answer.status_code == 401
        texts.add((answer.json["code"], answer.json["detail"], answer.headers.get("Set-Cookie")))

    answer = house.ask("POST", "/session", {"name": "ada", "password": PASSWORD})

    assert len(texts) == 1
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (429, "TOO_MANY_ATTEMPTS", "300")
    assert "Set-Cookie" not in answer.headers


def test_an_own_password_is_changed_knowing_the_present_one(house: House) -> None:
    """Every session ends, the cookie goes."""
    token = house.log_in()
    wrong = house.ask("POST", "/session/password", {"password": "a guess", "new_password": OTHER}, X_Ods_Csrf=token)
    assert wrong.status_code == 401

    changed = house.ask("POST", "/session/password", {"password": PASSWORD, "new_password": OTHER}, X_Ods_Csrf=token)

    assert changed.status_code == 204
    assert house.ask("GET", "/session").status_code == 401
    assert house.log_in(password=OTHER)


def test_everybody_sees_and_revokes_their_own_tokens_and_administrators_all(house: House) -> None:
    """By rights that the directory says, not by the role's name."""
    hers, roots = house.desk.token("ada"), house.desk.token("root")
    as_ada, as_root = ({"Authorization": f"Bearer {one['token']}"} for one in (hers, roots))

    assert [one["person"] for one in house.ask("GET", "/tokens", **as_ada).json["items"]] == ["ada"]
    assert len(house.ask("GET", "/tokens", **as_root).json["items"]) == 2
    assert house.ask("DELETE", f"/tokens/{roots['token_id']}", **as_ada).status_code == 404
    assert house.ask("DELETE", f"/tokens/{hers['token_id']}", **as_root).status_code == 204
    assert house.ask("GET", "/tokens", **as_ada).status_code == 401


def test_sessions_are_listed_and_ended_by_their_person(house: House) -> None:
    """With the address that the throttle counts too."""
    token = house.log_in()
    (session,) = house.ask("GET", "/sessions").json["items"]

    assert session["address"] == "127.0.0.1"
    assert house.ask("DELETE", f"/sessions/{session['session_id']}", X_Ods_Csrf=token).status_code == 204
    assert house.ask("GET", "/sessions").status_code == 401


def test_a_logout_of_a_token_says_what_to_do_instead(house: House) -> None:
    """There is no session to end."""
    token = house.desk.token("ada")["token"]

    answer = house.ask("DELETE", "/session", Authorization=f"Bearer {token}")

    assert (answer.status_code, "revoke" in answer.json["detail"]) == (404, True)


def test_role_and_grants_together_are_refused(house: House) -> None:
    """Nobody has to know which of them wins."""
    token = house.desk.token("root")["token"]
    body = {"name": "x", "role": "viewer", "grants": [{"role": "viewer"}]}

    for path in ("/people", "/tokens"):
        answer = house.ask("POST", path, body, Authorization=f"Bearer {token}")
        assert (answer.status_code, answer.json["code"]) == (400, "BODY_INVALID")


@pytest.mark.parametrize("url", [SAFE, "http://127.0.0.1:8080"])
def test_every_answer_says_what_a_browser_may_do_with_it(tmp_path: Path, url: str) -> None:
    """After OWASP ASVS 5.0, chapter 3.4; HSTS only where there is HTTPS."""
    house = House(tmp_path, url)

    for path in ("/api/v1/session", "/api/v1/nothing", "/healthz", "/packages/x.pkg", "/api/v1/docs", "/ods/v1/status"):
        _check_headers(house.client.get(path, base_url=url), path, has_tls=url == SAFE)


def _check_headers(answer: TestResponse, path: str, *, has_tls: bool) -> None:
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Opener-Policy"] == answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = answer.headers["Content-Security-Policy"]
    assert all(part in policy for part in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"))
    assert answer.headers.get("Strict-Transport-Security") == ("max-age=31536000; includeSubDomains" if has_tls else None)
    assert answer.headers.get("Server", "") == ""
    assert (answer.headers.get("Cache-Control") == "no-store") == path.startswith(("/api/", "/ods/"))


def test_whoever_calls_too_often_has_to_wait(tmp_path: Path) -> None:
    """By token and session; another one from the same address goes on, until the address has called too often."""
    house = House(tmp_path, api_calls_per_minute=3, api_calls_per_minute_from_address=7)
    first, second = (house.desk.token(name)["token"] for name in ("ada", "root"))

    statuses = [house.ask("GET", "/packages", Authorization=f"Bearer {token}").status_code for token in [first] * 4 + [second] * 3]
    refused = house.ask("GET", "/packages", Authorization="Bearer a guess")

    assert statuses == [200, 200, 200, 429, 200, 200, 200]
    assert (house.ask("GET", "/packages").status_code, refused.status_code) == (429, 401)
    answer = house.ask("GET", "/packages", Authorization=f"Bearer {first}")
    assert answer.json["code"] == "TOO_MANY_REQUESTS"
    assert 1 <= int(answer.headers["Retry-After"]) <= 61


def test_downloads_peers_and_health_are_not_counted(tmp_path: Path) -> None:
    """A fleet behind one address fetches as it likes."""
    house = House(tmp_path, api_calls_per_minute=1, api_calls_per_minute_from_address=1)
    house.services.answers["replication__authenticate"] = Unauthenticated("no")

    for path in ("/packages/x.pkg", "/healthz", "/ods/v1/status"):
        assert {house.client.get(path).status_code for _ in range(4)} & {429} == set()


def test_a_limit_of_zero_is_none(tmp_path: Path) -> None:
    """For whoever limits elsewhere."""
    house = House(tmp_path, api_calls_per_minute=0, api_calls_per_minute_from_address=0)

    assert {house.ask("GET", "/packages").status_code for _ in range(20)} == {401}


@pytest.mark.parametrize(
    ("trusted", "remote", "claimed", "expected"),
    [
        ((), "192.0.2.1", "198.51.100.1", "192.0.2.1"),
        (("127.0.0.0/8",), "127.0.0.1", "198.51.100.1", "198.51.100.1"),
        (("127.0.0.0/8",), "127.0.0.1", "203.0.113.5, 198.51.100.1", "198.51.100.1"),
        (("127.0.0.0/8", "10.0.0.0/8"), "127.0.0.1", "203.0.113.5, 198.51.100.1, 10.1.1.1", "198.51.100.1"),
        (("127.0.0.0/8",), "192.0.2.1", "198.51.100.1", "192.0.2.1"),
        (("127.0.0.0/8",), "127.0.0.1", None, "127.0.0.1"),
        (("127.0.0.0/8",), "127.0.0.1", "junk", "unknown"),
        (("127.0.0.0/8",), "127.0.0.1", "203.0.113.5,", "127.0.0.1"),
        (("::1/128",), "::1", "2001:DB8::1", "2001:db8::1"),
        ((), None, None, "unknown"),
    ],
)
def test_an_address_is_believed_as_far_as_we_trust_who_says_it(
    trusted: tuple[str, ...], remote: str | None, claimed: str | None, expected: str
) -> None:
    """The last one that a proxy of ours wrote; what a client writes before that is its own claim."""
    headers = {} if claimed is None else {"X-Forwarded-For": claimed}

    with Flask("any").test_request_context(environ_base={"REMOTE_ADDR": remote}, headers=headers) as context:
        assert Addresses(trusted).of(context.request) == expected


@pytest.mark.parametrize(
    ("url", "name", "path"),
    [("https://odst.example.org", "__Host-odst-login", "/"), ("http://127.0.0.1:8080", "odst-login", LOGIN_PATH)],
)
def test_no_neighbour_sets_the_cookie_of_a_log_in(url: str, name: str, path: str) -> None:
    """Another host of the domain could let a browser finish a log-in that was begun elsewhere: as somebody else."""
    cookie, answer = LoginCookie(url), Response()
    cookie.put(answer, "s", 600)
    cookie.remove(answer)

    for told in answer.headers.getlist("Set-Cookie"):
        assert told.split("=")[0] == name
        assert "Domain" not in told
        assert f"Path={path};" in told
        assert ("Secure" in told) == url.startswith("https")
