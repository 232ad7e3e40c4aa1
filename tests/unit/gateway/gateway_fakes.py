"""A gateway without its services: their answers are given by the test, and what it asked is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from services.api_gateway.app import assemble
from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.live.live import Live
from services.api_gateway.outside import Outside
from shared.contracts.events import Event
from shared.core.layout import Layout
from shared.runtime import http_signatures
from shared.runtime.bus.dead_letters import DeadLetters
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.keys import InstanceKey

VIEW = {"tags": ["test"], "ever": [".", "test"], "number": 0}
AMQP = "amqp://guest:guest@127.0.0.1:1/"


class ToldServices:
    """Answers what it was told to; a class of error is raised."""

    def __init__(self, **answers: Any) -> None:
        """`storage__read_changes={...}`: a value, or a function of the arguments."""
        self.answers = {"replication__authenticate": {"peer_id": "P", "view": VIEW}, **answers}
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    def call(self, service: str, method: str, /, *, _timeout_seconds: float | None = None, **arguments: Any) -> Any:
        """As the port has it."""
        self.asked.append((service, method, arguments))
        answer = self.answers[f"{service}__{method}"]
        if isinstance(answer, Exception):
            raise answer
        return answer(**arguments) if isinstance(answer, Callable) else answer  # type: ignore[arg-type]

    def arguments(self, service: str, method: str) -> list[dict[str, Any]]:
        """What one method was asked with, each time."""
        return [arguments for asked, name, arguments in self.asked if (asked, name) == (service, method)]


class ToldEvents:
    """Remembers what was said."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.said: list[Event] = []

    def dispatch(self, event: Event) -> None:
        """As the port has it."""
        self.said.append(event)


class Asker:
    """A peer with a key, in front of a gateway."""

    def __init__(self, app: Flask, key: InstanceKey, events: ToldEvents) -> None:
        """`key` is the gateway's, `events` is where it says what was done."""
        self.client: FlaskClient = app.test_client()
        self.events = events
        self.key, self.gateway_key = InstanceKey.generate(), key

    def ask(self, method: str, target: str, document: Any = None, **headers: str) -> TestResponse:
        """A signed request; a document that is bytes is sent as it is."""
        return self._send(method, target, document, headers)[0]

    def signed_answer(self, method: str, target: str, document: Any = None) -> dict[str, Any]:
        """The JSON of a 200 that the gateway signed for this request."""
        answer, sent = self._send(method, target, document, {})
        assert answer.status_code == 200, answer.text
        told = http_signatures.Response(200, dict(answer.headers), sent)
        http_signatures.verify_response(told, answer.data, self.gateway_key.instance_id, self.gateway_key.public_bytes)
        found: dict[str, Any] = answer.json or {}
        return found

    def _send(self, method: str, target: str, document: Any, headers: dict[str, str]) -> tuple[TestResponse, http_signatures.Request]:
        body = document if isinstance(document, bytes) else b"" if document is None else json.dumps(document).encode()
        message = http_signatures.Request(method, target, {})
        http_signatures.sign_request(message, self.key, self.gateway_key.instance_id, body)
        return self.client.open(target, method=method, data=body, headers={**message.headers, **headers}), message


def a_gateway(folder: Path, services: ToldServices, **settings: Any) -> Asker:
    """A gateway with these services, and a peer that asks it."""
    key = InstanceKey.generate()
    configured = ApiGatewaySettings(amqp_uri=AMQP, data=folder, **settings)
    store = FilesystemByteStore(Layout(folder), free_floor_bytes=0)
    events = ToldEvents()
    return Asker(
        assemble(Outside(configured, services, store, key, DeadLetters(AMQP, 1.0), events, Live(configured, services))), key, events
    )
