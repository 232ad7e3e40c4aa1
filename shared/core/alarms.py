"""Alarms: conditions that last. Raised once, repeated sparingly, cleared when they are over.

::

    (nothing) ─found─▶ suspected ─there for `hold`─▶ raised ─gone for `settle`─▶ (nothing)
        ▲                  │                          │  ▲
        └──────gone────────┘                          └──┘ each `repeat`: told again

What comes and goes within these times is never told, in either direction. A condition whose `mark` changed is another one: what
stood still has moved. Times that lie ahead were written by a clock that was ahead, and count as now.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from shared.core.times import rfc3339


class AlarmKind(StrEnum):
    """What is the matter."""

    PEER_LAGGING = "peer.lagging"
    TRANSFER_STALLED = "transfer.stalled"
    SECRET_UNREADABLE = "secret.unreadable"  # noqa: S105 - a kind of alarm
    DISK_LOW = "disk.low"
    PACKAGE_QUARANTINED = "package.quarantined"
    DEAD_LETTER_WAITING = "dead_letter.waiting"
    TOKEN_EXPIRING = "token.expiring"  # noqa: S105 - as above
    CERTIFICATE_EXPIRING = "certificate.expiring"


class Severity(StrEnum):
    """How bad it is."""

    WARNING = "warning"
    CRITICAL = "critical"


class Turn(StrEnum):
    """What is to be told."""

    RAISED = "raised"
    REPEATED = "repeated"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a look at the state found."""

    kind: AlarmKind
    about: str
    """Which one it is: the id of a peer, of a transfer, the name of a setting; at most 120 characters."""
    severity: Severity
    detail: str
    """One sentence for people. It holds nothing that changes with every look."""
    hold: dt.timedelta | None = None
    """How long it must be there before it is an alarm; as long as any other if it does not say."""
    since: dt.datetime | None = None
    """When it began, if the state tells; else that is when it was found."""
    mark: str = ""
    """What would be another if things had moved."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A condition that is remembered: suspected, or raised."""

    kind: AlarmKind
    about: str
    severity: Severity
    detail: str
    since: dt.datetime
    mark: str
    seen: dt.datetime
    """When it was found first."""
    told: dt.datetime | None = None
    """When it was told last; None while it is only suspected."""
    repeated: int = 0
    gone: dt.datetime | None = None
    """Since when it is not there any more."""

    @property
    def is_raised(self) -> bool:
        """True if it was told."""
        return self.told is not None

    @property
    def key(self) -> tuple[str, str]:
        """What is remembered once."""
        return self.kind.value, self.about

    @property
    def condition(self) -> Condition:
        """As it would be found if it is as it was."""
        return Condition(self.kind, self.about, self.severity, self.detail, since=self.since, mark=self.mark)

    @property
    def document(self) -> dict[str, Any]:
        """As services answer it."""
        about = {"kind": self.kind.value, "about": self.about, "severity": self.severity.value}
        return about | {"detail": self.detail, "since": rfc3339(self.since), "repeated": self.repeated}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited."""

    settle: dt.timedelta
    """A condition must be there, or gone, for so long."""
    repeat: dt.timedelta
    """An alarm that lasts is told again after so long."""


Key = tuple[str, str]
"""Kind, and what it is about."""
Changed = dict[Key, tuple[Alarm | None, Turn | None]]
"""What is remembered from now on, and what is told of it."""


def judged(known: Alarm | None, found: Condition | None, now: dt.datetime, patience: Patience) -> tuple[Alarm | None, Turn | None]:
    """What is remembered of a condition from now on, and what is to be told of it.

    `known` and `found`, if they are there, are of the same kind and about the same.
    """
    known = _not_ahead(known, now)
    if known is not None and known.is_raised:
        return _lasting(known, found, now, patience)
    if found is None:
        return None, None
    if known is None or known.mark != found.mark:
        known = _suspected(found, now)
    known = _as_found(known, found)
    hold = patience.settle if found.hold is None else found.hold
    return (replace(known, told=now), Turn.RAISED) if now - known.seen >= hold else (known, None)


def _lasting(known: Alarm, found: Condition | None, now: dt.datetime, patience: Patience) -> tuple[Alarm | None, Turn | None]:
    if found is None or found.mark != known.mark:
        known = replace(known, gone=known.gone or now)
        return (None, Turn.CLEARED) if now - (known.gone or now) >= patience.settle else (known, None)
    known = replace(_as_found(known, found), gone=None)
    if now - (known.told or now) >= patience.repeat:
        return replace(known, told=now, repeated=known.repeated + 1), Turn.REPEATED
    return known, None


def _suspected(found: Condition, now: dt.datetime) -> Alarm:
    since = min(now, found.since or now)
    return Alarm(found.kind, found.about, found.severity, found.detail, since, found.mark, seen=now)


def _as_found(known: Alarm, found: Condition) -> Alarm:
    return replace(known, severity=found.severity, detail=found.detail)


def _not_ahead(known: Alarm | None, now: dt.datetime) -> Alarm | None:
    if known is None:
        return None
    told, gone = (None if time is None else min(time, now) for time in (known.told, known.gone))
    return replace(known, since=min(known.since, now), seen=min(known.seen, now), told=told, gone=gone)


def what_changed(known: Mapping[Key, Alarm], found: Collection[Condition], now: dt.datetime, patience: Patience) -> Changed:
    """By kind and `about`: what is remembered from now on and what is told of it, where either is news."""
    there = {(one.kind.value, one.about): one for one in found}
    verdicts = {key: judged(known.get(key), there.get(key), now, patience) for key in dict.fromkeys([*known, *there])}
    return {key: (alarm, turn) for key, (alarm, turn) in verdicts.items() if turn is not None or alarm != known.get(key)}


def counted(alarms: Iterable[Alarm], kinds: Iterable[AlarmKind]) -> dict[str, float]:
    """How many alarms there are of each of these kinds, as figures of a service."""
    present = [alarm.kind for alarm in alarms]
    return {figure_of(kind): present.count(kind) for kind in kinds}


def figure_of(kind: AlarmKind) -> str:
    """The figure of a service that counts its alarms of this kind."""
    return f"alarms_{kind.value.replace('.', '_')}"


class AlarmBook(Protocol):
    """Where a service remembers its alarms."""

    def note(self, kinds: Collection[AlarmKind], found: Collection[Condition], now: dt.datetime) -> None:
        """Take what a look found. What is known of these kinds, and was not found, is not there any more."""

    def present(self) -> Sequence[Alarm]:
        """The alarms that are raised, oldest first."""
