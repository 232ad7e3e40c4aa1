"""From an event on the bus until every receiver of a webhook has it, with some that never answer."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.receivers import Receivers
from benchmarks.runner import Aim, Figures, Options, Report, quantile, tell
from benchmarks.world import World, world
from shared.contracts.events import Envelope, PeerRevokedV1
from shared.core.errors import ServiceUnavailable
from shared.runtime.bus.dispatcher import publish_event
from shared.runtime.bus.rpc import RpcClient
from shared.runtime.bus.settings import BusSettings
from shared.testing.waiting import wait_for

_COUNTS = (10, 100, 1_000)
_HANGING_SHARE = 0.01
_PATIENCE_SECONDS = 240.0


@dataclass(frozen=True)
class Found:
    """What was measured with so many receivers; seconds from publishing to arrival, over all rounds."""

    count: int
    hanging: int
    seconds: Sequence[float]

    @property
    def last(self) -> float:
        """When the last one had it."""
        return max(self.seconds)


def run(options: Options) -> Report:
    """One instance for each number of receivers; one event after the other."""
    found = [_measured(replace(options, folder=options.folder / str(count)), count) for count in _COUNTS]
    report = Report("webhooks", "from an event published to its arrival at each receiver that answers, with 1 % that never do")
    rows = [_row(one) for one in found]
    growths = [f"{_growth(one, other):.1f}" for one, other in itertools.pairwise(found)]
    report.figures = [
        Figures("milliseconds", ("receivers", "of these hanging", "p50", "p99", "last"), rows),
        Figures(
            "growth of the last for each tenfold",
            ("", "×"),
            [(f"{one.count:,}", growth) for one, growth in zip(found[1:], growths, strict=True)],
        ),
    ]
    report.aims = [Aim(f"{found[-1].count:,} receivers, {found[-1].hanging} hanging: the last has it", found[-1].last, 30, " s")]
    report.notes = ["all receivers are one process beside the instance, on the same processors"]
    return report


def _row(one: Found) -> tuple[str, int, str, str, str]:
    return (
        f"{one.count:,}",
        one.hanging,
        *(f"{value * 1000:.0f}" for value in (quantile(one.seconds, 0.5), quantile(one.seconds, 0.99), one.last)),
    )


def _growth(one: Found, other: Found) -> float:
    return float((other.last / one.last) ** (1 / math.log10(other.count / one.count)))


def _measured(options: Options, count: int) -> Found:
    options.folder.mkdir(parents=True)
    hanging = max(1, round(count * _HANGING_SHARE))
    with world(options, "A") as running, Receivers() as receivers:
        _subscribe(running, receivers, count, hanging)
        seconds = [one for _ in range(options.rounds_or(3)) for one in _told(running, receivers, count - hanging)]
    tell(f"  {count} receivers: the last after {max(seconds):.2f} s")
    return Found(count, hanging, seconds)


def _subscribe(running: World, receivers: Receivers, count: int, hanging: int) -> None:
    client = RpcClient(running.broker.uri("a"))
    try:
        wait_for(lambda: client.call("notify", "figures"), "notify answers", tolerate=(ServiceUnavailable,))
        for number in range(count):
            url = receivers.url(number, hangs=number < hanging)
            client.call("notify", "subscribe", url=url, events=["peer.*"], created_by="admin")
    finally:
        client.close()


def _told(running: World, receivers: Receivers, answering: int) -> list[float]:
    """Seconds until each of those that answer has one event."""
    envelope = Envelope.around(PeerRevokedV1(peer_id="A" * 52, name="Bonn"), "benchmark")
    publisher = BusSettings(running.broker.uri("a")).publisher("replication")
    began = time.time()
    publish_event(publisher, envelope)
    publisher.close()

    def arrived() -> list[float]:
        return [at - began for (path, name), at in list(receivers.came.items()) if name == f"msg_{envelope.id}" and "answers" in path]

    wait_for(lambda: len(arrived()) >= answering, f"{answering} have it", deadline_seconds=_PATIENCE_SECONDS)
    return arrived()
