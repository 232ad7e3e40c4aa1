"""A private PostgreSQL for tests: a plain child of whoever starts it, everything in one folder, nothing left behind.

It listens on a Unix socket in a folder of its own, on no port; its one user has a random password. It sorts text as people do
(ICU, en-US), as most servers in the field: code that counts on the order of bytes is found here. It does not wait for the
disk, as no test cuts its power.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import psycopg
from sqlalchemy.engine import make_url

from shared.core.errors import ServiceUnavailable
from shared.testing.processes import descendants, is_running, kill_now
from shared.testing.waiting import wait_for

_USER = "odst"
_NOBODY = "nobody"
"""Who runs it if we are root, which PostgreSQL refuses to be."""
_OLDEST = 15
_PLACES = ("usr/lib/postgresql/*/bin", "opt/homebrew/opt/postgresql@*/bin", "usr/local/opt/postgresql@*/bin", "usr/pgsql-*/bin")
_LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}
_READY_SECONDS = 60
_STOP_SECONDS = 20


def find_programs() -> Path:
    """The folder of the newest server's programs on this machine.

    Raises:
        ServiceUnavailable: POSTGRES_NOT_INSTALLED, naming the command that installs it.
    """
    on_path = shutil.which("postgres")
    folders = [folder for place in _PLACES for folder in Path("/").glob(place)] + ([Path(on_path).resolve().parent] if on_path else [])
    versions = {_version(folder): folder for folder in folders if os.access(folder / "initdb", os.X_OK)}
    newest = max(versions, default=0)
    if newest < _OLDEST:
        raise ServiceUnavailable(
            f"no PostgreSQL server of version {_OLDEST} or newer was found (Debian, Ubuntu: sudo apt-get install postgresql; "
            "macOS: brew install postgresql@17)",
            "POSTGRES_NOT_INSTALLED",
        )
    return versions[newest]


def _version(folder: Path) -> int:
    """The major version, or 0 if the server does not say."""
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+", said)
    return int(found.group()) if found else 0


class PrivatePostgres:
    """One server with as many databases as are asked for. A context manager: ready inside, gone without trace afterwards."""

    def __init__(self) -> None:
        """Nothing is started yet.

        Raises:
            ServiceUnavailable: if PostgreSQL is not installed.
        """
        self._programs = find_programs()
        self._password = secrets.token_urlsafe(24)
        self._names = (f"t{number}" for number in itertools.count(1))
        self._folder: Path | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Make the cluster, start it and wait until it answers."""
        try:
            self._make_cluster()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        """End the server and remove its folder."""
        self.stop()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    @property
    def folder(self) -> Path:
        """Where it keeps all that it has, while it runs."""
        assert self._folder, "the private PostgreSQL does not run"
        return self._folder

    @property
    def pid(self) -> int | None:
        """Process id of the server, while it runs."""
        return self._server.pid if self._server else None

    def new_database(self) -> str:
        """Make an empty database; its SQLAlchemy URL, which holds the password."""
        name = next(self._names)
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql+psycopg://{_USER}:{self._password}@/{name}?host={self.folder}"

    def drop_database(self, url: str) -> None:
        """Remove a database of this server, whoever is still connected to it."""
        name = str(make_url(url).database)
        with self._connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())

    def _make_cluster(self) -> None:
        # Not pytest's folder, which only its owner may enter: here the owner is the user who runs the server.
        self._folder = Path(tempfile.mkdtemp(prefix="odst-postgres-"))
        password = self._folder / "password"
        password.write_text(self._password)
        if _is_root():
            for path in (password, self._folder):
                shutil.chown(path, _NOBODY, pwd.getpwnam(_NOBODY).pw_gid)
        access = ("--username", _USER, "--pwfile", str(password), "--auth", "scram-sha-256")
        made = self._spawn("initdb", "--pgdata", "data", *access, *_LOCALE, "--no-sync").wait()
        assert made == 0, self._said()
        password.unlink()

    def start(self) -> None:
        """Start on what there is, and wait until it answers."""
        options = (part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}"))
        self._server = self._spawn("postgres", "-D", "data", "-k", str(self.folder), *options)
        wait_for(self._answers, "the private PostgreSQL is ready", deadline_seconds=_READY_SECONDS, tolerate=(psycopg.OperationalError,))

    def kill(self) -> None:
        """SIGKILL for the server and all that it started; the next start finds what was committed."""
        assert self._server is not None
        started = descendants(self._server.pid)
        for pid in (self._server.pid, *started):  # the server first: it would start others in their place
            kill_now(pid)
        self._server.wait()
        wait_for(lambda: not any(is_running(pid) for pid in started), "nothing of the private PostgreSQL runs")
        self._server = None

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                (str(self._programs / program), *arguments),
                cwd=self.folder,
                env={"LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **_identity(),
            )

    def _said(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-3000:]

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.folder), user=_USER, password=self._password, dbname="postgres", autocommit=True)

    def _answers(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, self._said()
        self._connect().close()
        return True

    def stop(self) -> None:
        """End the server, if it runs; the next start finds all."""
        if self._server is None:
            return
        # Fast: open transactions are rolled back, nobody is waited for.
        self._server.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._server.wait(_STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()
        self._server = None


def _identity() -> dict[str, Any]:
    return {"user": _NOBODY, "group": pwd.getpwnam(_NOBODY).pw_gid, "extra_groups": []} if _is_root() else {}


def _is_root() -> bool:
    return os.geteuid() == 0
