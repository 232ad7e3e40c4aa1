"""What the client sends, what it tries again, how it reads, and how it fails."""

from __future__ import annotations

import datetime as dt
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from odst_client import CallFailed, Client
from odst_client.transport import CORRELATION_HEADER, Patience
from shared.contracts.admin.mesh import Peer, Pulling
from shared.contracts.admin.packages import Package, Upload
from shared.contracts.admin.people import Me
from shared.runtime import logging
from tests.unit.api_examples import example_of
from tests.unit.prepared_gateway import BREAK_OFF, Gateway, a_prepared_gateway

API = "/api/v1"
AWAY = {"code": "SERVICE_UNAVAILABLE", "detail": "storage is away", "correlation_id": "c" * 32}
HASTY = Patience(pause_seconds=0)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway made of prepared answers."""
    with a_prepared_gateway() as prepared:
        yield prepared


def _sometimes(gateway: Gateway, call: str, failures: list[tuple[int, Any]], then: tuple[int, Any]) -> None:
    """Fail so, one after the other, before it works."""
    left = iter([*failures, then])
    gateway.otherwise = lambda method, path: next(left) if f"{method} {path}" == call else (404, {"code": "NOT_FOUND"})


def _keys(gateway: Gateway) -> list[str | None]:
    return [headers.get("Idempotency-Key") for _, headers, _ in gateway.asked]


@pytest.mark.parametrize("failure", [(503, AWAY), (504, AWAY), BREAK_OFF], ids=["503", "504", "cut"])
def test_what_is_safe_is_tried_again(gateway: Gateway, failure: tuple[int, Any]) -> None:
    """When the connection broke, and when a service is away for a moment."""
    _sometimes(gateway, f"GET {API}/peers", [failure, failure], (200, {"items": []}))

    assert Client(gateway.url, patience=HASTY).peers.all() == []
    assert len(gateway.asked) == 3


@pytest.mark.parametrize("failure", [(503, AWAY), BREAK_OFF], ids=["503", "cut"])
def test_what_creates_is_tried_again_under_one_key(gateway: Gateway, failure: tuple[int, Any]) -> None:
    """The instance does it once, however often it arrives; another call has another key."""
    _sometimes(gateway, f"POST {API}/peers", [failure], (201, example_of(Peer, name="berlin")))
    client = Client(gateway.url, patience=HASTY)

    assert client.peers.join("odst1:x").name == "berlin"
    gateway.otherwise = lambda _method, _path: (201, example_of(Peer))
    client.peers.join("odst1:x")
    first, second, third = _keys(gateway)
    assert first == second != third
    assert first is not None


@pytest.mark.parametrize("failure", [(503, AWAY), BREAK_OFF], ids=["503", "cut"])
def test_what_could_be_done_twice_is_sent_once(gateway: Gateway, failure: tuple[int, Any]) -> None:
    """What has no key: nobody is logged in twice because an answer was lost."""
    _sometimes(gateway, f"POST {API}/session", [failure], (201, example_of(Me)))

    with pytest.raises(CallFailed):
        Client(gateway.url, patience=HASTY).account.log_in("ada", "a password")

    assert (len(gateway.asked), _keys(gateway)) == (1, [None])


def test_a_change_under_a_condition_is_sent_once(gateway: Gateway) -> None:
    """Sent again after it was done, it would be refused for what it did itself; the tag comes with each answer, and goes back as it is."""
    gateway.headers["ETag"] = '"v1.a"'
    gateway.answers[f"GET {API}/packages/x"] = (200, example_of(Package))
    _sometimes(gateway, f"DELETE {API}/packages/x", [BREAK_OFF], (200, example_of(Package)))
    client = Client(gateway.url, patience=HASTY)
    seen = client.packages.show("x")

    with pytest.raises(CallFailed, match="UNREACHABLE"):
        client.packages.delete("x", if_match=seen.etag)

    assert [headers.get("If-Match") for _, headers, _ in gateway.asked] == [None, '"v1.a"']
    assert seen.etag == '"v1.a"'
    assert "etag" not in seen.model_dump()


def test_the_bytes_of_a_package_are_sent_once(gateway: Gateway, tmp_path: Path) -> None:
    """They may be many."""
    (tmp_path / "x.pkg").write_bytes(b"abc")
    _sometimes(gateway, f"PUT {API}/packages/x.pkg", [(503, AWAY)], (202, example_of(Upload)))

    with pytest.raises(CallFailed, match="SERVICE_UNAVAILABLE"):
        Client(gateway.url, patience=HASTY).uploads.send(tmp_path / "x.pkg")

    assert len(gateway.asked) == 1


@pytest.mark.parametrize(("said", "waited"), [("5", [5, 5]), ("86400", [10, 10])])
def test_the_instance_says_how_long_to_wait_within_reason(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, said: str, waited: list[int]
) -> None:
    """Retry-After is obeyed, up to a limit; in the end its refusal is told."""
    slept: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", slept.append)
    gateway.headers["Retry-After"] = said
    gateway.otherwise = lambda _method, _path: (503, AWAY)

    with pytest.raises(CallFailed) as caught:
        Client(gateway.url).peers.all()

    assert (caught.value.code, caught.value.status, caught.value.correlation_id) == ("SERVICE_UNAVAILABLE", 503, "c" * 32)
    assert slept == waited


def test_an_instance_that_is_not_ready_says_so_at_once(gateway: Gateway) -> None:
    """503 is its answer, not its failure."""
    gateway.answers["GET /readyz"] = (503, {"status": "not ready", "faults": {"storage": "SERVICE_TIMEOUT"}})

    assert Client(gateway.url).instance.readiness().faults == {"storage": "SERVICE_TIMEOUT"}
    assert len(gateway.asked) == 1


def test_every_call_can_be_found_in_the_logs(gateway: Gateway) -> None:
    """By the correlation id that was given, or one made for it; the header is the one that instances read."""
    gateway.answers[f"GET {API}/peers"] = (200, {"items": []})
    for client in (Client(gateway.url, correlation_id="of-my-script"), Client(gateway.url)):
        client.peers.all()
        client.peers.all()

    given, again, made, other = [headers[CORRELATION_HEADER] for _, headers, _ in gateway.asked]
    assert (given, again) == ("of-my-script", "of-my-script")
    assert made != other
    assert CORRELATION_HEADER == logging.CORRELATION_HEADER


def test_what_a_newer_instance_says_is_no_fault(gateway: Gateway) -> None:
    """Fields that are unknown here are left out; states that are unknown here are taken as they are."""
    package = example_of(Package, state="frozen", colour="blue", published=None)
    gateway.answers[f"GET {API}/packages/x"] = (200, package)
    gateway.answers[f"GET {API}/packages"] = (200, {"items": [package], "next": None})
    client = Client(gateway.url)

    assert client.packages.show("x").state == "frozen"
    assert not hasattr(client.packages.show("x"), "colour")
    assert [found.state for found in client.packages.all()] == ["frozen"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"<html>", "is it an ODST gateway"),
        ({"items": "none"}, "items"),
        ({"items": [{}]}, r"items\.0\.peer_id"),
        ({"items": [example_of(Peer, steward="perhaps", state="frozen")]}, r"items\.0\.steward"),
        ([], "all of it: Input should be an object"),
    ],
)
def test_a_malformed_answer_says_what_is_wrong(gateway: Gateway, answer: Any, said: str) -> None:
    """ANSWER_MALFORMED, and where."""
    gateway.answers[f"GET {API}/peers"] = (200, answer)

    with pytest.raises(CallFailed, match=f"ANSWER_MALFORMED.*{said}"):
        Client(gateway.url).peers.all()


def test_a_body_that_the_instance_would_refuse_is_not_sent(gateway: Gateway) -> None:
    """BODY_INVALID, and which field."""
    with pytest.raises(CallFailed, match=r"BODY_INVALID.*\bat\b"):
        Client(gateway.url).promotions.promote("x", at=dt.datetime(1999, 1, 1, tzinfo=dt.UTC))

    assert gateway.asked == []


def test_the_token_is_in_no_text(gateway: Gateway) -> None:
    """Not of the client, not of its failures."""
    client = Client(gateway.url, "a-secret-token")

    with pytest.raises(CallFailed) as caught:
        client.peers.all()

    assert "a-secret-token" not in f"{client!r} {caught.value!r}"


def test_whoever_logged_in_is_in_the_session_with_every_call(gateway: Gateway) -> None:
    """Cookie and proof go with what is tried again and with what is not; after logging out, the proof does not."""
    gateway.headers["Set-Cookie"] = "odst=here; Path=/"
    gateway.answers[f"POST {API}/session"] = (201, example_of(Me, csrf_token="proof"))
    gateway.otherwise = lambda method, _path: (204, b"") if method == "DELETE" else (200, example_of(Pulling))
    client = Client(gateway.url)

    client.account.log_in("ada", "a password")
    client.peers.pull()
    client.account.log_out()
    client.peers.pull()

    told = [(headers.get("Cookie"), headers.get("X-Ods-Csrf")) for _, headers, _ in gateway.asked]
    assert told == [(None, None), ("odst=here", "proof"), ("odst=here", "proof"), ("odst=here", None)]


def test_a_download_that_ends_too_early_is_no_download(gateway: Gateway) -> None:
    """Fewer bytes than were announced is a failure, not an end."""
    gateway.headers["Content-Length"] = "10"
    gateway.answers["GET /packages/x"] = (200, b"abc")

    with pytest.raises(CallFailed, match="UNREACHABLE"):
        list(Client(gateway.url).uploads.download("x"))


def test_waiting_for_an_upload_has_an_end(gateway: Gateway) -> None:
    """TIMEOUT says in which state it still is."""
    gateway.answers[f"GET {API}/uploads/u"] = (200, example_of(Upload, state="received"))
    slept: list[float] = []

    with pytest.raises(CallFailed, match="TIMEOUT: the upload is still received"):
        Client(gateway.url).uploads.wait("u", timeout_seconds=1e-9, sleep=slept.append)


def test_the_first_example_of_the_documentation_works(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands on the page: upload, wait, and say where it is."""
    page = Path(inspect.getfile(Client)).parents[1] / "docs" / "client.md"
    example = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)[0]
    upload = example_of(Upload, upload_id="u1", package_id="p1", state="published")
    gateway.answers[f"PUT {API}/packages/Firefox-129.0.pkg"] = (202, {**upload, "state": "received"})
    gateway.answers[f"GET {API}/uploads/u1"] = (200, upload)
    gateway.answers[f"GET {API}/packages"] = (200, {"items": [example_of(Package, name="Firefox-129.0.pkg")], "next": None})
    (tmp_path / "Firefox-129.0.pkg").write_bytes(b"abc")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODST_URL", gateway.url)
    monkeypatch.setenv("ODST_TOKEN", "t")

    exec(compile(example, str(page), "exec"), {})

    assert capsys.readouterr().out.splitlines() == ["published", "Firefox-129.0.pkg 0 bytes published"]
    assert gateway.asked[0][1]["Ods-Tags"] == "test"
