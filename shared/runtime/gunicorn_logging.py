"""Gunicorn's own messages, as our log lines."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger


class StructuredLogger(Logger):  # type: ignore[misc]
    """Leaves handlers and format to `shared.runtime.logging`; requests are logged by the application."""

    def setup(self, cfg: Any) -> None:
        """Propagate to the root logger instead of writing lines of its own."""
        self.cfg = cfg
        for logger in (self.error_log, self.access_log):
            logger.propagate = True
            logger.handlers[:] = []

    def access(self, *_arguments: Any) -> None:
        """The application logs requests, with their correlation id."""
