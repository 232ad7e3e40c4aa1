"""Alarms in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from shared.contracts.events import Event
from shared.core.alarms import Alarm, AlarmKind, Condition, Key, Patience, what_changed
from shared.runtime.alarms import told


@dataclass
class FakeAlarmBook:
    """`AlarmBook` of a service, with what it said."""

    service: str
    patience: Patience
    kept: dict[Key, Alarm] = field(default_factory=dict)
    dispatched: list[Event] = field(default_factory=list)

    def begin(self) -> None:
        """A start."""
        self.kept = {key: alarm for key, alarm in self.kept.items() if alarm.is_raised}

    def note(self, kinds: Collection[AlarmKind], found: Collection[Condition], now: dt.datetime) -> None:
        """Take what a look found."""
        known = {key: alarm for key, alarm in self.kept.items() if alarm.kind in kinds}
        for key, (alarm, turn) in what_changed(known, found, now, self.patience).items():
            last = alarm or self.kept.pop(key)
            if alarm is not None:
                self.kept[key] = alarm
            if turn is not None:
                self.dispatched.append(told(self.service, last, turn))

    def present(self) -> Sequence[Alarm]:
        """Those that are raised."""
        return sorted((alarm for alarm in self.kept.values() if alarm.is_raised), key=lambda alarm: (alarm.since, alarm.key))
