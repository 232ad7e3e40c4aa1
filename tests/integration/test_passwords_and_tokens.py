"""Passwords are hashed beside the checks of tokens: a real directory process whose hashing is held back until it is let go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from services.directory.domain.tokens import fingerprint
from shared.core.errors import ServiceUnavailable, Unauthenticated
from shared.runtime.broker import PrivateBroker
from shared.runtime.bus.rpc import RpcClient
from shared.testing.waiting import wait_for

REPOSITORY = Path(__file__).parents[2]
LOG_INS, AT_ONCE, WAITING = 30, 2, 8
PATIENCE = 120
HELD_BACK = """
import eventlet
eventlet.monkey_patch()
import pathlib, runpy, sys
from eventlet.patcher import original
from argon2 import PasswordHasher
go, begun, verify = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), PasswordHasher.verify

def held_back(self, *arguments):
    with begun.open("a") as file:
        file.write("begun\\n")
    while not go.exists():
        original("time").sleep(0.02)
    return verify(self, *arguments)

PasswordHasher.verify = held_back
runpy.run_module("services.directory", run_name="__main__")
"""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[RpcClient]:
    """A directory that answers, and checks no password before the file `go` is there."""
    with PrivateBroker(tmp_path / "broker") as broker:
        environment = {"PATH": os.environ["PATH"], "ODST_AMQP_URI": broker.uri(), "ODST_DATA": str(tmp_path / "data")}
        command = [sys.executable, "-c", HELD_BACK, str(tmp_path / "go"), str(tmp_path / "begun")]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log)
        asking = RpcClient(broker.uri(), timeout_seconds=PATIENCE)
        try:
            wait_for(lambda: asking.call("directory", "figures"), "directory answers", tolerate=(ServiceUnavailable,))
            yield asking
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            asking.close()
            process.kill()
            process.wait()


def test_tokens_are_checked_while_passwords_wait(client: RpcClient, tmp_path: Path) -> None:
    """Thirty log-ins: some are hashed, some wait, the rest are told to come back; a token is checked before any of them has ended."""
    token = {"token_sha256": fingerprint("no token"), "right": "view"}

    def log_in(number: int) -> Any:
        return client.call(
            "directory",
            "log_in",
            name=f"person {number}",
            password="a guess",
            session_sha256=fingerprint(str(number)),
            address=f"192.0.2.{number}",
            agent="",
        )

    with ThreadPoolExecutor(LOG_INS) as pool:
        under_way: list[Future[Any]] = [pool.submit(log_in, number) for number in range(LOG_INS)]
        try:
            refused = list(islice(as_completed(under_way, timeout=PATIENCE), LOG_INS - AT_ONCE - WAITING))
            for _ in range(3):
                with pytest.raises(Unauthenticated):
                    client.call("directory", "authorize", **token)
            held = [one for one in under_way if not one.done()]
            begun = (tmp_path / "begun").read_text().splitlines()
        finally:
            (tmp_path / "go").touch()
        ended = [one.exception(PATIENCE) for one in held]

    codes = {getattr(one.exception(), "code", None) for one in refused}
    assert codes == {"PASSWORDS_BUSY"}
    assert (len(held), len(begun)) == (AT_ONCE + WAITING, AT_ONCE)
    assert {type(error) for error in ended} == {Unauthenticated}
