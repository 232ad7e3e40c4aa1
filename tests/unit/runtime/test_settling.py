"""Claims about how messages are settled (promises M5 and M6), without a broker."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.contracts.events import Envelope, PackageWantedV1, PeerRegisteredV1
from shared.core.errors import DatabaseAway, Malformed, NotFound, ServiceUnavailable
from shared.runtime.bus import messages, topology
from shared.runtime.bus.handles import Handles
from shared.runtime.bus.settings import BusSettings

DELAYS = (1.0, 5.0)
EVENT = PackageWantedV1(package_id="8d1c6b54-0f3a-4e2b-b7d9-6a5c4b3e2f10", name="App.pkg", size=1)


@dataclass
class FakeMessage:
    """A kombu message, as far as it is looked at."""

    body: Any = b""
    headers: Any = field(default_factory=dict)
    content_type: str | None = "application/json"
    content_encoding: str | None = "utf-8"
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass
class Settled:
    """What was done with messages, in order."""

    done: list[tuple[str, Any]] = field(default_factory=list)
    broker_is_away: bool = False

    def publish(self, body: bytes, *, exchange: str, routing_key: str, headers: dict[str, Any], **_: Any) -> None:
        """The broker takes it, or does not."""
        if self.broker_is_away:
            raise ServiceUnavailable("the broker is away")
        self.done.append((exchange, (routing_key, headers, body)))

    def ack_message(self, _message: Any) -> None:
        """Acknowledged."""
        self.done.append(("acknowledged", None))

    def requeue_message(self, _message: Any) -> None:
        """Given back."""
        self.done.append(("given back", None))

    def spawn_worker(self, _entrypoint: Any, args: Any, _kwargs: Any, **context: Any) -> None:
        """A worker would run."""
        self.done.append(("worker", (args, context["context_data"])))

    @property
    def steps(self) -> list[str]:
        """The kinds of what was done."""
        return [kind for kind, _ in self.done]


@pytest.fixture
def settled() -> Settled:
    """Nothing yet."""
    return Settled()


@pytest.fixture
def entrypoint(settled: Settled) -> Handles:
    """An entrypoint for `package.wanted.v1` in replication, with the outside replaced."""
    handles = Handles(PackageWantedV1)
    handles.bus = BusSettings("amqp://nobody/", DELAYS)
    handles.queue = topology.event_queue("replication", PackageWantedV1.type)
    handles.publisher, handles.queue_consumer, handles.container = settled, settled, settled
    return handles


def a_message(attempt: int | None = None, **changes: Any) -> FakeMessage:
    """A proper message about EVENT, but for the changes to its envelope."""
    envelope = Envelope.around(EVENT, "5a4b3c2d-1e0f").model_dump(mode="json") | changes
    return FakeMessage(json.dumps(envelope).encode(), {} if attempt is None else {messages.ATTEMPT_KEY: attempt})


def end(entrypoint: Handles, message: FakeMessage, error: Exception | None) -> None:
    """The handler ended so."""
    entrypoint._handle_result(message, None, None, (type(error), error, None) if error else None)


def test_a_handler_that_returns_acknowledges(entrypoint: Handles, settled: Settled) -> None:
    """And nothing else happens."""
    end(entrypoint, a_message(), None)

    assert settled.steps == ["acknowledged"]


@pytest.mark.parametrize(("attempt", "delay"), [(None, 1), (0, 1), (1, 5)])
@pytest.mark.parametrize("error", [ServiceUnavailable("away"), RuntimeError("unexpected")])
def test_a_transient_or_unexpected_error_is_tried_again_later(
    entrypoint: Handles, settled: Settled, attempt: int | None, delay: int, error: Exception
) -> None:
    """It waits elsewhere first, and only then is it acknowledged: it may be seen twice, never be lost."""
    message = a_message(attempt)

    end(entrypoint, message, error)

    assert settled.steps == [f"odst.retry.{delay}s", "acknowledged"]
    routing_key, headers, body = settled.done[0][1]
    assert (routing_key, body) == (entrypoint.queue.name, message.body)
    assert headers[messages.ATTEMPT_KEY] == (attempt or 0) + 1


@pytest.mark.parametrize(
    ("attempt", "error", "code"),
    [(0, NotFound("gone"), "NOT_FOUND"), (2, ServiceUnavailable("away"), "SERVICE_UNAVAILABLE"), (2, RuntimeError("x"), "INTERNAL")],
)
def test_what_cannot_succeed_is_buried_with_its_reason(
    entrypoint: Handles, settled: Settled, attempt: int, error: Exception, code: str
) -> None:
    """At once for a permanent error, after the last delay for any other; then an alarm, then the acknowledgement."""
    end(entrypoint, a_message(attempt), error)

    assert settled.steps == ["odst.dead-letters", "bus.events", "acknowledged"]
    _, headers, _ = settled.done[0][1]
    assert (headers["odst-code"], headers["odst-reason"], headers["odst-queue"]) == (code, str(error), entrypoint.queue.name)
    assert headers["odst-attempts"] == attempt + 1
    _, _, alarm = settled.done[1][1]
    assert json.loads(alarm)["data"]["event_type"] == "package.wanted.v1"


def test_no_message_is_given_up_because_a_database_is_away(entrypoint: Handles, settled: Settled) -> None:
    """The last delay is used again and again; when the database is back and something else fails, there is one more try."""
    attempts = [0]
    for _ in range(5):
        end(entrypoint, a_message(attempts[-1]), DatabaseAway("away"))
        attempts.append(settled.done[-2][1][1][messages.ATTEMPT_KEY])
    for _ in range(2):
        end(entrypoint, a_message(attempts[-1]), ServiceUnavailable("storage is starting"))
        attempts.append(messages.attempt_of(FakeMessage(headers=settled.done[-2][1][1])))

    waits = ["odst.retry.1s", *["odst.retry.5s"] * 5]
    assert [step for step in settled.steps if step != "acknowledged"] == [*waits, "odst.dead-letters", "bus.events"]
    assert attempts[:7] == [0, 1, 1, 1, 1, 1, 2]


@pytest.mark.parametrize("error", [NotFound("gone"), ServiceUnavailable("away")])
def test_without_a_broker_the_message_goes_back(entrypoint: Handles, settled: Settled, error: Exception) -> None:
    """What could not be put elsewhere is not acknowledged."""
    settled.broker_is_away = True

    end(entrypoint, a_message(), error)

    assert settled.steps == ["given back"]


def test_a_proper_message_reaches_its_handler(entrypoint: Handles, settled: Settled) -> None:
    """With the event, and with the correlation id bound."""
    entrypoint.handle_raw(a_message())

    ((kind, (args, context)),) = settled.done
    assert (kind, args, context["correlation_id"]) == ("worker", (EVENT,), "5a4b3c2d-1e0f")


MALFORMED = {
    "no JSON": FakeMessage(b"{"),
    "nothing": FakeMessage(b""),
    "a list": FakeMessage(b"[]"),
    "deep": FakeMessage(b"[" * 100_000),
    "not UTF-8": FakeMessage(b"\xff\xfe"),
    "pickle": FakeMessage(b"\x80\x04.", content_type="application/x-python-serialize"),
    "no content type": FakeMessage(b"{}", content_type=None),
    "compressed": FakeMessage(b"{}", {"compression": "application/x-gzip"}),
    "too large": FakeMessage(b" " * (topology.MAX_BODY_BYTES + 1)),
    "a header that Nameko would die of": FakeMessage(a_message().body, {"nameko.call_id_stack": "x"}),
    "another event": a_message(type=PeerRegisteredV1.type),
    "an unknown event": a_message(type="package.eaten.v1"),
    "no data": a_message(data={}),
    "wrong data": a_message(data=EVENT.model_dump() | {"size": -1}),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_message_is_buried_unseen(entrypoint: Handles, settled: Settled, kind: str) -> None:
    """The handler never sees it, whatever it is."""
    entrypoint.handle_raw(MALFORMED[kind])

    assert settled.steps == ["odst.dead-letters", "bus.events", "acknowledged"]
    assert settled.done[0][1][1]["odst-code"] == "MESSAGE_MALFORMED"


def test_a_message_with_unknown_fields_is_proper(entrypoint: Handles, settled: Settled) -> None:
    """Readers ignore what they do not know."""
    entrypoint.handle_raw(a_message(colour="green", data=EVENT.model_dump() | {"weight": 12}))

    assert settled.steps == ["worker"]


@pytest.mark.parametrize(("header", "attempt"), [(3, 3), (0, 0), (-1, 0), ("3", 0), (True, 0), (None, 0), (10_000, 0), ([], 0)])
def test_a_count_of_tries_is_a_number_or_none(header: object, attempt: int) -> None:
    """Nonsense counts as the first try."""
    assert messages.attempt_of(FakeMessage(headers={messages.ATTEMPT_KEY: header})) == attempt


def test_what_is_read_is_refused_by_one_kind_of_error() -> None:
    """So that nothing malformed can surprise the consumer."""
    for message in MALFORMED.values():
        with pytest.raises(Malformed):
            messages.read_event(message, PackageWantedV1)
