"""A whole instance with a provider of OpenID Connect: browsers, the command, and what a provider that is away does to everybody else."""

from __future__ import annotations

import contextlib
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from cli.main import main
from shared.runtime.broker import PrivateBroker
from shared.testing.certificates import Authority
from shared.testing.instance import Instance
from shared.testing.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider
from shared.testing.people import PASSWORD
from shared.testing.waiting import wait_for

ENTRANCE = "/api/v1/session/oidc"


@pytest.fixture(scope="module")
def provider(authority: Authority) -> Iterator[OidcProvider]:
    """Where people log in."""
    with OidcProvider(authority.issue("localhost"), "http://127.0.0.1/") as running:
        yield running


@pytest.fixture(scope="module")
def instance(
    broker: PrivateBroker,
    vhost_names: Iterator[str],
    tmp_path_factory: pytest.TempPathFactory,
    provider: OidcProvider,
    authority: Authority,
) -> Iterator[Instance]:
    """An instance that is registered there, with a group that may upload."""
    folder = tmp_path_factory.mktemp("oidc")
    secret = folder / "secret"
    secret.write_text(f"{CLIENT_SECRET}\n", encoding="utf-8")
    settings = {
        "ODST_OIDC_ISSUER": provider.issuer,
        "ODST_OIDC_CLIENT_ID": CLIENT_ID,
        "ODST_OIDC_CLIENT_SECRET_FILE": str(secret),
        "ODST_OIDC_CA_FILE": str(authority.file),
        "ODST_OIDC_SHOWN_AS": "Example ID",
        "ODST_OIDC_TIMEOUT_SECONDS": "4.9",
    }
    made = Instance("A", folder / "A", broker.uri(next(vhost_names)), settings=settings)
    provider.redirect_uris.add(f"{made.url}{ENTRANCE}/callback")
    with contextlib.closing(made.start()):
        made.wait_ready()
        assert odst(made, "group", "grant", "oidc:packagers", "uploader").exit_code == 0
        yield made


def odst(instance: Instance, *words: str, token: str | None = None) -> Result:
    """The command, as the first administrator unless something else is said."""
    return CliRunner().invoke(main, words, env={"ODST_URL": instance.url, "ODST_TOKEN": token or instance.token}, catch_exceptions=False)


def begin(instance: Instance, browser: requests.Session, query: str = "") -> requests.Response:
    """Go to where a log-in begins."""
    return browser.get(f"{instance.url}{ENTRANCE}{query}", allow_redirects=False, timeout=60)


def log_in(instance: Instance, provider: OidcProvider, browser: requests.Session, query: str = "") -> requests.Response:
    """All of it, as a browser does."""
    return browser.get(provider.visit(begin(instance, browser, query).headers["Location"]), allow_redirects=False, timeout=60)


def test_a_provider_that_is_away_holds_up_nobody_else(instance: Instance, provider: OidcProvider) -> None:
    """Frozen from the start: 503 and what to do; a local administrator comes in; nothing is a stack trace."""
    instance.api("POST", "/people", json={"name": "grace", "role": "administrator", "password": PASSWORD}, expect=201)
    with provider.misbehaving(answers={"/.well-known/openid-configuration": "hang"}):
        answer = begin(instance, requests.Session())
        entered = requests.post(f"{instance.url}/api/v1/session", json={"name": "grace", "password": PASSWORD}, timeout=60)

    problem = answer.json()
    assert (answer.status_code, problem["code"], "local accounts work" in problem["detail"]) == (503, "OIDC_UNAVAILABLE", True)
    assert (entered.status_code, entered.json()["source"]) == (201, "local")
    # A machine that is busy enough may miss the time limit of a real setting: that is not what this is about.
    wait_for(lambda: begin(instance, requests.Session()).status_code == 302, "the provider is asked again")
    wait_for(lambda: odst(instance, "oidc", "test").exit_code == 0, "all steps are well")


def test_a_browser_logs_in_there_and_is_in_here(instance: Instance, provider: OidcProvider) -> None:
    """The cookies, the page that leads on, the session with its rules, and the audit log."""
    browser = requests.Session()
    first = begin(instance, browser, "?next=/api/v1/docs")
    callback = provider.visit(first.headers["Location"])
    stolen = requests.get(callback, timeout=60)
    back = browser.get(callback, allow_redirects=False, timeout=60)
    again = browser.get(callback, allow_redirects=False, timeout=60)
    me = browser.get(f"{instance.url}/api/v1/session", timeout=60).json()

    assert first.headers["Set-Cookie"].endswith("; HttpOnly; Path=/api/v1/session/oidc; SameSite=Lax")
    assert "Max-Age=600" in first.headers["Set-Cookie"]
    assert [(answer.status_code, answer.json()["code"]) for answer in (stolen, again)] == [(401, "OIDC_NOT_BEGUN")] * 2
    assert back.status_code == 200
    assert 'content="0; url=/api/v1/docs"' in back.text
    assert "SameSite=Strict" in back.headers["Set-Cookie"]
    assert (me["person"], me["source"], "upload" in me["rights"]) == ("ada", "oidc", True)
    unproved = browser.delete(f"{instance.url}/api/v1/session", timeout=60)
    ended = browser.delete(f"{instance.url}/api/v1/session", headers={"X-Ods-Csrf": me["csrf_token"]}, timeout=60)
    assert (unproved.status_code, ended.status_code) == (403, 204)
    entry = wait_for(lambda: audited(instance, "log_in_by_oidc"), "it is in the audit log")
    assert (entry["person"], entry["data"]["details"]["way"]) == ("ada", "oidc")


def test_what_a_page_does_by_itself_begins_no_log_in(instance: Instance) -> None:
    """An image, a frame, a script: refused before anything is remembered; nor does a `next` lead elsewhere."""
    for destination, mode in (("image", "no-cors"), ("iframe", "navigate"), ("empty", "cors")):
        headers = {"Sec-Fetch-Dest": destination, "Sec-Fetch-Mode": mode}
        for path in (ENTRANCE, f"{ENTRANCE}/callback?state=x&code=y"):
            assert requests.get(instance.url + path, headers=headers, timeout=60).json()["code"] == "CSRF_REFUSED"
    foreign = requests.post(
        f"{instance.url}{ENTRANCE}",
        json={"redirect_uri": "http://127.0.0.1:9/"},
        headers={"Origin": "https://evil.example.org"},
        timeout=60,
    )
    assert foreign.json()["code"] == "CSRF_REFUSED"
    assert begin(instance, requests.Session(), "?next=//evil.example.org").json()["code"] == "PATH_INVALID"


def test_a_name_that_is_taken_is_refused_and_written_down(instance: Instance, provider: OidcProvider) -> None:
    """The message and the audit log say which, and nobody is merged."""
    before, provider.person = provider.person, {**provider.person, "sub": "3003", "preferred_username": "Admin"}
    try:
        refused = log_in(instance, provider, requests.Session())
    finally:
        provider.person = before

    assert (refused.status_code, refused.json()["code"]) == (403, "ACCOUNT_NAME_TAKEN")
    entry = wait_for(lambda: audited(instance, "refused", code="ACCOUNT_NAME_TAKEN"), "it is in the audit log")
    assert "admin" in entry["data"]["details"]["reason"]


def test_the_command_logs_in_by_a_browser(
    instance: Instance, provider: OidcProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`odst login --browser` waits at a port of the moment, and its token is the person's; no secret is in any log."""
    visits: list[threading.Thread] = []

    def visit(url: str) -> bool:
        def walk() -> None:
            where = provider.visit(url)
            requests.get(where.partition("?")[0] + "favicon.ico", timeout=60)
            requests.get(where, timeout=60)

        visits.append(threading.Thread(target=walk))
        visits[0].start()
        return True

    monkeypatch.setattr(webbrowser, "open", visit)
    file = tmp_path / "token"
    result = odst(instance, "login", "--browser", "--token-file", str(file))
    visits[0].join()

    assert result.exit_code == 0, result.output
    who = odst(instance, "--json", "whoami", token=file.read_text().strip())
    assert '"ada"' in who.output
    ways = requests.get(f"{instance.url}/api/v1/session/ways", timeout=60).json()
    assert ways == {"password": True, "oidc": {"name": "Example ID"}}
    log = "".join(path.read_text("utf-8", "replace") for path in instance.folder.glob("*.log"))
    assert not [word for word in ("Traceback", CLIENT_SECRET, "eyJ", "code_verifier", "code=") if word in log]


def audited(instance: Instance, operation: str, **data: Any) -> dict[str, Any] | None:
    """The newest entry of the audit log about this operation, with these in it."""
    items = instance.api("GET", f"/audit?type=act.{operation}").json()["items"]
    fitting = [item for item in items if {**item["data"], **data} == item["data"]]
    return fitting[0] if fitting else None
