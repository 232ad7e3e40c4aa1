"""Large catalogues: how long a page, a digest and learning everything takes, and how that grows with the number of packages."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.commands import missing, rsync_daemon, shell
from benchmarks.curves import Found, report_of
from benchmarks.processes import Cpu, PeakMemory, cpu_spent
from benchmarks.reading import EVERY_TAG, bucket_digests, feed_pages, invite, list_pages
from benchmarks.runner import Options, Report, require_space, tell
from benchmarks.world import real_use
from shared.runtime.broker import PrivateBroker
from shared.testing.instance import Instance
from shared.testing.peer import TestPeer
from shared.testing.waiting import wait_for

_BYTES_EACH = 40_000
"""Disk that one package takes in all: two instances, and the files that rsync compares, a block each."""
_LEAST_RATE = 20
"""Packages a second; who learns still slower is stuck."""
_NOTHING_MOVES = {"ODST_WANTED_AT_ONCE": "1"}
"""The packages have no bytes: as few as possible are looked for in vain meanwhile."""
_READY_SECONDS = 300
_MANIFEST = b"m" * 1400
"""As long as a signed manifest is."""


def run(options: Options) -> Report:
    """Each size with two fresh instances: A has the catalogue, B learns it."""
    if missing("rsync"):
        raise RuntimeError("this benchmark needs rsync: apt-get install rsync")
    require_space(options.folder, max(options.packages) * _BYTES_EACH)
    vhosts = [f"{name}-{count}" for count in options.packages for name in "ab"]
    with PrivateBroker(options.folder / "broker", vhosts) as broker:
        found = [_measure(options, broker, count) for count in sorted(options.packages)]
    return report_of(found)


def _measure(options: Options, broker: PrivateBroker, count: int) -> Found:
    with _pair(options, broker, count) as (ours, theirs), TestPeer("reader") as peer:
        peer.join(ours, invite(ours))
        feed, listed = feed_pages(peer, ours), list_pages(ours)
        tell(f"  {count} packages: a page of the feed took {statistics.median(feed) * 1000:.0f} ms, at most {max(feed) * 1000:.0f} ms")
        buckets = bucket_digests(peer, ours)
        tell(f"  {count} packages: digests took {buckets:.3f} s")
        spent: list[dict[str, Cpu]] = []
        pids = {f"{one.name} {name}": process.pid for one in (ours, theirs) for name, process in one.processes.items()}
        with PeakMemory(pids, 0.5) as watch, cpu_spent(pids, spent):
            learned = _learn(ours, theirs, count)
        tell(f"  {count} packages: learned in {learned:.1f} s")
    mirrored, compared = _rsync(options.folder / f"files-{count}", count)
    peaks = {name: peak.resident for name, peak in watch.peaks.items()}
    return Found(count, feed, listed, buckets, learned, peaks, spent[0], mirrored, compared)


@contextmanager
def _pair(options: Options, broker: PrivateBroker, count: int) -> Iterator[tuple[Instance, Instance]]:
    """A with its catalogue, and B with none; started and ready, strangers to each other."""
    with ExitStack() as stack:
        made = []
        for name in "ab":
            vhost = f"{name}-{count}"
            settings = real_use() | {"ODST_STAGING_TAGS": ",".join(EVERY_TAG)} | _NOTHING_MOVES
            one = Instance(name.upper(), options.folder / vhost, broker.uri(vhost), programs=options.programs, settings=settings)
            stack.callback(shutil.rmtree, one.folder, ignore_errors=True)
            stack.callback(one.close)
            made.append(one)
        _seed(made[0], count)
        for one in made:
            one.start()
        for one in made:
            one.wait_ready(_READY_SECONDS)
            wait_for(partial(_has_told_all, one), f"{one.name} has nothing to tell", deadline_seconds=_READY_SECONDS)
        yield made[0], made[1]


def _seed(instance: Instance, count: int) -> None:
    """In a process of its own, so that it leaves nothing behind in ours."""
    began = time.perf_counter()
    command = [sys.executable, "-W", "ignore", "-m", "shared.testing.seeding", str(instance.data), str(count)]
    subprocess.run(command, check=True, env=os.environ | instance.settings, stdout=subprocess.DEVNULL)
    tell(f"  {count} packages: made in {time.perf_counter() - began:.1f} s")


def _learn(ours: Instance, theirs: Instance, count: int) -> float:
    """Seconds from the registration until B knows all that A has."""
    invitation, began = invite(ours), time.perf_counter()
    theirs.api("POST", "/peers", json={"invitation": invitation, "tags": EVERY_TAG}, expect=201)
    while (known := _known(theirs)) < count:
        taken = time.perf_counter() - began
        if taken > 60 + count / _LEAST_RATE:
            raise RuntimeError(f"after {taken:.0f} s only {known} of {count} packages are known")
        time.sleep(max(0.1, taken / 100))  # Asking costs B something too.
    return time.perf_counter() - began


def _known(instance: Instance) -> int:
    return int(sum(value for name, value in _storage(instance).items() if name.startswith("packages_")))


def _has_told_all(instance: Instance) -> bool:
    return not _storage(instance)["outbox_waiting"]


def _storage(instance: Instance) -> dict[str, Any]:
    """The figures of the storage service."""
    figures: dict[str, Any] = instance.api("GET", "/status").json()["services"]["storage"]
    return figures


def _rsync(folder: Path, count: int) -> tuple[float, float]:
    """Seconds in which rsync brings as many small files from a daemon, and in which it then finds that none differs."""
    source, copy = folder / "source", folder / "copy"
    for number in range(count):
        path = source / f"{number % 256:02x}" / f"{number:06d}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_MANIFEST)
    with rsync_daemon(source, folder / "daemon") as address:
        mirrored = shell(f"rsync -a {address}/ {{copy}}/ && sync -f {{copy}}", copy=copy)
        compared = shell(f"rsync -an --delete {address}/ {{copy}}/", copy=copy)
    shutil.rmtree(folder)
    return mirrored, compared
