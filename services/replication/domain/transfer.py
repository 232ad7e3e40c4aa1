"""A transfer: one package's journey to here, in slices.

::

    transfer   planned ─▶ moving ─▶ assembled ─▶ done
                            └─────────┴────────▶ failed | suspect
    slice      ready ─claim─▶ claimed ─done─▶ done
                 ▲               │ lease expired, or given back
                 └───────────────┘

A claim has a lease and a fence: a number that grows with each claim. A worker whose lease expired, a zombie, still holds the
old number, and whatever it reports is refused.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from shared.core.digest import Digest
from shared.core.slices import Slice


class TransferState(StrEnum):
    """Where a transfer is."""

    PLANNED = "planned"
    MOVING = "moving"
    ASSEMBLED = "assembled"
    DONE = "done"
    FAILED = "failed"
    SUSPECT = "suspect"


OPEN_STATES = (TransferState.PLANNED, TransferState.MOVING)
ENDED_STATES = (TransferState.DONE, TransferState.FAILED, TransferState.SUSPECT)


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
