"""Claims about the shifted clock that whole-instance tests run programs with."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.testing.waiting import wait_for

REPOSITORY = Path(__file__).parents[2]
DAY = 86_400
HOUR = 3_600
PROGRAM = """
import eventlet
eventlet.monkey_patch()
import datetime as dt, json, os, sys, time
from datetime import datetime
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from shared.contracts.events import Envelope, InstanceStaleV1
from shared.runtime.database import Database
from sqlalchemy import Column, DateTime, MetaData, Table, func, insert, select

def read_by_everybody():
    stale = InstanceStaleV1(instance_id="A", name="Bonn", issued=dt.datetime.now(dt.UTC))
    envelope = Envelope.model_validate_json(Envelope.around(stale, "c").model_dump_json())
    read = InstanceStaleV1.model_validate(envelope.data).issued
    database = Database("sqlite://" + "/" + os.path.abspath("clock.sqlite3"))
    table = Table("t", MetaData(), Column("at", DateTime))
    with database.write() as connection:
        table.create(connection, checkfirst=True)
        connection.execute(insert(table).values(at=datetime.utcnow()))
        stored = connection.scalar(select(func.max(table.c.at)))
    database.close()
    assert isinstance(read, dt.datetime) and isinstance(stored, datetime)
    return read == stale.issued and envelope.time - read < dt.timedelta(hours=1)

def told(by):
    return {"by": by, "time": time.time(), "ns": time.time_ns() / 1e9, "now": datetime.now(dt.UTC).timestamp(),
            "local": datetime.now().timestamp(), "utcnow": dt.datetime.utcnow().replace(tzinfo=dt.UTC).timestamp(),
            "today": dt.datetime.today().timestamp(), "date": dt.date.today().isoformat(), "monotonic": time.monotonic(),
            "arguments": sys.argv[1:], "name": __name__, "sound": read_by_everybody()}

for line in sys.stdin:
    print(json.dumps(told("parent")), flush=True)
    child = os.fork()
    if not child:
        print(json.dumps(told("child")), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def write_offset(folder: Path, seconds: float) -> None:
    """At once, so that no half is read."""
    (folder / "offset.new").write_text(str(seconds))
    (folder / "offset.new").replace(folder / "offset")


@contextmanager
def running(folder: Path, offset: float) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The program above with a clock of its own; asks it, and the child that it forks, for the time."""
    (folder / "told.py").write_text(PROGRAM)
    write_offset(folder, offset)
    command = [sys.executable, "-W", "ignore", "-m", "shared.testing.shifted_clock", str(folder / "offset"), "told", "one", "--two"]
    path = {"PYTHONPATH": f"{REPOSITORY}:{folder}"}
    process = subprocess.Popen(command, cwd=folder, env=path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout

    def ask() -> list[dict[str, Any]]:
        print(file=process.stdin, flush=True)
        return [json.loads(process.stdout.readline()) for _ in range(2)]

    try:
        yield ask
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


@pytest.mark.parametrize("days", [-400, 0, 30])
def test_every_way_to_ask_for_the_time_is_shifted_alike(tmp_path: Path, days: int) -> None:
    """In a patched program and in the child that it forks; with pydantic and SQLAlchemy reading and writing such times."""
    with running(tmp_path, days * DAY) as ask:
        answers = ask()

    expected = dt.datetime.now(dt.UTC).timestamp() + days * DAY
    assert [answer["by"] for answer in answers] == ["parent", "child"]
    for answer in answers:
        shown = [answer[way] for way in ("time", "ns", "now", "local", "utcnow", "today")]
        assert shown == pytest.approx([expected] * 6, abs=HOUR)
        assert abs(dt.date.fromisoformat(answer["date"]) - dt.datetime.fromtimestamp(expected, dt.UTC).date()) <= dt.timedelta(days=1)
        assert answer["sound"]


def test_the_offset_may_change_while_the_program_runs(tmp_path: Path) -> None:
    """Forwards and backwards; time that only passes never goes back."""
    with running(tmp_path, 0) as ask:
        before = ask()[0]
        write_offset(tmp_path, -DAY)
        behind = wait_for(lambda: next((now for now in ask() if now["time"] < before["time"] - HOUR), None), "the clock is a day behind")
        write_offset(tmp_path, +DAY)
        ahead = wait_for(lambda: next((now for now in ask() if now["time"] > before["time"] + HOUR), None), "the clock is a day ahead")

    assert before["monotonic"] < behind["monotonic"] < ahead["monotonic"] < before["monotonic"] + HOUR


def test_the_program_is_run_as_if_by_itself(tmp_path: Path) -> None:
    """Its name and its arguments are its own."""
    with running(tmp_path, 0) as ask:
        answer = ask()[0]

    assert (answer["name"], answer["arguments"]) == ("__main__", ["one", "--two"])
