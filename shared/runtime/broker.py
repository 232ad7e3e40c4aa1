"""A private RabbitMQ: plain children of whoever starts it, everything in one folder, nothing left behind.

::

    <folder>/
      broker.json          ports, mode 0600; chosen at the first start, kept as long as they are free
      password             mode 0600; random, made at the first start. There is no guest user
      rabbitmq.conf  definitions.json  enabled_plugins
      .erlang.cookie       mode 0400
      mnesia/  log/  generated/  plugins/  console.log

epmd, Erlang's name service, must run first: otherwise the server starts one as a daemon that outlives it. Both listen on
loopback only. Two uses: `PrivateBroker` starts and ends the two children itself (tests, demo); a process supervisor runs
`PrivateBroker.programs()` (serve), each of which prepares its environment and becomes (exec) the real program.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from shared.core.errors import InvalidInput, ServiceTimeout, ServiceUnavailable
from shared.runtime.broker_programs import find_control, find_epmd, find_server
from shared.runtime.bus.connection import CONNECTION_ERRORS, connect
from shared.runtime.logging import get_logger
from shared.runtime.ports import answers, free_port, is_free

log = get_logger(__name__)

USER = "odst"
READY_SECONDS = 120
"""Longest wait for a broker to answer; a quick machine needs 4 to 7, a slow and busy one 20."""
STOP_SECONDS = 20
_POLL_SECONDS = 0.1
_HOST = "127.0.0.1"
_VHOST = re.compile(r"[A-Za-z0-9._-]{1,60}")
_CONFIGURATION = """\
load_definitions = {definitions}
loopback_users.{user} = true
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 67108864
log.file.level = info
log.file.rotation.size = 10485760
log.file.rotation.count = 3
log.console = false
"""
_ERLANG_ARGUMENTS = "+sbwt none +S 2:2 -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
"""No busy waiting, two schedulers, no daemon, and the port for other nodes on loopback only."""


@dataclass(frozen=True, slots=True)
class Program:
    """Something for a process supervisor to run: its name and its command. Nothing secret is in it."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the broker listens, on 127.0.0.1."""

    amqp: int
    distribution: int
    epmd: int

    @classmethod
    def choose(cls) -> Self:
        """Three different free ports."""
        chosen: set[int] = set()
        while len(chosen) < 3:  # noqa: PLR2004 - one for each field
            chosen.add(free_port())
        return cls(*chosen)

    @property
    def all_free(self) -> bool:
        """Whether nobody listens on any of them."""
        return all(is_free(port) for port in (self.amqp, self.distribution, self.epmd))


class PrivateBroker:
    """One RabbitMQ in one folder. A second `start()` finds the messages of the first.

    Use it as a context manager to have it started, ready and, at the end, stopped.
    """

    def __init__(self, folder: Path, vhosts: Sequence[str] = ("odst",)) -> None:
        """`vhosts` are made at start, beside those made earlier.

        Raises:
            InvalidInput: if a name is not a plain word.
        """
        self.folder = folder.absolute()
        self.vhosts = _checked(vhosts)
        self._server: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start, and wait until it answers."""
        try:
            self.start()
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stop."""
        self.stop()

    # What it is made of

    @property
    def ports(self) -> Ports:
        """The ports in use; `prepare` has chosen them."""
        return Ports(**json.loads((self.folder / "broker.json").read_text()))

    @property
    def pid(self) -> int | None:
        """Process id of the server that this object started."""
        return self._server.pid if self._server else None

    def uri(self, vhost: str | None = None) -> str:
        """AMQP URI with user and password; of the first vhost unless another is named."""
        password = (self.folder / "password").read_text().strip()
        return f"amqp://{USER}:{password}@{_HOST}:{self.ports.amqp}/{quote(vhost or self.vhosts[0], safe='')}"

    def prepare(self) -> None:
        """Write all that the programs read. Keeps password and data; new ports only if the old are taken.

        Raises:
            ServiceUnavailable: if RabbitMQ is not installed.
        """
        find_server(), find_epmd()
        for name in ("mnesia", "log", "generated", "plugins"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        _keep(self.folder / "password", secrets.token_urlsafe(24))
        _keep(self.folder / ".erlang.cookie", secrets.token_hex(20), mode=0o400)
        known = self.folder / "broker.json"
        if not known.exists() or not self.ports.all_free:
            chosen = Ports.choose()
            _write(known, json.dumps({"amqp": chosen.amqp, "distribution": chosen.distribution, "epmd": chosen.epmd}))
        definitions = self.folder / "definitions.json"
        _write(definitions, json.dumps(self._definitions(), indent=1))
        _write(self.folder / "rabbitmq.conf", _CONFIGURATION.format(definitions=definitions, user=USER))
        _write(self.folder / "enabled_plugins", "[].\n")

    def _definitions(self) -> dict[str, Any]:
        """User, virtual hosts and rights in the form of RabbitMQ's `load_definitions`."""
        password = (self.folder / "password").read_text().strip()
        return {
            "users": [
                {
                    "name": USER,
                    "password_hash": _password_hash(password),
                    "hashing_algorithm": "rabbit_password_hashing_sha256",
                    "tags": ["administrator"],
                }
            ],
            **_vhost_definitions(self.vhosts),
        }

    def environment(self) -> dict[str, str]:
        """The environment of both programs: this process's, with every RabbitMQ and Erlang setting replaced."""
        foreign = ("RABBITMQ_", "ERL_", "ODST_", "NOTIFY_SOCKET")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        folder, ports = self.folder, self.ports
        return inherited | {
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": _HOST,
            "ERL_EPMD_PORT": str(ports.epmd),
            "ERL_CRASH_DUMP": str(folder / "log" / "erl_crash.dump"),
            "RABBITMQ_NODENAME": "odst@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": _HOST,
            "RABBITMQ_NODE_PORT": str(ports.amqp),
            "RABBITMQ_DIST_PORT": str(ports.distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": str(folder / "log" / "broker.log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_PLUGINS_EXPAND_DIR": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG_ARGUMENTS,
            # The start script then becomes the Erlang machine instead of watching it, so that our signals reach the server itself.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def epmd_command(self) -> list[str]:
        """Erlang's name service in the foreground."""
        return [str(find_epmd()), "-port", str(self.ports.epmd), "-address", _HOST]

    # Run by a supervisor

    def programs(self) -> tuple[Program, Program]:
        """The name service (epmd) and the server, in the order of their start. Call `prepare` first."""
        become = (sys.executable, "-m", "shared.runtime.broker")
        return (
            Program("epmd", (*become, "epmd", str(self.folder))),
            Program("broker", (*become, "server", str(self.folder))),
        )

    def become(self, program: str) -> None:
        """Replace this process by `epmd` or by the `server`, which waits until epmd answers.

        Raises:
            ServiceTimeout: if epmd does not answer in time.
        """
        command = self.epmd_command()
        if program == "server":
            self._wait_for_epmd()
            command = [str(find_server())]
        os.chdir(self.folder)
        os.execve(command[0], command, self.environment())  # noqa: S606 - becoming the program is the purpose

    # Run by this object

    def start(self) -> None:
        """Prepare, and start epmd and the server as children of this process. Does nothing while they run.

        Raises:
            ServiceUnavailable: if RabbitMQ is not installed.
            ServiceTimeout: if epmd does not answer in time.
        """
        if self._server and self._server.poll() is None:
            return
        self.kill()
        self.prepare()
        self._epmd = self._spawn(self.epmd_command())
        try:
            self._wait_for_epmd()
            self._server = self._spawn([str(find_server())])
        except BaseException:
            self.kill()
            raise

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "console.log").open("ab") as console:
            return subprocess.Popen(  # noqa: S603 - a found program with arguments of our own
                command,
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait_for_epmd(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not answers(_HOST, self.ports.epmd):
            if time.monotonic() > deadline or (self._epmd and self._epmd.poll() is not None):
                raise ServiceTimeout(f"epmd does not answer on port {self.ports.epmd}; {self.folder / 'console.log'} says more")
            time.sleep(_POLL_SECONDS)

    def add_vhosts(self, vhosts: Sequence[str]) -> None:
        """Make further virtual hosts while the server runs, and wait until they take our user.

        Raises:
            InvalidInput: if a name is not a plain word.
            ServiceUnavailable: if the server does not take them.
            ServiceTimeout: if they are not there in time.
        """
        added = _checked(vhosts)
        definitions = self.folder / "added.json"
        _write(definitions, json.dumps(_vhost_definitions(added)))
        command = [str(find_control()), "import_definitions", str(definitions)]
        answer = subprocess.run(  # noqa: S603 - a found program with arguments of our own
            command, env=self.environment(), capture_output=True, text=True, timeout=READY_SECONDS, check=False
        )
        if answer.returncode:
            raise ServiceUnavailable(f"the private RabbitMQ took no further virtual hosts: {answer.stderr.strip()[-500:]}")
        self.vhosts += added
        self._wait_for(added, READY_SECONDS)

    def wait_until_ready(self, timeout_seconds: float = READY_SECONDS) -> None:
        """Until every vhost accepts our user.

        Raises:
            ServiceUnavailable: if the server ended.
            ServiceTimeout: if it does not answer within `timeout_seconds`.
        """
        self._wait_for(self.vhosts, timeout_seconds)

    def _wait_for(self, vhosts: Sequence[str], timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        for vhost in vhosts:
            while not self._accepts(vhost):
                if self._server and self._server.poll() is not None:
                    raise ServiceUnavailable(f"the private RabbitMQ ended while starting; its last words:\n{self.last_words()}")
                if time.monotonic() > deadline:
                    raise ServiceTimeout(
                        f"the private RabbitMQ was not ready after {timeout_seconds:.0f} s; its last words:\n{self.last_words()}"
                    )
                time.sleep(_POLL_SECONDS)

    def _accepts(self, vhost: str) -> bool:
        # A refused TCP connection costs nothing; the AMQP handshake is tried only once something listens.
        if not answers(_HOST, self.ports.amqp):
            return False
        try:
            connect(self.uri(vhost), timeout_seconds=5).release()
        except CONNECTION_ERRORS:
            return False
        return True

    def last_words(self, lines: int = 15) -> str:
        """The end of what the server printed and logged."""
        paths = [self.folder / "console.log", *sorted((self.folder / "log").glob("*.log"))]
        texts = [path.read_text(errors="replace").splitlines()[-lines:] for path in paths if path.exists()]
        return "\n".join(line for text in texts for line in text)

    def stop(self) -> None:
        """End both programs, the server first and cleanly; confirmed messages are kept. Kills what does not end in time."""
        if self._server and self._server.poll() is None:
            self._server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End both programs at once, as a power cut would."""
        for process in (self._server, self._epmd):
            if process:
                _kill_group(process)
        self._server = self._epmd = None


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    # The Erlang machine has helpers; all are in the session that we made.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _checked(vhosts: Sequence[str]) -> tuple[str, ...]:
    for vhost in vhosts:
        if not _VHOST.fullmatch(vhost):
            raise InvalidInput(f"{vhost[:60]!r} cannot name a virtual host: use letters, digits, dot, dash and underscore")
    return tuple(vhosts)


def _vhost_definitions(vhosts: Sequence[str]) -> dict[str, Any]:
    everything = {"user": USER, "configure": ".*", "write": ".*", "read": ".*"}
    return {"vhosts": [{"name": vhost} for vhost in vhosts], "permissions": [{**everything, "vhost": vhost} for vhost in vhosts]}


def _password_hash(password: str) -> str:
    """RabbitMQ's own form: base64 of a four-byte salt and SHA-256 of salt and password."""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _keep(path: Path, text: str, mode: int = 0o600) -> None:
    if not path.exists():
        _write(path, text, mode)


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    aside.replace(path)


def main(arguments: Sequence[str]) -> None:
    """`python -m shared.runtime.broker epmd|server <folder>`, for process supervisors."""
    program, folder = arguments
    PrivateBroker(Path(folder)).become(program)


if __name__ == "__main__":
    main(sys.argv[1:])
