"""Promise P6: a clock that is wrong is told as clock skew, what it wrote in the future is refused, and all heals when it is right."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator

import pytest

from shared.core.layout import Layout
from shared.runtime.broker import PrivateBroker
from shared.runtime.keys import trusted_manifest
from shared.testing.instance import Instance
from shared.testing.peer import PeerPackage, TestPeer, chunk_digests_of
from shared.testing.sites import (
    audited,
    download,
    join,
    package_at,
    peer_at,
    put,
    running,
    wait_audited,
    wait_package,
    wait_published,
)
from shared.testing.waiting import wait_for

pytestmark = [pytest.mark.mesh, pytest.mark.slow, pytest.mark.promise("P6")]
DAY, HOUR = 86_400, 3_600
Pair = tuple[Instance, Instance]


@pytest.fixture(scope="module")
def pair(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A, whose clock is right, and B, whose clock can be set; each may write about the packages of the other."""
    folder = tmp_path_factory.mktemp("p6")
    a, b = (Instance(name, folder / name, broker.uri(next(vhost_names))) for name in "AB")
    b.shift_clock(0)
    with running(a, b):
        join(b, a, steward=True)
        wait_published(put(a, "Before.pkg", b"before"), a, b)
        yield a, b


def _skew(instance: Instance, of: str) -> float | None:
    skew: float | None = peer_at(instance, of)["clock_skew_seconds"]
    return skew


def _is_told(instance: Instance, of: str, seconds: float) -> bool:
    skew, error = _skew(instance, of), peer_at(instance, of)["last_error"]
    return skew is not None and abs(skew - seconds) < HOUR / 2 and "clock" in str(error)


def _is_healed(instance: Instance, of: str) -> bool:
    peer = peer_at(instance, of)
    return peer["clock_skew_seconds"] is None and peer["last_error"] is None


def _wait_told(pair: Pair, seconds: float, events_before: int) -> None:
    a, b = pair
    wait_for(lambda: _is_told(a, "B", seconds), "A says how far B is ahead")
    wait_for(lambda: _is_told(b, "A", -seconds), "B says how far A is behind")
    assert abs(wait_audited(a, "peer.clock_skewed.v1", more_than=events_before, name="B")["data"]["seconds"] - seconds) < HOUR / 2


def _wait_healed(pair: Pair) -> None:
    a, b = pair
    wait_for(lambda: _is_healed(a, "B"), "A has nothing against B's clock")
    wait_for(lambda: _is_healed(b, "A"), "B has nothing against A's clock")


def _processes(pair: Pair) -> list[int]:
    return [process.pid for instance in pair for process in instance.processes.values() if process.poll() is None]


def _relayed(instance: Instance, package_id: str, data: bytes) -> PeerPackage:
    """A package of an instance, with the records that it keeps beside its database: what a relay gives."""
    file = Layout(instance.data).records / package_id[:2] / f"{package_id}.json"
    kept = json.loads(file.read_bytes())
    envelope, *meta = (base64.b64decode(one) for one in (kept["manifest"], *kept["meta"]))
    return PeerPackage(trusted_manifest(envelope), envelope, chunk_digests_of(data), data, tuple(meta))


def test_a_clock_a_day_ahead_is_told_its_writes_are_refused_and_all_heals(pair: Pair) -> None:
    """P6: what B wrote tomorrow reaches A by a relay, and A takes nothing of it; once B's clock is right, A has it from B.

    No process is started anew for that.
    """
    a, b = pair
    before, processes = package_at(a, "Before.pkg") or {}, _processes(pair)
    b.shift_clock(DAY)
    _wait_told(pair, DAY, 0)
    future = put(b, "Future.pkg", b"from tomorrow")
    b.api("DELETE", "/packages/Before.pkg")
    elsewhere = put(a, "Meanwhile.pkg", b"meanwhile")

    with TestPeer("Relay") as relay:
        relay.join(a)
        relay.adopt(_relayed(b, future, b"from tomorrow"))
        relay.adopt(_relayed(b, before["package_id"], b"before"))
        relay.announce(a)
        for package_id in (future, before["package_id"]):
            wait_audited(a, "record.refused.v1", peer_id=str(relay.instance_id), record_id=package_id, code="CLOCK_AHEAD")
    assert package_at(a, future) is None
    assert (package_at(a, "Before.pkg") or {})["deleted"] is None
    assert (download(a, "Future.pkg"), download(a, "Before.pkg")) == (None, b"before")

    b.shift_clock(0)
    _wait_healed(pair)
    wait_published(future, a, b)
    wait_published(elsewhere, b)
    for instance in pair:
        wait_package(instance, before["package_id"], state="deleted")
    assert _processes(pair) == processes
    assert hashlib.sha256(download(a, "Future.pkg") or b"").hexdigest() == (package_at(b, future) or {})["sha256"]


def test_a_clock_an_hour_behind_is_told_and_heals(pair: Pair) -> None:
    """P6: nothing passes meanwhile; what was written on both sides arrives when the clock is right, and the later write counts."""
    a, b = pair
    old = put(a, "Tool.pkg", b"version 1")
    wait_published(old, b)
    told, processes = len(audited(a, "peer.clock_skewed.v1", name="B")), _processes(pair)
    b.shift_clock(-HOUR)
    _wait_told(pair, -HOUR, told)

    newer = put(b, "Tool.pkg", b"version 2")
    past, present = put(b, "Past.pkg", b"from the past"), put(a, "Present.pkg", b"from now")
    assert download(b, "Tool.pkg") == b"version 2", "what B has seen is older than what it makes, whatever its clock says"
    assert package_at(a, past) is None

    b.shift_clock(0)
    _wait_healed(pair)
    for package_id in (newer, past, present):
        wait_published(package_id, a, b)
    wait_package(a, old, state="superseded")
    assert (package_at(a, newer) or {})["revision"] == 1, "B never took its clock for one that had been ahead"
    assert _processes(pair) == processes
