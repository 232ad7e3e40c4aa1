"""Programs that are forked off a process that has imported them: for who started them, they are as any other."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from shared.testing.preloaded import can_fork, fork
from shared.testing.waiting import wait_for

pytestmark = pytest.mark.skipif(not can_fork(), reason="only Linux lets a process take orphans in")


@pytest.mark.parametrize("program", ["services.hashing", "services.api_gateway"])
def test_a_misconfigured_program_ends_as_such_and_says_why(tmp_path: Path, program: str) -> None:
    """It has the environment that it was given and no other, and its own exit code and log."""
    ended = fork([program], {"PATH": os.environ["PATH"], "ODST_SWEEP_SECONDS": "soon"}, tmp_path / "log")

    assert ended.wait(60) == 78
    assert "sweep_seconds" in (tmp_path / "log").read_text().lower()


def test_a_program_is_waited_for_and_ended(tmp_path: Path) -> None:
    """Without a broker it waits: until somebody ends it, kindly or not."""
    settings = {"ODST_AMQP_URI": "amqp://nobody:nothing@127.0.0.1:1/", "ODST_DATA": str(tmp_path)}
    kindly, at_once = (fork(["services.hashing"], settings, tmp_path / f"log{number}") for number in range(2))
    with pytest.raises(subprocess.TimeoutExpired):
        kindly.wait(0.01)
    wait_for(lambda: "waiting_for_broker" in (tmp_path / "log0").read_text(), "it waits for the broker")
    kindly.terminate()
    os.kill(at_once.pid, signal.SIGKILL)

    assert (kindly.wait(60), at_once.wait(60)) == (0, -signal.SIGKILL)
    assert (kindly.poll(), at_once.poll()) == (0, -signal.SIGKILL)
