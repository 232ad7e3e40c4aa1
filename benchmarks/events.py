"""From an event on the bus until each of those who want to know has it: by the stream of live events, and by asking every 5 s."""

from __future__ import annotations

import contextlib
import functools
import json
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pika

from benchmarks.followers import EVERY_SECONDS, Askers, Followers, Watchers
from benchmarks.processes import PeakMemory, cpu_of
from benchmarks.runner import Aim, Candidate, Figures, Options, Report, interleave, quantile
from benchmarks.world import world
from shared.contracts.catalogue import example_of
from shared.testing.instance import Instance
from shared.testing.waiting import wait_for

_CROWDS = ((1, 0), (10, 0), (90, 10))
"""How many read, and how many follow without reading."""
_STEADY, _SAYING_SECONDS = 200, 10.0
_BURST = 1000
_WINDOW_SECONDS = _SAYING_SECONDS + EVERY_SECONDS + 1
"""After the first event; by then, those who ask have asked for the last."""
_TYPE = "benchmark.happened.v1"
"""No service handles it, so that nobody else has work."""
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Found:
    """What one crowd found in one round."""

    ages: Sequence[float]
    """Seconds from saying an event until somebody knew of it: of each event, for each who reads."""
    cpu_seconds: float
    """Of the gateway, in the window."""
    memory_bytes: int
    """The most that the gateway held, in the burst too."""
    told_per_second: float | None
    """When many were said at once: of each event, for each who reads. None if that was not tried."""


class Speaker:
    """Says events, numbered on."""

    def __init__(self, channel: Any) -> None:
        """On this channel, without waiting for confirmations."""
        self._channel, self._next = channel, 0
        self.said: dict[int, float] = {}
        """When, by number."""

    def say(self, count: int, seconds: float = 0.0) -> range:
        """So many, spread over so many seconds; their numbers."""
        began, numbers = time.monotonic(), range(self._next, self._next + count)
        self._next = numbers.stop
        for place, number in enumerate(numbers):
            time.sleep(max(0.0, began + seconds * place / count - time.monotonic()))
            data = {"number": number, "text": "x" * 300}
            envelope = example_of("peer.changed.v1") | {"id": str(uuid.uuid4()), "type": _TYPE, "data": data}
            self.said[number] = time.time()
            self._channel.basic_publish("storage.events", _TYPE, json.dumps(envelope).encode())
        return numbers


def run(options: Options) -> Report:
    """One instance; every crowd in every round, in random order."""
    found: dict[str, list[Found]] = {}
    with world(options, "A") as running, _channel(running.broker.uri("a")) as channel:
        speaker, instance = Speaker(channel), running.instances[0]
        candidates: dict[str, Candidate] = {}
        for reading, idle in _CROWDS:
            for way, crowd in (
                ("follow", functools.partial(Followers, instance, reading, idle)),
                ("ask", functools.partial(Askers, instance, reading + idle)),
            ):
                name = f"{reading + idle} {way}"
                candidates[name] = functools.partial(_once, found.setdefault(name, []), speaker, instance, crowd)
        samples = interleave(candidates, options.rounds_or(3))
    return _report(found, samples)


@contextlib.contextmanager
def _channel(uri: str) -> Iterator[Any]:
    with contextlib.closing(pika.BlockingConnection(pika.URLParameters(uri))) as connection:
        yield connection.channel()


def _once(found: list[Found], speaker: Speaker, instance: Instance, crowd: Callable[[], Watchers], _round: int) -> float:
    """The median age."""
    pid = instance.processes["services.api_gateway"].pid
    with crowd() as watchers, PeakMemory({"gateway": pid}) as memory:
        before, began = cpu_of(pid), time.monotonic()
        numbers = speaker.say(_STEADY, _SAYING_SECONDS)
        _until_known(watchers, numbers)
        time.sleep(max(0.0, began + _WINDOW_SECONDS - time.monotonic()))
        spent = cpu_of(pid) - before
        ages = [one.knew[number] - speaker.said[number] for one in watchers.watchers for number in numbers]
        told = _burst(watchers, speaker) if isinstance(watchers, Followers) else None
    found.append(Found(ages, spent.user + spent.system, memory.peaks["gateway"].resident, told))
    return statistics.median(ages)


def _burst(watchers: Watchers, speaker: Speaker) -> float:
    began = time.time()
    numbers = speaker.say(_BURST)
    _until_known(watchers, numbers)
    ended = max(one.knew[number] for one in watchers.watchers for number in numbers)
    return _BURST * len(watchers.watchers) / (ended - began)


def _until_known(watchers: Watchers, numbers: range) -> None:
    wait_for(lambda: watchers.all_know(numbers), "all of them know", deadline_seconds=_PATIENCE_SECONDS)


def _report(found: Mapping[str, Sequence[Found]], samples: dict[str, list[float]]) -> Report:
    report = Report("events", "from an event on the bus until who wants to know has it: by live events, and by asking every 5 s")
    report.samples = samples
    report.figures = [
        Figures(
            f"{_STEADY / _SAYING_SECONDS:.0f} events a second for {_SAYING_SECONDS:.0f} s; then, for who follows, {_BURST} at once",
            ("", "mean age, ms", "p50", "p99", f"gateway: CPU s in {_WINDOW_SECONDS:.0f} s", "MB", "told a second in the burst"),
            [_row(name, rounds) for name, rounds in found.items()],
        )
    ]
    report.aims = [Aim("100 follow, 10 of them do not read: p99", _middle(found["100 follow"], _p99), 1.0, " s")]
    report.notes = [
        "of the 100 who follow, 10 do not read; ages are of those who do",
        "readers are one process beside the instance, on the same processors; MB are the most that the gateway held (million bytes)",
    ]
    return report


def _row(name: str, rounds: Sequence[Found]) -> tuple[str, ...]:
    ages = (_middle(rounds, lambda one: statistics.fmean(one.ages)), _middle(rounds, _p50), _middle(rounds, _p99))
    told = "-" if rounds[0].told_per_second is None else f"{_middle(rounds, lambda one: one.told_per_second or 0.0):,.0f}"
    return (
        name,
        *(f"{age * 1000:,.0f}" for age in ages),
        f"{_middle(rounds, lambda one: one.cpu_seconds):.2f}",
        f"{_middle(rounds, lambda one: one.memory_bytes) / 1e6:.0f}",
        told,
    )


def _p50(one: Found) -> float:
    return quantile(one.ages, 0.5)


def _p99(one: Found) -> float:
    return quantile(one.ages, 0.99)


def _middle(rounds: Sequence[Found], figure: Callable[[Found], float]) -> float:
    """The median of the rounds."""
    return statistics.median(figure(one) for one in rounds)
