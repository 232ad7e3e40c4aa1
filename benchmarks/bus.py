"""Latencies of an idle instance: RPC, events, and how soon bytes move after an announcement."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from benchmarks.hop import first_byte_at, put
from benchmarks.runner import Aim, Figures, Options, Report, quantile, timed
from benchmarks.world import Source, World, world
from shared.contracts import events
from shared.runtime.bus.rpc import RpcClient

_CALLS, _WARM = 500, 30
_PACKAGE_BYTES = 1000


@dataclass
class Latencies:
    """Milliseconds by what was measured."""

    milliseconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what: str, seconds: float) -> None:
        """One more."""
        self.milliseconds.setdefault(what, []).append(seconds * 1000)

    def table(self) -> Figures:
        """Medians and tails."""
        rows = [
            (what, len(values), *(f"{figure:.1f}" for figure in (quantile(values, 0.5), quantile(values, 0.99), max(values))))
            for what, values in self.milliseconds.items()
        ]
        return Figures("milliseconds, idle", ("what", "n", "p50", "p99", "max"), rows)


RPC = "RPC: storage.feed_position, asked and answered"
ARRIVAL = "event: written in its transaction to arrived at a queue (commit, sync, relay, broker)"
HANDLED = "event: written in its transaction to the next event made by its handler (received to hashed, 1 kB)"
UPLOADED = "PUT of 1 kB to published"
FIRST_BYTE = "published at A to the first request for bytes served by A to B"
SMALL_HOP = "published at A to published at B, 1 kB"


def run(options: Options) -> Report:
    """Two instances that have nothing else to do; one thing at a time."""
    found = Latencies()
    source = Source(options.folder / "package", _PACKAGE_BYTES)
    with world(options, "A", "B") as running:
        _ask(running, found)
        for number in range(options.rounds_or(15)):
            _send(running, source, f"small-{number}.pkg", found)
    report = Report("bus", "latencies within an idle instance and between two")
    report.figures = [found.table()]
    report.aims = [
        Aim("RPC round trip, p50", quantile(found.milliseconds[RPC], 0.5), 4, " ms"),
        Aim("announcement to first byte moving, longest", max(found.milliseconds[FIRST_BYTE]), 1000, " ms"),
    ]
    report.notes = ["RPC by shared.runtime.bus.rpc.RpcClient from a plain process over one kept connection"]
    return report


def _ask(running: World, found: Latencies) -> None:
    client = RpcClient(running.broker.uri("a"))
    try:
        for number in range(_WARM + _CALLS):
            seconds = timed(lambda: client.call("storage", "feed_position"))
            if number >= _WARM:
                found.add(RPC, seconds)
    finally:
        client.close()


def _send(running: World, source: Source, name: str, found: Latencies) -> None:
    (a, b), (ear_a, ear_b) = running.instances, running.listeners
    source.renew()
    began = time.time()
    put(a, name, source.path)
    received = ear_a.wait(events.PackageReceivedV1, lambda heard: heard.field("name") == name)
    hashed = ear_a.wait(events.PackageHashedV1, lambda heard: heard.field("upload_id") == received.field("upload_id"))
    published = ear_a.wait(events.PackagePublishedV1, lambda heard: heard.field("name") == name)
    there = ear_b.wait(events.PackagePublishedV1, lambda heard: heard.field("name") == name)
    b.published(name)
    for heard in (received, published):
        found.add(ARRIVAL, heard.arrived - heard.made)
    found.add(HANDLED, hashed.made - received.made)
    found.add(UPLOADED, published.arrived - began)
    found.add(FIRST_BYTE, first_byte_at(a, published.field("package_id")) - published.made)
    found.add(SMALL_HOP, there.arrived - published.made)
