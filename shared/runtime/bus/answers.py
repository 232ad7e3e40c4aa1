"""`@answers`: an RPC method, in Nameko's own protocol, that a bad request or a lost connection cannot end."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from kombu import Queue
from nameko.exceptions import ContainerBeingKilled, IncorrectSignature
from nameko.extensions import Entrypoint
from nameko.rpc import RPC_QUEUE_TEMPLATE, RpcConsumer

from shared.core.errors import Forbidden, InvalidInput, Malformed, NotFound, OdstError, ServiceUnavailable
from shared.runtime.bus import messages, topology
from shared.runtime.bus.consumer import ResilientQueueConsumer
from shared.runtime.bus.settings import BusSettings
from shared.runtime.logging import get_logger

log = get_logger(__name__)


class AnswersConsumer(RpcConsumer):  # type: ignore[misc]
    """One queue for all RPC methods of a service."""

    queue_consumer = ResilientQueueConsumer()
    queue: Queue | None = None

    def setup(self) -> None:
        """Declare the service's RPC queue under Nameko's name."""
        if self.queue is not None:
            return
        service = self.container.service_name
        bus = BusSettings.of(self.container.config)
        self.publisher = bus.publisher(service)
        self.queue = Queue(RPC_QUEUE_TEMPLATE.format(service), exchange=topology.RPC_EXCHANGE, routing_key=f"{service}.*", durable=True)
        self.queue_consumer.register_provider(self)
        self._registered = True

    def handle_raw(self, message: Any) -> None:
        """Run the method that the routing key names, or answer why not."""
        try:
            request = messages.read_json(message)
            provider = self._provider(message.delivery_info["routing_key"])
            provider.run(request, message)
        except ContainerBeingKilled:
            self.queue_consumer.requeue_message(message)
        except OdstError as error:
            self.reply(message, None, error)

    def _provider(self, routing_key: str) -> Answers:
        method = routing_key.rsplit(".", 1)[-1]
        for provider in self._providers:
            if provider.method_name == method:
                return provider  # type: ignore[no-any-return]
        raise NotFound(f"{self.container.service_name} has no RPC method {method[:60]!r}")

    def reply(self, message: Any, result: Any, error: Exception | None) -> None:
        """Send the answer; if nobody can be reached, the caller's deadline deals with it."""
        reply_to = message.properties.get("reply_to")
        if error is not None and not isinstance(error, OdstError):
            log.error("rpc_failed", method=message.delivery_info["routing_key"], exc_info=error)
        try:
            body = json.dumps({"result": result, "error": _describe(error)}).encode()
            if isinstance(reply_to, str):
                self.publisher.publish(
                    body,
                    exchange=topology.RPC_EXCHANGE.name,
                    routing_key=reply_to,
                    correlation_id=str(message.properties.get("correlation_id", "")),
                    mandatory=False,
                )
        except (ServiceUnavailable, TypeError, ValueError) as failure:
            log.warning("rpc_answer_lost", method=message.delivery_info["routing_key"], error=str(failure))
        self.queue_consumer.ack_message(message)


def _describe(error: Exception | None) -> dict[str, Any] | None:
    if error is None:
        return None
    known = isinstance(error, OdstError)
    args = list(error.args) if known else ["an internal error; the service's log has the details", "INTERNAL"]
    kind = _nearest_kind(type(error)) if known else OdstError
    told = {"exc_type": kind.__name__, "exc_path": f"{kind.__module__}.{kind.__name__}", "exc_args": args, "value": str(args[0])}
    return told | {"who": dict(error.who)} if isinstance(error, Forbidden) and error.who else told


def _nearest_kind(kind: type[Exception]) -> type[Exception]:
    """The class of the shared tree that a caller can rebuild; a service's own subclasses are unknown there."""
    return next(base for base in kind.__mro__ if base.__module__ == OdstError.__module__)


class Answers(Entrypoint):  # type: ignore[misc]
    """The entrypoint behind `@answers`. Raise an `OdstError` to refuse."""

    rpc_consumer = AnswersConsumer()

    def setup(self) -> None:
        """Join the service's RPC queue."""
        self.rpc_consumer.register_provider(self)

    def stop(self) -> None:
        """Leave it."""
        self.rpc_consumer.unregister_provider(self)

    def run(self, request: Any, message: Any) -> None:
        """Start a worker for one request.

        Raises:
            Malformed: if the request has no args and kwargs.
            InvalidInput: if they do not fit the method.
        """
        if not isinstance(request, dict) or not isinstance(request.get("args"), list) or not isinstance(request.get("kwargs"), dict):
            raise Malformed("an RPC request is an object with args and kwargs")
        try:
            self.check_signature(request["args"], request["kwargs"])
        except IncorrectSignature as error:
            raise InvalidInput(f"{self.method_name}: {error}") from error
        self.container.spawn_worker(
            self,
            request["args"],
            request["kwargs"],
            context_data={"correlation_id": messages.correlation_of(message)},
            handle_result=partial(self._handle_result, message),
        )

    def _handle_result(self, message: Any, _worker: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
        self.rpc_consumer.reply(message, result, exc_info[1] if exc_info else None)
        return result, exc_info


answers = Answers.decorator
