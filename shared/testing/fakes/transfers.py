"""Replication's transfers and slices in memory."""

from __future__ import annotations

import copy
import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from services.replication.domain.transfer import OPEN_STATES, Claim, Transfer, TransferState, percent
from shared.contracts.events import Event
from shared.core.digest import CHUNK_SIZE
from shared.core.slices import Slice
from shared.core.times import to_text

_LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass(frozen=True)
class _Part:
    slice: Slice
    state: str = "ready"
    lease_until: dt.datetime = _LONG_AGO
    not_before: dt.datetime = _LONG_AGO
    fence: int = 0

    def is_claimable(self, now: dt.datetime) -> bool:
        beyond = now + dt.timedelta(hours=1)
        free = self.state == "ready" and not now < self.not_before <= beyond
        return free or (self.state == "claimed" and not now <= self.lease_until <= beyond)


@dataclass
class FakeTransferChanges:
    """`TransferChanges` on a copy, which becomes the truth when the transaction ends well."""

    transfers: dict[str, Transfer] = field(default_factory=dict)
    parts: dict[tuple[str, int], _Part] = field(default_factory=dict)
    bad_chunks: set[tuple[str, int, str]] = field(default_factory=set)
    dispatched: list[Event] = field(default_factory=list)

    def of_package(self, package_id: str) -> Transfer | None:
        """The latest transfer of a package."""
        ours = [one for one in self.transfers.values() if one.package_id == package_id]
        return max(ours, key=lambda one: one.planned, default=None)

    def get(self, transfer_id: str) -> Transfer | None:
        """A transfer."""
        return self.transfers.get(transfer_id)

    def save(self, transfer: Transfer) -> None:
        """Insert or replace a transfer; the byte count is kept."""
        known = self.transfers.get(transfer.transfer_id)
        self.transfers[transfer.transfer_id] = replace(transfer, bytes_fetched=known.bytes_fetched if known else 0)

    def add_slices(self, transfer_id: str, slices: Sequence[Slice]) -> None:
        """Plan slices."""
        self.parts |= {(transfer_id, part.index): _Part(part) for part in slices}

    def held(self, claim: Claim) -> _Part | None:
        """The slice of a claim, if the claim still holds."""
        part = self.parts.get((claim.transfer_id, claim.slice.index))
        return part if part and (part.state, part.fence) == ("claimed", claim.fence) else None

    def change(self, claim: Claim, **fields: object) -> bool:
        """Change the slice of a claim, if the claim still holds."""
        part = self.held(claim)
        if part:
            self.parts[claim.transfer_id, claim.slice.index] = replace(part, **fields)  # type: ignore[arg-type]
        return part is not None

    def finish_slice(self, claim: Claim) -> bool:
        """Mark a slice done if the claim still holds."""
        return self.change(claim, state="done")

    def add_fetched(self, transfer_id: str, count: int) -> None:
        """Count bytes that came over the wire."""
        known = self.transfers[transfer_id]
        self.transfers[transfer_id] = replace(known, bytes_fetched=known.bytes_fetched + count)

    def drop_slices(self, transfer_id: str) -> None:
        """Forget its slices."""
        self.parts = {place: part for place, part in self.parts.items() if place[0] != transfer_id}

    def slices_left(self, transfer_id: str) -> int:
        """Slices that are not done."""
        return sum(part.state != "done" for (owner, _), part in self.parts.items() if owner == transfer_id)

    def note_bad_chunk(self, transfer_id: str, chunk: int, peer_id: str) -> int:
        """Remember who gave a wrong chunk."""
        self.bad_chunks.add((transfer_id, chunk, peer_id))
        return sum(bad[:2] == (transfer_id, chunk) for bad in self.bad_chunks)

    def dispatch(self, event: Event) -> None:
        """Remember what was said."""
        self.dispatched.append(event)


class FakeTransfers:
    """`Transfers` in memory."""

    def __init__(self) -> None:
        """None yet."""
        self._truth = FakeTransferChanges()

    @property
    def dispatched(self) -> list[Event]:
        """What was said by transactions that ended well, in order."""
        return self._truth.dispatched

    @contextmanager
    def changing(self) -> Iterator[FakeTransferChanges]:
        """A transaction; an error leaves everything as it was."""
        copied = FakeTransferChanges(**{name: copy.copy(value) for name, value in vars(self._truth).items()})
        yield copied
        self._truth = copied

    def claim(self, worker: str, now: dt.datetime, lease: dt.timedelta) -> Claim | None:  # noqa: ARG002 - who it was is for people
        """Take one slice: by priority and age, in order."""
        in_turn = (one for one in self._truth.transfers.values() if one.is_in_turn)
        owners = sorted(in_turn, key=lambda one: (-one.priority, one.planned, one.transfer_id))
        for owner in owners:
            for (transfer_id, index), part in sorted(self._truth.parts.items(), key=lambda item: item[0][1]):
                if transfer_id == owner.transfer_id and part.is_claimable(now):
                    taken = replace(part, state="claimed", lease_until=now + lease, fence=part.fence + 1)
                    self._truth.parts[transfer_id, index] = taken
                    if owner.state is TransferState.PLANNED:
                        self._truth.transfers[transfer_id] = replace(owner, state=TransferState.MOVING, changed=now)
                    return Claim(transfer_id, owner.package_id, owner.correlation_id, part.slice, taken.fence, part.fence)
        return None

    def renew(self, claim: Claim, until: dt.datetime) -> bool:
        """Extend the lease; False if the claim is lost."""
        return self._truth.change(claim, lease_until=until)

    def give_back(self, claim: Claim, not_before: dt.datetime) -> None:
        """Let others try from `not_before`, if the claim still holds."""
        self._truth.change(claim, state="ready", not_before=not_before)

    def listed(
        self, limit: int, before: tuple[str, str] | None = None, states: Collection[str] = (), name: str | None = None
    ) -> Sequence[tuple[Transfer, int]]:
        """Newest transfers, each with the bytes of its finished slices."""
        fitting = (one for one in self._truth.transfers.values() if (not states or one.state in states) and name in (None, one.name))
        newest = sorted(((to_text(one.planned), one.transfer_id) for one in fitting), reverse=True)
        places = [place for place in newest if before is None or place < before]
        return [found for _, transfer_id in places[:limit] if (found := self.shown(transfer_id))]

    def shown(self, transfer_id: str) -> tuple[Transfer, int] | None:
        """One, likewise."""
        one = self._truth.transfers.get(transfer_id)
        if one is None:
            return None
        ended = 0 if one.state is TransferState.CANCELLED else one.size
        return one, self._done_bytes(one) if one.state in OPEN_STATES else ended

    def held_back(self, package_ids: Sequence[str]) -> dict[str, str]:
        """Which of these packages are `paused` or `cancelled` here."""
        every = [one for one in self._truth.transfers.values() if one.package_id in package_ids]
        held = {one.package_id: "paused" for one in every if one.paused and one.state in OPEN_STATES}
        return held | {one.package_id: "cancelled" for one in every if one.state is TransferState.CANCELLED}

    def _done_bytes(self, transfer: Transfer) -> int:
        parts = (part for (owner, _), part in self._truth.parts.items() if owner == transfer.transfer_id)
        return sum(part.slice.count * CHUNK_SIZE for part in parts if part.state == "done")

    def stale_assembled(self, before: dt.datetime) -> Sequence[Transfer]:
        """Assembled transfers that nobody verified since."""
        return [one for one in self._truth.transfers.values() if one.state is TransferState.ASSEMBLED and one.changed < before]

    def open_since(self, before: dt.datetime) -> Sequence[Transfer]:
        """Transfers that were planned before that and still fetch."""
        return [one for one in self._truth.transfers.values() if one.state in OPEN_STATES and one.planned < before]

    def progress(self, package_ids: Sequence[str]) -> dict[str, int]:
        """How far the transfers of these packages are, in percent."""
        under_way = [one for one in self._truth.transfers.values() if one.state in (*OPEN_STATES, TransferState.ASSEMBLED)]
        return {one.package_id: percent(self._done_bytes(one), one.size) for one in under_way if one.package_id in package_ids}

    def figures(self) -> dict[str, float]:
        """Counts of transfers and slices; of the other tables this fake knows nothing."""
        states = Counter(one.state for one in self._truth.transfers.values())
        parts = Counter(part.state for part in self._truth.parts.values())
        counts: dict[str, float] = {f"transfers_{state.value}": states[state] for state in TransferState}
        counts |= {"slices_ready": parts["ready"], "slices_claimed": parts["claimed"]}
        return counts | {"bytes_fetched": sum(one.bytes_fetched for one in self._truth.transfers.values())}
