"""Peers that drip: a byte now and then breaks no limit of silence, and must not hold a loop of the service for weeks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import eventlet
eventlet.monkey_patch()
from eventlet.event import Event
from services.replication.adapters.http_peers import HttpPeers
from services.replication.domain import sources
from shared.core.errors import PeerUnreachable
from shared.core.slices import Slice
from shared.runtime.keys import InstanceKey
from shared.testing.builders import a_peer

sources.SLOW_AFTER_SECONDS = 0.2
OK, LENGTH = b"HTTP/1.1 200 OK\\r\\n", b"Content-Length: 1048576\\r\\n\\r\\n"

def fetch(peer):
    with client.content(peer, "p", Slice(0, 0, 1, 1 << 20), 0) as content:
        return list(content.chunks(lambda _count: None))

def read(peer):
    return client.changes(peer, None, 0)

def ask(part, begin, drop, asking):
    hung_up = Event()

    def drip(connection, _address):
        try:
            connection.sendall(begin)
            while True:
                connection.sendall(drop)
                eventlet.sleep(0.02)  # between two drops
        except OSError:
            hung_up.send()

    door = eventlet.listen(("127.0.0.1", 0))
    serving = eventlet.spawn(eventlet.serve, door, drip)
    try:
        with eventlet.Timeout(20):
            asking(a_peer("B", url=f"http://127.0.0.1:{door.getsockname()[1]}"))
    except PeerUnreachable as error:
        with eventlet.Timeout(20):
            hung_up.wait()
        print(part, error)

client = HttpPeers(InstanceKey.generate(), connect_seconds=5, read_seconds=5, slow_bytes_per_second=1 << 24)
ask("head", OK, b"A: b\\r\\n", read)
ask("answer", OK + LENGTH, b" ", read)
ask("error", b"HTTP/1.1 503 Away\\r\\n" + LENGTH, b" ", read)
ask("content", OK + LENGTH, b" ", fetch)
"""


def test_an_answer_that_drips_is_given_up() -> None:
    """After the time that its largest size may take, wherever in it the drops come; and the connection is closed."""
    command = [sys.executable, "-W", "ignore", "-c", _PROGRAM]

    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2])

    told = [f"{part} the peer is slower than 16777216 bytes a second" for part in ("head", "answer", "error", "content")]
    assert (ended.returncode, ended.stdout.splitlines()) == (0, told), ended.stderr
