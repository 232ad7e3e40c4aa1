"""Structured logs: events with fields, not sentences; one correlation id from the first request to the last peer.

The id is bound once where work enters (HTTP request, message, sweep) and travels in the header `Ods-Correlation-Id` between
instances and in `nameko.correlation_id` on the bus.
"""

from __future__ import annotations

import logging
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

CORRELATION_HEADER = "Ods-Correlation-Id"
_SECRET_KEY = re.compile(r"(secret|token|password|authorization|proof|invitation|amqp_uri|database_url)", re.IGNORECASE)
_URI_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):([^@\s]+(?:@[^@\s/?#]*)*)@")  # ends at the last @ of the host, as URIs are read
_QUERY_SECRET = re.compile(r"(?<=[?&])((?:\w*password|\w*secret|token)=)[^&\s]+", re.IGNORECASE)
_VALID_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def redact(text: str) -> str:
    """`text` with passwords in URIs replaced."""
    return _QUERY_SECRET.sub(r"\1***", _URI_PASSWORD.sub(r"\1:***@", text))


def _redact_secrets(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    for key, value in event.items():
        if _SECRET_KEY.search(key) and value:
            event[key] = "***"
        elif isinstance(value, str) and "://" in value:
            event[key] = redact(value)
    return event


def configure(service: str, level: str = "INFO", log_format: str = "json") -> None:
    """Send all logs of this process to standard error, as JSON lines or, for people, in columns."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_secrets,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Nameko reports every refused call with a stack; `shared.runtime.bus` reports them with a code instead.
    logging.getLogger("nameko.containers").setLevel(logging.CRITICAL)
    for chatty in ("urllib3", "amqp", "pika", "alembic", "kombu", "gunicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("amqp").addFilter(_says_something)
    structlog.contextvars.bind_contextvars(process=service)


def _says_something(record: logging.LogRecord) -> bool:
    """Not that a confirm came while its channel was being closed, which it does at every start."""
    return "during closing channel" not in record.getMessage()


def get_logger(name: str) -> Any:
    """A logger whose calls are `log.info("event_name", field=value, …)`."""
    return structlog.get_logger(name)


def new_correlation_id() -> str:
    """An id for a piece of work that starts here."""
    return uuid.uuid4().hex


def correlation_id() -> str:
    """The id of the present work; a new one is bound if there is none."""
    bound = structlog.contextvars.get_contextvars().get("correlation_id")
    return str(bound) if bound else bind_correlation_id(None)


def bind_correlation_id(value: str | None) -> str:
    """Bind an id that came from outside, if it is a plain token, else a new one. Returns what was bound."""
    bound = value if isinstance(value, str) and _VALID_ID.fullmatch(value) else new_correlation_id()
    structlog.contextvars.bind_contextvars(correlation_id=bound)
    return bound


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Bind fields to every log line within."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield
