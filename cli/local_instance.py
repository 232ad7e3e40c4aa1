"""One whole instance as plain child processes, for the demonstration: the launcher's programs without its supervisor."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Self

from cli.greeter import read_first_admin, what_is_missing
from cli.launcher import Listen, instance_environment, service_programs
from odst_client import Client
from shared.core.errors import ServiceTimeout, ServiceUnavailable

READY_SECONDS = 120
STOP_SECONDS = 15
_POLL_SECONDS = 0.2


class LocalInstance:
    """An instance in a folder of its own, listening on loopback.

    `start`, `wait_ready`, then `client` and `first_admin`; `stop` ends every process that `start` made.
    """

    def __init__(self, name: str, folder: Path, amqp_uri: str, port: int) -> None:
        """`amqp_uri` names a vhost that no other instance uses."""
        self.name = name
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self._amqp_uri = amqp_uri
        self._listen = Listen("127.0.0.1", port)
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Start all services and the gateway. Their logs go to `log/` in the folder."""
        (self.folder / "log").mkdir(parents=True, exist_ok=True)
        environment = self._environment()
        for program in service_programs(together=True):
            with self._log(program.name).open("ab") as log:
                self._children[program.name] = subprocess.Popen(  # noqa: S603 - our own programs
                    program.command,
                    cwd=self.folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C is for whoever started this, and ends the children in order.
                    start_new_session=True,
                )

    def _environment(self) -> dict[str, str]:
        # Settings of an instance that is used for real must not reach this one.
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("ODST_")}
        return instance_environment(self.folder, self._amqp_uri, self._listen, {**inherited, "ODST_INSTANCE_NAME": self.name})

    def _log(self, program: str) -> Path:
        return self.folder / "log" / f"{program}.log"

    def wait_ready(self, timeout_seconds: float = READY_SECONDS) -> None:
        """Until `/readyz` says 200.

        Raises:
            ServiceUnavailable: if one of its processes ended.
            ServiceTimeout: if it is not ready within `timeout_seconds`; the message says what is missing.
        """
        deadline = time.monotonic() + timeout_seconds
        while (missing := what_is_missing(self.url)) is not None:
            self._check_alive()
            if time.monotonic() > deadline:
                raise ServiceTimeout(f"{self.name} was not ready after {timeout_seconds:.0f} s: {missing}")
            time.sleep(_POLL_SECONDS)

    def _check_alive(self) -> None:
        for program, child in self._children.items():
            if child.poll() is not None:
                raise ServiceUnavailable(f"{program} of {self.name} ended with code {child.returncode}")

    def first_admin(self) -> dict[str, str]:
        """User, password and token of the first administrator; the instance must be ready.

        Raises:
            ServiceUnavailable: if the directory service left none.
        """
        found = read_first_admin(self.folder)
        if not found:
            raise ServiceUnavailable(f"{self.name} has no first-run credentials")
        return found

    def client(self) -> Client:
        """Calls to this instance as its first administrator."""
        return Client(self.url, self.first_admin()["token"])

    def last_words(self, lines: int = 12) -> str:
        """The end of each of its logs."""
        parts = []
        for program in self._children:
            text = self._log(program).read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
            parts.append("\n".join([f"--- {program} of {self.name}", *text]))
        return "\n".join(parts)

    def stop(self) -> None:
        """End all its processes, side by side; kill what does not end in time."""
        self._terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))
            _kill_group(child)
        self._children.clear()

    def _terminate(self) -> None:
        for child in self._children.values():
            if child.poll() is None:
                child.terminate()


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
