"""PostgreSQL under eventlet: a green thread that waits for a lock lets the others of its process run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from shared.testing.postgres import PrivatePostgres

_PROGRAM = """
import eventlet
eventlet.monkey_patch()
import sys
from sqlalchemy import text
from shared.runtime.database import Database
from shared.testing.waiting import wait_for

database, order = Database(sys.argv[1]), []

def somebody_waits():
    with database.read() as connection:
        return connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))

def second():
    with database.write(alone=True):
        order.append("second")

with database.write(alone=True):
    waiting = eventlet.spawn(second)
    wait_for(somebody_waits, "the second thread waits for the first")
    order.append("first")
waiting.wait()
print(*order)
"""


def test_a_green_thread_that_waits_for_a_lock_holds_up_nobody(postgres: PrivatePostgres) -> None:
    """Not even the one that has the lock: otherwise the process would stand still until the limit for locks."""
    command = [sys.executable, "-W", "ignore", "-c", _PROGRAM, postgres.new_database()]

    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])

    assert (ended.returncode, ended.stdout) == (0, "first second\n"), ended.stderr
