"""Calling other services: Nameko's RPC protocol with a deadline on every call.

Nameko's own proxies wait for ever inside a service, and share one connection pool outside. This client speaks the same
protocol, works in plain and in green threads, and gives back the errors of `shared.core.errors`.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from amqp.exceptions import ChannelError
from kombu import Consumer, Producer, Queue

from shared.core.errors import AnswerLost, Forbidden, ServiceTimeout, ServiceUnavailable, from_wire
from shared.runtime.bus import topology
from shared.runtime.bus.connection import CONNECTION_ERRORS, Reuse, connect
from shared.runtime.bus.messages import CORRELATION_KEY
from shared.runtime.logging import correlation_id


class _Caller:
    """One connection with a private reply queue; one call at a time."""

    def __init__(self, uri: str, timeout_seconds: float) -> None:
        self.connection = connect(uri, timeout_seconds=timeout_seconds, confirm=True)
        channel = self.connection.default_channel
        self.reply_to = str(uuid.uuid4())
        self._replies: dict[str, Any] = {}
        queue = Queue(f"rpc.reply-{self.reply_to}", topology.RPC_EXCHANGE, self.reply_to, exclusive=True, auto_delete=True)
        self.consumer = Consumer(channel, [queue], on_message=self._on_reply, no_ack=True)
        self.consumer.consume()
        self.producer = Producer(channel, auto_declare=False)

    def _on_reply(self, message: Any) -> None:
        self._replies[str(message.properties.get("correlation_id"))] = message.body

    def send(self, routing_key: str, body: bytes, timeout_seconds: float) -> str:
        call_id = str(uuid.uuid4())
        self.producer.publish(
            body,
            exchange=topology.RPC_EXCHANGE.name,
            routing_key=routing_key,
            mandatory=True,
            delivery_mode=1,
            reply_to=self.reply_to,
            correlation_id=call_id,
            headers={CORRELATION_KEY: correlation_id()},
            content_type="application/json",
            content_encoding="utf-8",
            timeout=timeout_seconds,
            confirm_timeout=timeout_seconds,
            expiration=timeout_seconds,
            retry=False,
        )
        return call_id

    def wait(self, call_id: str, deadline: float) -> bytes:
        while call_id not in self._replies:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.connection.drain_events(timeout=left)
        body = self._replies.pop(call_id)
        return body.encode() if isinstance(body, str) else bytes(body)

    def close(self) -> None:
        self.connection.release()


class RpcClient:
    """Calls RPC methods of services. Safe to share between threads."""

    def __init__(self, uri: str, *, timeout_seconds: float = 10, keep: int = 16) -> None:
        """`timeout_seconds` bounds each call unless it says otherwise."""
        self._timeout = timeout_seconds
        self._callers = Reuse(lambda: _Caller(uri, timeout_seconds), keep)

    def call(self, service: str, method: str, /, *, _timeout_seconds: float | None = None, **arguments: Any) -> Any:
        """Ask `service` and return its answer.

        Raises:
            ServiceUnavailable: if the service or the broker is not there; nothing was done then.
            AnswerLost, ServiceTimeout: if the broker went away, or no answer came in time: it may have been done.
            OdstError: whatever the service refused with.
        """
        timeout = _timeout_seconds or self._timeout
        body = json.dumps({"args": [], "kwargs": arguments}).encode()
        reply = self._exchange(service, method, body, timeout)
        answer = json.loads(reply)
        if answer.get("error"):
            raise _error_of(answer["error"])
        return answer["result"]

    def _exchange(self, service: str, method: str, body: bytes, timeout: float) -> bytes:
        routing_key = f"{service}.{method}"
        for fresh in (False, True):
            sending = sent = False
            try:
                with self._callers.one(fresh=fresh) as caller:
                    sending = True
                    deadline = time.monotonic() + timeout
                    call_id = caller.send(routing_key, body, timeout)
                    sent = True
                    return caller.wait(call_id, deadline)
            except TimeoutError as error:
                if sent or fresh:
                    raise ServiceTimeout(f"{service} did not answer {method} within {timeout:g} s") from error
            except ChannelError as error:
                raise ServiceUnavailable(f"the service {service} is not running: nobody answers {method}") from error
            except CONNECTION_ERRORS as error:
                if sent or (fresh and sending):
                    raise AnswerLost(f"the broker was lost while asking {service} for {method}: {error}") from error
                if fresh:
                    raise ServiceUnavailable(f"the broker cannot be reached to ask {service} for {method}: {error}") from error
        raise ServiceUnavailable(f"the broker cannot be reached to ask {service} for {method}")

    def close(self) -> None:
        """Close idle connections."""
        self._callers.clear()


def _error_of(error: dict[str, Any]) -> Exception:
    args = error.get("exc_args") or []
    texts = [str(arg) for arg in args[:2]]
    found = from_wire(str(error.get("exc_type")), *(texts or [str(error.get("value"))]))
    if isinstance(found, Forbidden) and isinstance(error.get("who"), dict):
        found.who = error["who"]
    return found
