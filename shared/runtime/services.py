"""Running services: the `main` of every `python -m services.<name>`, and the two extensions that tie Nameko to handlers.

A service class in `service.py` has `wired = Wired(build)`: `build(settings)` makes the handlers with their adapters, once a
process; methods decorated with `@handles`, `@answers` and `@every` delegate to it. Background work of a service (relaying its
outbox, moving slices) is a `Loop`, which a ring wakes up and a stop ends between two steps.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import eventlet
from eventlet.event import Event as GreenEvent
from nameko.extensions import DependencyProvider, Entrypoint
from nameko.runners import ServiceRunner

from shared.core.errors import OdstError
from shared.runtime.bus.connection import CONNECTION_ERRORS, connect
from shared.runtime.logging import bind_correlation_id, configure, get_logger
from shared.runtime.loops import Loop
from shared.runtime.settings import ConfigurationError, Settings
from shared.runtime.starting import keep_what_is_imported

log = get_logger(__name__)
_SETTINGS_KEY = "ODST_SETTINGS"
STOP_SECONDS = 10
"""How long a service may take to stop (promise M9)."""


class Application(Protocol):
    """What `build` makes: the wired handlers of a service."""

    loops: Sequence[Loop]

    def close(self) -> None:
        """Release databases and connections."""


class Wired(DependencyProvider):  # type: ignore[misc]
    """Gives service methods their application, and runs its loops."""

    def __init__(self, build: Callable[[Any], Any]) -> None:
        """`build` is called once, when the service starts, with the settings that the service is hosted with."""
        self.build = build

    def setup(self) -> None:
        """Build the application before any message arrives."""
        self.application = self.build(self.container.config[_SETTINGS_KEY])

    def start(self) -> None:
        """Start the loops."""
        self.threads = [eventlet.spawn(loop.run) for loop in self.application.loops for _ in range(loop.copies)]

    def stop(self) -> None:
        """End the loops between two steps, within the time allowed; then close."""
        for loop in self.application.loops:
            loop.stop()
        with eventlet.Timeout(STOP_SECONDS - 2, False):  # noqa: FBT003 - as above
            for thread in self.threads:
                thread.wait()
        for thread in self.threads:
            thread.kill()
        self.application.close()

    def get_dependency(self, _worker_ctx: Any) -> Any:
        """What `self.wired` is inside a service method."""
        return self.application

    def worker_setup(self, worker_ctx: Any) -> None:
        """Bind the correlation id that came with the message."""
        bind_correlation_id(worker_ctx.data.get("correlation_id"))


class InEffect(DependencyProvider):  # type: ignore[misc]
    """What `self.in_effect` is inside a service method: a call that tells the settings that the process was started with."""

    def get_dependency(self, _worker_ctx: Any) -> Callable[[], dict[str, Any]]:
        """See `Settings.in_effect`."""
        settings: Settings = self.container.config[_SETTINGS_KEY]
        return settings.in_effect


class Every(Entrypoint):  # type: ignore[misc]
    """The entrypoint behind `@every`: a sweep, run each `sweep_seconds` with some jitter; never beside itself."""

    def setup(self) -> None:
        """Read the interval."""
        settings: Settings = self.container.config[_SETTINGS_KEY]
        self._loop = Loop(f"{self.container.service_name}.{self.method_name}", self._sweep, settings.sweep_seconds)

    def start(self) -> None:
        """Begin to sweep, at once."""
        self._thread = self.container.spawn_managed_thread(self._loop.run, identifier=self._loop.name)

    def stop(self) -> None:
        """No further sweep."""
        self._loop.stop()

    def _sweep(self) -> bool:
        done = GreenEvent()

        def handle_result(_worker: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
            if exc_info:
                log.warning(
                    "sweep_failed",
                    sweep=self._loop.name,
                    error=str(exc_info[1]),
                    exc_info=None if isinstance(exc_info[1], OdstError) else exc_info,
                )
            done.send(None)
            return result, exc_info

        self.container.spawn_worker(self, (), {}, handle_result=handle_result)
        done.wait()
        return False


every = Every.decorator


@dataclass(frozen=True)
class Hosted:
    """A service class with its settings and how many workers it may use."""

    service: type
    settings: type[Settings]
    max_workers: int = 10


def run(hosted: Sequence[Hosted], process: str) -> int:
    """Run services in this process until SIGTERM or SIGINT. Returns the exit code: 0 stopped, 1 died, 78 misconfigured."""
    keep_what_is_imported()
    try:
        settings = [entry.settings.load() for entry in hosted]
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 78
    configure(process, settings[0].log_level, settings[0].log_format)
    stop = _catch_signals()
    if not _wait_for_broker(settings[0], stop):
        return 0
    runner = _Runner(hosted, settings)
    return runner.run_until(stop, process)


def _catch_signals() -> GreenEvent:
    stop = GreenEvent()

    def on_signal(number: int, _frame: Any) -> None:
        if not stop.ready():
            eventlet.spawn_n(lambda: stop.ready() or stop.send(number))

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    return stop


def _wait_for_broker(settings: Settings, stop: GreenEvent) -> bool:
    delay, told = 0.2, 0.0
    while not stop.ready():
        try:
            connect(settings.amqp_uri, timeout_seconds=settings.broker_timeout_seconds).release()
        except CONNECTION_ERRORS as error:
            if time.monotonic() - told > 10:  # noqa: PLR2004 - how often to repeat oneself
                log.warning("waiting_for_broker", amqp_uri=settings.amqp_uri, error=str(error))
                told = time.monotonic()
            eventlet.sleep(delay)
            delay = min(delay * 1.5, 3)
        else:
            return True
    return False


class _Runner:
    """Nameko's runner, one container a service, each with its own configuration."""

    def __init__(self, hosted: Sequence[Hosted], settings: Sequence[Settings]) -> None:
        self.runner = ServiceRunner({})
        for entry, values in zip(hosted, settings, strict=True):
            self.runner.config = {_SETTINGS_KEY: values, **values.bus.nameko_config(entry.max_workers)}
            self.runner.add_service(entry.service)

    def run_until(self, stop: GreenEvent, process: str) -> int:
        """Start, wait for a signal or for a death, stop within the time allowed."""
        try:
            self.runner.start()
        except Exception:
            # Whatever a service raises while starting belongs in the log before the launcher tries again.
            log.exception("service_did_not_start", services=list(self.runner.service_names))
            return 1
        log.info("service_started", services=list(self.runner.service_names))
        died = eventlet.spawn(self._watch, stop)
        number = stop.wait()
        if not isinstance(number, int):
            log.error("service_died", services=list(self.runner.service_names), exc_info=number)
            return 1
        log.info("service_stopping", signal=number)
        died.kill()
        with eventlet.Timeout(STOP_SECONDS, False):  # noqa: FBT003 - as above
            self.runner.stop()
        log.info("service_stopped", process=process)
        return 0

    def _watch(self, stop: GreenEvent) -> None:
        try:
            self.runner.wait()
        except Exception as error:  # noqa: BLE001 - reported by run_until with its stack
            if not stop.ready():
                stop.send(error)
