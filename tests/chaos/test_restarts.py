"""A restart of each service, and of the broker, in the middle of a transfer loses nothing."""

from __future__ import annotations

from pathlib import Path

from shared.runtime.broker import PrivateBroker
from shared.testing.chaos_proxy import ChaosProxy
from shared.testing.instance import SEPARATE, Instance, random_file
from shared.testing.waiting import wait_for

_MIB = 1 << 20


def test_each_service_and_the_broker_may_die_in_the_middle(tmp_path: Path) -> None:
    """One transfer; every service of the receiving instance is killed and started again, one after the other, then the broker:
    the package is published with the right bytes, no service died of another's death, and nothing waits."""
    with PrivateBroker(tmp_path / "broker", ["a", "b"]) as broker:
        a = Instance("A", tmp_path / "A", broker.uri("a"))
        b = Instance("B", tmp_path / "B", broker.uri("b"), programs=SEPARATE)
        with ChaosProxy(a.port, bytes_per_second=8 * _MIB) as link:
            a.settings["ODST_PUBLIC_URL"] = link.url
            try:
                _run(a, b, link, broker, tmp_path)
            finally:
                a.close()
                b.close()


def _run(a: Instance, b: Instance, link: ChaosProxy, broker: PrivateBroker, folder: Path) -> None:
    a.start()
    b.start()
    a.wait_ready()
    b.wait_ready()
    b.join(a)
    size = 128 * _MIB
    sha256 = random_file(folder / "big.pkg", size, seed=3)
    with (folder / "big.pkg").open("rb") as file:
        a.uploaded(a.upload("big.pkg", file))
    for program in b.programs:
        mark = link.bytes_from_target + 2 * _MIB
        wait_for(lambda mark=mark: link.bytes_from_target > mark, f"bytes move before {program} is killed")
        b.kill(program)
        b.start(program)
    b.wait_ready()
    link.bytes_per_second = 4 * _MIB
    processes = {name: process.pid for instance in (a, b) for name, process in instance.processes.items()}
    broker.stop()
    broker.start()
    broker.wait_until_ready()
    link.bytes_per_second = None
    b.published("big.pkg", sha256, deadline_seconds=120)

    assert b.download_sha256("big.pkg") == sha256
    assert {name: process.pid for instance in (a, b) for name, process in instance.processes.items()} == processes
    assert all(process.poll() is None for instance in (a, b) for process in instance.processes.values())
    b.wait_ready()
    wait_for(lambda: b.api("GET", "/status").json()["services"]["storage"]["outbox_waiting"] == 0, "the outbox is empty")
    assert b.api("GET", "/dead-letters").json()["items"] == []
