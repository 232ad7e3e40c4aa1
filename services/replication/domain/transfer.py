"""A transfer: one package's journey to here, in slices.

::

    transfer   planned ─▶ moving ─▶ assembled ─▶ done
                  │         └─────────┴────────▶ failed | suspect
                  └─cancel──┴─▶ cancelled ─resume─▶ failed, and the package is planned anew
                                    └─published here by another way─▶ done
    slice      ready ─claim─▶ claimed ─done─▶ done
                 ▲               │ lease expired, or given back
                 └───────────────┘

A claim has a lease and a fence: a number that grows with each claim. A worker whose lease expired, a zombie, still holds the
old number, and whatever it reports is refused.

*Paused* is no state but a property of a transfer that fetches: its slices are not claimed, and all that it has stays. A transfer that was
cancelled remembers that its package is not to be fetched here: none is planned for it until somebody resumes it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Literal, Self

from shared.core.digest import Digest
from shared.core.errors import Conflict, InvalidInput
from shared.core.slices import Slice

PriorityWord = Literal["low", "normal", "high"]


class TransferState(StrEnum):
    """Where a transfer is."""

    PLANNED = "planned"
    MOVING = "moving"
    ASSEMBLED = "assembled"
    DONE = "done"
    FAILED = "failed"
    SUSPECT = "suspect"
    CANCELLED = "cancelled"


OPEN_STATES = (TransferState.PLANNED, TransferState.MOVING)
ENDED_STATES = (TransferState.DONE, TransferState.FAILED, TransferState.SUSPECT, TransferState.CANCELLED)


class Priority(IntEnum):
    """Whose turn it is: the higher first, of equals the older one."""

    LOW = -1
    NORMAL = 0
    HIGH = 1

    @property
    def word(self) -> PriorityWord:
        """As people say it."""
        return _WORDS[self]

    @classmethod
    def read(cls, word: object) -> Self:
        """What came over RPC.

        Raises:
            InvalidInput: PRIORITY_INVALID.
        """
        found = next((one for one in cls if one.word == word), None)
        if found is None:
            raise InvalidInput(f"{str(word)[:40]!r} is no priority: use one of {', '.join(one.word for one in cls)}", "PRIORITY_INVALID")
        return found


_WORDS: dict[Priority, PriorityWord] = {Priority.LOW: "low", Priority.NORMAL: "normal", Priority.HIGH: "high"}


@dataclass(frozen=True, slots=True)
class Transfer:
    """What is moved, and how far it is."""

    transfer_id: str
    package_id: str
    name: str
    size: int
    sha256: Digest
    sha1: Digest
    correlation_id: str
    planned: dt.datetime
    changed: dt.datetime
    state: TransferState = TransferState.PLANNED
    finished: dt.datetime | None = None
    bytes_fetched: int = 0
    error: str | None = None
    paused: bool = False
    priority: Priority = Priority.NORMAL

    @property
    def is_in_turn(self) -> bool:
        """True if its slices may be claimed."""
        return self.state in OPEN_STATES and not self.paused

    def pausing(self, now: dt.datetime, *, paused: bool) -> Transfer:
        """Its slices are not claimed from now on, or are again.

        Raises:
            Conflict: TRANSFER_ENDED, if it does not fetch any more.
        """
        self._check_open("paused" if paused else "resumed")
        return replace(self, paused=paused, changed=now)

    def cancelled(self, now: dt.datetime, person: str) -> Transfer:
        """It ends, and its package is not fetched here.

        Raises:
            Conflict: TRANSFER_ENDED.
        """
        self._check_open("cancelled")
        return replace(
            self, state=TransferState.CANCELLED, paused=False, finished=now, changed=now, error=f"cancelled here by {person[:100]}"
        )

    def released(self, now: dt.datetime) -> Transfer:
        """It was cancelled, and its package is asked for again: that is another transfer."""
        return replace(self, state=TransferState.FAILED, changed=now, error=f"{self.error}; asked for again")

    def prioritised(self, priority: Priority, now: dt.datetime) -> Transfer:
        """Another turn, from its next slice on.

        Raises:
            Conflict: TRANSFER_ENDED.
        """
        self._check_open("given another priority")
        return replace(self, priority=priority, changed=now)

    def _check_open(self, what: str) -> None:
        if self.state is TransferState.ASSEMBLED:
            raise Conflict(f"the transfer has all its bytes and is being verified: it cannot be {what} any more", "TRANSFER_ENDED")
        if self.state not in OPEN_STATES:
            raise Conflict(f"the transfer is {self.state.value}: it cannot be {what} any more", "TRANSFER_ENDED")


@dataclass(frozen=True, slots=True)
class Claim:
    """A slice that is ours until the lease ends."""

    transfer_id: str
    package_id: str
    correlation_id: str
    slice: Slice
    fence: int
    attempts: int
    """Earlier claims of this slice; above zero, some of its chunks may lie on the disk already."""


def percent(bytes_done: int, size: int) -> int:
    """How far a transfer is, from 0 to 100; what is verified whole is 100, so something empty on its way is 99."""
    return min(99, 100 * bytes_done // size) if size else 99
