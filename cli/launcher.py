"""`odst serve`: one whole instance under a process supervisor (see docs/adr/0003-process-supervision.md).

The launcher prepares the data folder, writes a configuration for supervisord and becomes it, so that the process that was
started is the one that gets the signals. Groups start in this order and end in the reverse one, each waiting for the next::

    broker    epmd, broker                 only without ODST_AMQP_URI
    odst      services…, gateway           end side by side, within STOP_SECONDS
    greeter   says once when it is ready, then ends

Nothing secret is in the written configuration: addresses and passwords travel in the environment.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.settings import NAMEKO_SERVICES, check_configuration
from shared.core.errors import Conflict, InvalidInput
from shared.runtime.broker import PrivateBroker, Program
from shared.runtime.settings import read_sources

DEFAULT_DATA = "data"
DEFAULT_LISTEN = "127.0.0.1:8080"
VHOST = "odst"
STOP_SECONDS = 12
"""A little more than a service takes at most to stop."""
_BROKER_STOP_SECONDS = 20
_QUIET = ("-W", "ignore")
"""Warnings are for those who change ODST; operators would read of Eventlet's deprecation at every start."""
_UNLIMITED = 1_000_000
"""supervisord has no word for trying for ever."""

_HEAD = """\
; Written by `odst serve` at each start; changes here are lost.
[supervisord]
nodaemon = true
user = {user}
logfile = {run}/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 1
loglevel = warn
pidfile = {run}/supervisord.pid
childlogdir = {run}
"""
_GROUP = """
[group:{name}]
programs = {programs}
priority = {priority}
"""
_PROGRAM = """
[program:{name}]
command = {command}
directory = {run}
autorestart = {autorestart}
startsecs = {startsecs}
startretries = {startretries}
stopsignal = TERM
stopwaitsecs = {stopwaitsecs}
stopasgroup = false
killasgroup = true
redirect_stderr = true
stdout_logfile = {logfile}
stdout_logfile_maxbytes = {maxbytes}
stdout_logfile_backups = 1
"""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the gateway listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Listen:
        """Read `host:port`; an IPv6 address stands in brackets.

        Raises:
            InvalidInput: LISTEN_INVALID.
        """
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:  # noqa: PLR2004 - the range of TCP ports
            raise InvalidInput(f"{text[:80]!r} is not host:port, such as 127.0.0.1:8080", "LISTEN_INVALID")
        return cls(host, int(port))

    def __str__(self) -> str:
        """As it was written."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """How this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.port}"


def service_programs(*, together: bool) -> tuple[Program, ...]:
    """The programs of one instance besides its broker: services in one process or in one each, and the gateway."""
    modules = {"services": "services"} if together else {name: f"services.{name}" for name in NAMEKO_SERVICES}
    modules["gateway"] = "services.api_gateway"
    return tuple(Program(name, (sys.executable, *_QUIET, "-m", module)) for name, module in modules.items())


def instance_environment(data: Path, amqp_uri: str, listen: Listen, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of all programs of an instance: what was inherited, with data, broker and addresses settled."""
    configured, _ = read_sources(inherited)
    file = inherited.get("ODST_CONFIG")
    return {
        **inherited,
        **({"ODST_CONFIG": str(Path(file).absolute())} if file else {}),
        "ODST_PUBLIC_URL": configured.get("public_url", listen.url),
        "ODST_DATA": str(data),
        "ODST_AMQP_URI": amqp_uri,
        "ODST_LISTEN": str(listen),
        "PYTHONUNBUFFERED": "1",
    }


def supervisor_configuration(data: Path, broker: PrivateBroker | None, programs: Sequence[Program]) -> str:
    """The supervisor's configuration for one instance."""
    run = data / "run"
    parts = [_HEAD.format(run=_literal(run), user=_literal(_user()))]
    if broker:
        parts += [_group("broker", 10, broker.programs()), *(_broker_program(program, run, broker) for program in broker.programs())]
    parts += [_group("odst", 20, programs), *(_service_program(program, run) for program in programs)]
    greeter = Program("greeter", (sys.executable, "-m", "cli.greeter"))
    parts += [_group("greeter", 30, [greeter]), _greeter_program(greeter, run)]
    return "".join(parts)


def _group(name: str, priority: int, programs: Sequence[Program]) -> str:
    return _GROUP.format(name=name, priority=priority, programs=",".join(program.name for program in programs))


def _service_program(program: Program, run: Path) -> str:
    return _program(program, run, autorestart="true", startsecs=1, stopwaitsecs=STOP_SECONDS)


def _broker_program(program: Program, run: Path, broker: PrivateBroker) -> str:
    logfile = _literal(broker.folder / "console.log")
    return _program(program, run, autorestart="true", startsecs=1, stopwaitsecs=_BROKER_STOP_SECONDS, logfile=logfile, maxbytes="1MB")


def _greeter_program(program: Program, run: Path) -> str:
    return _program(program, run, autorestart="false", startsecs=0, stopwaitsecs=1)


def _program(program: Program, run: Path, **values: object) -> str:
    command = " ".join(_quoted(part) for part in program.command)
    settled = {"logfile": "/dev/fd/1", "maxbytes": 0, "startretries": _UNLIMITED, **values}
    # Not where the launcher was called: `python -m` would prefer a folder named `services` that happens to be there.
    return _PROGRAM.format(name=program.name, command=command, run=_literal(run), **settled)


def _literal(value: object) -> str:
    # supervisord expands %(…)s everywhere, and takes a semicolon after a space for a comment.
    text = str(value)
    if "\n" in text or " ;" in text:
        raise InvalidInput(f"the path {text!r} cannot be used by the launcher: choose one without line breaks and ' ;'", "PATH_INVALID")
    return text.replace("%", "%%")


def _quoted(part: str) -> str:
    escaped = part.replace("\\", "\\\\").replace('"', '\\"')
    return _literal(f'"{escaped}"' if set(part) & set(" \t\"'\\;#") else part)


def _user() -> int:
    # Named even for root, who is otherwise warned at each start.
    return os.getuid()


def prepare(data: Path) -> None:
    """Make the data folder for this launcher.

    Raises:
        Conflict: LAUNCHER_RUNNING, if another launcher uses it.
        InvalidInput: DATA_UNUSABLE.
    """
    run = data / "run"
    try:
        run.mkdir(parents=True, exist_ok=True)
        run.chmod(0o700)
    except OSError as error:
        raise InvalidInput(f"the folder {data} cannot be used: {error.strerror}; choose another --data", "DATA_UNUSABLE") from error
    running = _running_supervisor(run / "supervisord.pid")
    if running:
        raise Conflict(
            f"{data} is in use by the launcher with process id {running}: end that one first, or choose another --data", "LAUNCHER_RUNNING"
        )


def check_free(listen: Listen) -> None:
    """That the gateway will be able to listen there: else it would be tried for ever, and another program taken for the instance.

    Raises:
        Conflict: LISTEN_IN_USE.
        InvalidInput: LISTEN_INVALID, if it is no address of this machine, or a port that this user may not have.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(listen.host.strip("[]"), listen.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as tried:
            # As gunicorn does: connections that have just ended do not count.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
            tried.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Conflict(f"another program listens at {listen}: end it, or choose another --listen", "LISTEN_IN_USE") from error
        raise InvalidInput(f"nobody can listen at {listen} here: {error.strerror}; choose another --listen", "LISTEN_INVALID") from error


def _running_supervisor(pidfile: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        pid = int(pidfile.read_text())
        shown = subprocess.run(["ps", "-ww", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False)  # noqa: S603, S607
        if "supervisord" in shown.stdout and str(pidfile.parent) in shown.stdout:
            return pid
    return None


def launch(data: Path, listen: Listen, *, together: bool) -> None:
    """Become the supervisor of one instance. Returns only by an error.

    Raises:
        ConfigurationError: naming all faults of all services.
        Conflict: if another launcher uses the folder, or another program the address.
        InvalidInput: if the folder or the address cannot be used.
        ServiceUnavailable: if a private RabbitMQ is needed and is not installed.
    """
    data = data.expanduser().absolute()
    prepare(data)
    check_free(listen)
    broker, amqp_uri = _broker(data)
    environment = instance_environment(data, amqp_uri, listen, os.environ)
    check_configuration(environment)
    path = data / "run" / "supervisord.conf"
    path.write_text(supervisor_configuration(data, broker, service_programs(together=together)), encoding="utf-8")
    print(f"starting in {data}; Ctrl-C ends it", flush=True)
    _make_output_reopenable()
    arguments = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(path)]
    os.execve(sys.executable, arguments, environment)  # noqa: S606 - becoming the supervisor is the purpose


def _broker(data: Path) -> tuple[PrivateBroker | None, str]:
    configured, _ = read_sources(os.environ)
    if configured.get("amqp_uri"):
        return None, str(configured["amqp_uri"])
    broker = PrivateBroker(data / "broker", vhosts=(VHOST,))
    broker.prepare()
    return broker, broker.uri()


def _make_output_reopenable() -> None:
    """Put a pipe before a standard output that is a file or a socket.

    supervisord opens its output by name: a socket, as under systemd, refuses that, and in a file two writers with a place
    each overwrite one another.
    """
    mode = os.fstat(1).st_mode
    if not (stat.S_ISSOCK(mode) or stat.S_ISREG(mode)):
        return
    reading, writing = os.pipe()
    # It ends when the last writer does, not by the signals that are meant for the supervisor.
    subprocess.Popen(["/bin/sh", "-c", "trap '' INT TERM; exec cat"], stdin=reading)
    os.dup2(writing, 1)
    os.close(reading)
    os.close(writing)
