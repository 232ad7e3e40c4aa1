"""Claims about answers that get lost: the client asks again under the same key, and the instance does it once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from odst_client import CallFailed, Client
from odst_client.transport import Patience
from services.directory.domain.keyed_requests import LEASE
from shared.core.errors import ServiceTimeout
from tests.unit.gateway.test_keyed_doors import House

HASTY = Patience(pause_seconds=0)


class Cutter:
    """In front of the gateway: lets the next request through, and cuts its connection instead of answering."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self.cuts = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """As WSGI has it; the work is done before the cut."""
        answered = list(self._app(environ, start_response))
        if environ["REQUEST_METHOD"] == "POST" and self.cuts:
            self.cuts -= 1
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return answered


class _Silent(WSGIRequestHandler):
    def log(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def _served(house: House) -> Iterator[tuple[Client, Cutter]]:
    cutter = Cutter(house.gateway.client.application)
    server = make_server("127.0.0.1", 0, cutter, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Client(f"http://127.0.0.1:{server.server_port}", house.token, patience=HASTY), cutter
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A gateway, and a directory as it is."""
    return House(tmp_path)


def test_a_promotion_whose_answer_is_lost_is_asked_for_again_and_made_once(house: House) -> None:
    """Twice cut, three times sent, once done; the caller has the answer."""
    with _served(house) as (client, cutter):
        cutter.cuts = 2
        house.services.answers["storage__promote_package"] = _promotion()

        promotion = client.promotions.promote("x")

    assert (promotion.promotion_id, house.promoted, len(house.acts)) == ("r1", 1, 3)


def test_a_token_whose_answer_is_lost_is_one_token_that_can_be_revoked(house: House) -> None:
    """Its text is lost for good, and nobody is given another one in silence."""
    before = {token.token_id for token in house.desk.register.tokens()}
    with _served(house) as (client, cutter):
        cutter.cuts = 1

        with pytest.raises(CallFailed) as caught:
            client.tokens.create("ci")

    (made,) = {token.token_id for token in house.desk.register.tokens()} - before
    assert caught.value.code == "IDEMPOTENCY_SECRET_SHOWN"
    assert made in caught.value.detail


def test_the_client_waits_for_a_request_that_is_still_under_way(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the instance says, and no longer than it has patience."""
    house.services.answers["storage__promote_package"] = ServiceTimeout("slow")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        house.desk.clock.pass_seconds(LEASE.total_seconds() / 2)

    monkeypatch.setattr("urllib3.util.retry.time.sleep", sleep)
    with _served(house) as (client, _), pytest.raises(CallFailed) as caught:
        client.promotions.promote("x")

    assert (caught.value.code, house.promoted, slept) == ("IDEMPOTENCY_OUTCOME_UNKNOWN", 1, [5, 1])


def _promotion() -> dict[str, Any]:
    times = dict.fromkeys(("requested", "at"), "2026-01-02T00:00:00Z")
    names = dict.fromkeys(("package_id", "name", "stage", "requested_by"), "x")
    return {"promotion_id": "r1", "state": "scheduled", "approved_by": None, "ended": None, "reason": None} | times | names
