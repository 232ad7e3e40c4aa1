"""A real instance under test: real processes, real broker, real files; start, stop, kill, wipe."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from shared.testing.preloaded import Process, can_fork, fork
from shared.testing.processes import descendants, kill_now
from shared.testing.waiting import wait_for

ALL_IN_ONE = ("services",)
SEPARATE = ("services.directory", "services.storage", "services.hashing", "services.replication", "services.notify")
_REPOSITORY = Path(__file__).resolve().parents[2]
FAST = {
    "ODST_SWEEP_SECONDS": "1",
    "ODST_STALE_SECONDS": "3",
    "ODST_POLL_SECONDS": "5",
    "ODST_LEASE_SECONDS": "3",
    "ODST_RETRY_DELAYS_SECONDS": "0.2,0.5,1",
    "ODST_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
}
"""Impatient settings, so that tests of lost messages take seconds."""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Instance:
    """One instance in a folder of its own. Its programs are `services` (all in one) or one for each service, and the gateway."""

    def __init__(
        self, name: str, folder: Path, amqp_uri: str, *, programs: tuple[str, ...] = ALL_IN_ONE, settings: dict[str, str] | None = None
    ) -> None:
        """Nothing is started yet; `settings` are `ODST_…` variables beside the impatient ones.

        Its programs are `preloaded` (see `shared.testing.preloaded`); set to False, they start as a user's do.
        """
        self.name, self.folder = name, folder
        self.data = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.programs = (*programs, "services.api_gateway")
        self.processes: dict[str, Process] = {}
        self.preloaded = can_fork()
        self.traps: dict[str, tuple[str, ...]] = {}
        self._clock: tuple[str, ...] = ()
        self.settings = {
            **FAST,
            "ODST_AMQP_URI": amqp_uri,
            "ODST_DATA": str(self.data),
            "ODST_LISTEN": f"127.0.0.1:{self.port}",
            "ODST_PUBLIC_URL": self.url,
            "ODST_INSTANCE_NAME": name,
            **(settings or {}),
        }
        self._token: str | None = None

    def start(self, *programs: str) -> Instance:
        """Start the named programs, or all that are not running."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ODST_")} | self.settings
        environment["PYTHONPATH"] = str(_REPOSITORY)
        for key in programs or tuple(program for program in self.programs if program not in self.processes):
            arguments = [*self.traps.get(key, ()), key.split("#")[0]]
            self.processes[key] = self._run(arguments, environment, self.folder / f"{key}.log")
        return self

    def _run(self, arguments: list[str], environment: dict[str, str], log: Path) -> Process:
        # A clock is shifted before anything is imported that may keep the right one.
        if self.preloaded and not self._clock:
            return fork(arguments, environment, log)
        command = [sys.executable, "-W", "ignore", "-m", *self._clock, *arguments]
        with log.open("ab") as output:
            return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def crash_once_at(self, point: str, program: str) -> Path:
        """From its next start on, let a program die at a point of `shared.testing.crashing`; the flag that is gone when it did."""
        self.folder.mkdir(parents=True, exist_ok=True)
        flag = self.folder / f"crash-{point}"
        flag.touch()
        self.traps[program] = ("shared.testing.crashing", point, str(flag))
        return flag

    def shift_clock(self, seconds: float) -> None:
        """Let every program that is started from now on believe that it is so much later, or earlier if negative.

        Those that were started after the first call follow later calls within a fraction of a second.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        offset, beside = self.folder / "clock-offset", self.folder / "clock-offset.new"
        beside.write_text(str(seconds))
        beside.replace(offset)
        self._clock = ("shared.testing.shifted_clock", str(offset))

    def wait_ready(self, deadline_seconds: float = 90) -> Instance:
        """Until `/readyz` says so."""

        def ready() -> bool:
            for name, process in self.processes.items():
                assert process.poll() is None, f"{self.name}: {name} ended with {process.poll()}\n{self.log(name)[-3000:]}"
            return bool(requests.get(f"{self.url}/readyz", timeout=10).status_code == requests.codes.ok)

        wait_for(ready, f"{self.name} is ready", deadline_seconds=deadline_seconds, tolerate=(requests.RequestException,))
        return self

    def stop(self, *programs: str, deadline_seconds: float = 20) -> dict[str, int]:
        """SIGTERM, wait; the exit codes."""
        names = programs or tuple(self.processes)
        for name in names:
            self.processes[name].terminate()
        codes = {}
        for name in names:
            try:
                codes[name] = self.processes.pop(name).wait(deadline_seconds)
            except subprocess.TimeoutExpired as error:
                raise AssertionError(f"{self.name}: {name} did not stop within {deadline_seconds} s\n{self.log(name)[-3000:]}") from error
        return codes

    def kill(self, *programs: str) -> None:
        """SIGKILL, also to the gateway's worker."""
        for name in programs or tuple(self.processes):
            process = self.processes.pop(name)
            for pid in (*descendants(process.pid), process.pid):
                kill_now(pid)
            process.wait()

    def close(self) -> None:
        """End whatever still runs."""
        if self.processes:
            self.kill()

    def wipe(self) -> None:
        """Remove all that it kept."""
        shutil.rmtree(self.data, ignore_errors=True)
        self._token = None

    def log(self, program: str) -> str:
        """All that a program wrote."""
        path = self.folder / f"{program}.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def log_events(self, program: str, event: str) -> list[dict[str, Any]]:
        """Log lines of one event."""
        lines = (json.loads(line) for line in self.log(program).splitlines() if line.startswith("{"))
        return [line for line in lines if line.get("event") == event]

    @property
    def token(self) -> str:
        """The first administrator's."""
        if self._token is None:
            path = self.data / "secrets" / "first-admin.json"
            self._token = str(json.loads(wait_for(lambda: path.read_text() if path.exists() else "", "the first administrator"))["token"])
        return self._token

    def api(self, method: str, path: str, *, expect: int | None = 200, **arguments: Any) -> requests.Response:
        """A call of the Admin API as administrator."""
        headers = {"Authorization": f"Bearer {self.token}", **arguments.pop("headers", {})}
        response = requests.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=arguments.pop("timeout", 60), **arguments)
        if expect is not None:
            assert response.status_code == expect, f"{method} {path}: {response.status_code} {response.text[:500]}"
        return response

    def upload(self, name: str, data: Any, **headers: str) -> dict[str, Any]:
        """PUT a package; the upload as answered."""
        upload: dict[str, Any] = self.api("PUT", f"/packages/{name}", data=data, headers=headers, expect=202, timeout=600).json()
        return upload

    def uploaded(self, upload: dict[str, Any], deadline_seconds: float = 60) -> dict[str, Any]:
        """Wait until an upload has ended well; the upload."""

        def ended() -> dict[str, Any] | None:
            now: dict[str, Any] = self.api("GET", f"/uploads/{upload['upload_id']}").json()
            assert now["state"] not in ("rejected", "aborted"), now
            return now if now["state"] in ("published", "already_here") else None

        return wait_for(ended, f"{upload['name']} is published at {self.name}", deadline_seconds=deadline_seconds, tolerate=_AWAY) or {}

    def published(self, name: str, sha256: str | None = None, deadline_seconds: float = 60) -> dict[str, Any]:
        """Wait until a package (with these bytes) is published here; the package."""

        def there() -> dict[str, Any] | None:
            response = self.api("GET", f"/packages/{name}", expect=None)
            if response.status_code != requests.codes.ok:
                return None
            package: dict[str, Any] = response.json()
            return package if package["state"] == "published" and sha256 in (None, package["sha256"]) else None

        return wait_for(there, f"{name} is published at {self.name}", deadline_seconds=deadline_seconds, tolerate=_AWAY) or {}

    def transfer_of(self, package_id: str) -> dict[str, Any] | None:
        """The latest transfer of a package here."""
        items = self.api("GET", "/transfers?limit=1000").json()["items"]
        return next((item for item in items if item["package_id"] == package_id), None)

    def invite(self) -> str:
        """An invitation to this instance."""
        return str(self.api("POST", "/invitations", json={}, expect=201).json()["invitation"])

    def join(self, other: Instance) -> dict[str, Any]:
        """Register with `other` by an invitation of its."""
        peer: dict[str, Any] = self.api("POST", "/peers", json={"invitation": other.invite()}, expect=201).json()
        return peer

    def download_sha256(self, name: str) -> str:
        """SHA-256 of what a client gets."""
        digest = hashlib.sha256()
        with requests.get(f"{self.url}/packages/{name}", stream=True, timeout=600) as response:
            assert response.status_code == requests.codes.ok, response.text[:300]
            for block in response.iter_content(1 << 20):
                digest.update(block)
        return digest.hexdigest()


_AWAY = (requests.ConnectionError, requests.Timeout)


def random_file(path: Path, size: int, seed: int = 0) -> str:
    """Write `size` reproducible random bytes; their SHA-256."""
    source, digest = random.Random(seed), hashlib.sha256()
    with path.open("wb") as file:
        left = size
        while left:
            block = source.randbytes(min(left, 1 << 20))
            file.write(block)
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
