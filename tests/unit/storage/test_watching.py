"""Claims about what is an alarm for storage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from services.storage.domain.package import PackageState
from shared.contracts.events import AlarmClearedV1, AlarmRaisedV1
from shared.testing.builders import signed
from tests.unit.storage.storage_bench import Bench

GIB = 1 << 30


class Watch:
    """The handlers on a storage with fakes."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.book, self.handlers = bench.alarms, bench.watching

    def passes(self, minutes: int) -> None:
        """Time, with a sweep every minute."""
        for _ in range(minutes):
            self.bench.clock.pass_seconds(60)
            self.handlers.sweep()

    @property
    def said(self) -> list[tuple[str, str, str]]:
        """What was told, about what, how bad it is."""
        told = [event for event in self.book.dispatched if isinstance(event, AlarmRaisedV1 | AlarmClearedV1)]
        return [(event.type.split(".")[1], event.kind, event.severity) for event in told]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """Nothing is the matter."""
    return Watch(Bench(tmp_path))


def test_a_disk_that_fills_up_is_an_alarm_until_there_is_room(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning, and worse when nothing more can be stored."""
    free = [6 * GIB]
    monkeypatch.setattr(watch.bench.store, "free_bytes", lambda: free[0])
    watch.passes(5)
    assert watch.said == []

    free[0] = 4 * GIB
    watch.passes(5)
    free[0] = 0
    watch.passes(5)
    worst = watch.handlers.list_alarms()["items"]
    free[0] = 6 * GIB
    watch.passes(5)

    assert [(alarm["kind"], alarm["severity"]) for alarm in worst] == [("disk.low", "critical")]
    assert [turn[:2] for turn in watch.said] == [("raised", "disk.low"), ("cleared", "disk.low")]


def test_packages_in_quarantine_are_one_alarm(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names some of them, and is over when none is left."""
    monkeypatch.setattr(watch.bench.store, "free_bytes", lambda: 6 * GIB)
    wrong = [signed(b"bytes", f"App{number}.pkg", size=4) for number in range(4)]
    watch.bench.upload(b"bytes")
    states = [watch.bench.offer(package) for package in wrong]
    watch.passes(5)
    alarms = watch.handlers.list_alarms()["items"]
    with watch.bench.catalogue.changing() as changes:
        for package in wrong:
            changes.save_package(replace(watch.bench.package(package.package_id), state=PackageState.DELETED))
    watch.passes(5)

    assert states == ["quarantined"] * 4
    assert [alarm["detail"] for alarm in alarms] == [
        "4 in quarantine, their bytes were not what was signed: App0.pkg, App1.pkg, App2.pkg, …"
    ]
    assert watch.said == [("raised", "package.quarantined", "warning"), ("cleared", "package.quarantined", "warning")]
