"""`odst serve` for real: one command, a whole instance; what dies is started again; Ctrl-C ends everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from shared.testing.instance import free_port
from shared.testing.waiting import wait_for

_REPOSITORY = Path(__file__).resolve().parents[2]


def _ready(url: str) -> bool:
    return requests.get(f"{url}/readyz", timeout=10).status_code == requests.codes.ok


def _services(launcher: psutil.Process) -> psutil.Process | None:
    for child in launcher.children(recursive=True):
        if child.is_running() and child.cmdline()[-2:] == ["-m", "services"]:
            return child
    return None


@pytest.mark.timeout(300)
def test_serve_starts_restarts_and_stops_a_whole_instance(tmp_path: Path) -> None:
    """Ready with a private broker; credentials shown once; a killed process comes back; SIGINT ends all with exit 0, nothing left."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ODST_")} | {"PYTHONPATH": str(_REPOSITORY)}
    command = [sys.executable, "-m", "cli.main", "serve", "--data", str(tmp_path / "data"), "--listen", f"127.0.0.1:{port}"]
    log = tmp_path / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    launcher = psutil.Process(process.pid)
    family: list[psutil.Process] = []
    try:
        wait_for(lambda: _ready(url), "serve is ready", deadline_seconds=120, tolerate=(requests.RequestException,))
        wait_for(lambda: "odst_" in log.read_text(), "the first credentials are shown")
        assert not (tmp_path / "data" / "secrets" / "first-admin.json").exists()
        killed = wait_for(lambda: _services(launcher), "the services run", tolerate=(psutil.Error,))
        assert killed is not None
        killed.kill()
        wait_for(lambda: (fresh := _services(launcher)) and fresh.pid != killed.pid, "they are started again", tolerate=(psutil.Error,))
        wait_for(lambda: _ready(url), "ready again", deadline_seconds=120, tolerate=(requests.RequestException,))
        family = launcher.children(recursive=True)

        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 0
    finally:
        if process.poll() is None:
            family = launcher.children(recursive=True)
            process.kill()
            for child in family:
                child.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]
