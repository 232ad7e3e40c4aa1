"""The gateway under gunicorn: one process with threads."""

from __future__ import annotations

import atexit
import sys
from typing import Any

from gunicorn.app.base import BaseApplication

from services.api_gateway.app import create_app
from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http import refusals
from services.api_gateway.http.closing import PatientWorker, closing_when_asked
from services.api_gateway.live.live import Live
from shared.runtime.logging import configure
from shared.runtime.settings import ConfigurationError
from shared.runtime.starting import keep_what_is_imported

_GRACE_SECONDS = 8


class Gateway(BaseApplication):  # type: ignore[misc]
    """Gunicorn with our settings; nothing is read from its own files or variables."""

    def __init__(self, settings: ApiGatewaySettings) -> None:
        """Nothing is opened before `run`."""
        self.settings = settings
        self.live: Live
        super().__init__()

    def load_config(self) -> None:
        """Threads for slow clients, limits for hostile ones."""
        options: dict[str, Any] = {
            "bind": [self.settings.listen],
            "workers": 1,
            "worker_class": PatientWorker,
            "threads": self.settings.gateway_threads,
            "timeout": 60,
            "graceful_timeout": _GRACE_SECONDS,
            "keepalive": 30,
            "limit_request_line": 8190,
            "limit_request_fields": 64,
            "limit_request_field_size": 8190,
            "proc_name": "odst-gateway",
            "logger_class": "shared.runtime.gunicorn_logging.StructuredLogger",
            "control_socket_disable": True,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """The application, made in the worker process."""
        configure("api_gateway", self.settings.log_level, self.settings.log_format)
        refusals.install()
        app = create_app(self.settings)
        atexit.register(app.extensions["odst_acts"].flush)
        self.live = app.extensions["odst_live"]
        self.live.start()
        return closing_when_asked(app)


def main() -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code: 0 stopped, 78 misconfigured."""
    keep_what_is_imported()
    try:
        settings = ApiGatewaySettings.load()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 78
    configure("api_gateway", settings.log_level, settings.log_format)
    Gateway(settings).run()
    return 0
