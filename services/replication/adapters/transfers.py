"""Transfers and slices in the service's own database, shared by all replication workers.

A claim is one statement that takes a slice and raises its fence (`UPDATE … RETURNING`); every later write names the fence.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, literal, or_, select, tuple_, update

from services.replication.adapters import rows
from services.replication.adapters.schema import announcements, bad_chunks, outbox, peers, slices, transfers
from services.replication.domain.records import portions
from services.replication.domain.transfer import OPEN_STATES, Claim, Transfer, TransferState, percent
from shared.contracts.events import Event
from shared.core.digest import CHUNK_SIZE
from shared.core.slices import Slice
from shared.core.times import to_text
from shared.runtime.database import Database
from shared.runtime.outbox import Outbox

_READY, _CLAIMED, _DONE = "ready", "claimed", "done"
_OPEN = [state.value for state in OPEN_STATES]
_UNDER_WAY = [*_OPEN, TransferState.ASSEMBLED.value]
_PORTION = 500
"""Values in one condition."""
_BEYOND = dt.timedelta(hours=1)
"""No wait and no lease is that long: a time further away was set by a clock that was ahead, and counts as past."""


class SqlTransferChanges:
    """`TransferChanges` in one SQL transaction."""

    def __init__(self, connection: Connection, outbox_of_service: Outbox) -> None:
        """Made by `SqlTransfers.changing`."""
        self._connection = connection
        self._outbox = outbox_of_service

    def of_package(self, package_id: str) -> Transfer | None:
        """The latest transfer of a package."""
        query = select(transfers).where(transfers.c.package_id == package_id).order_by(transfers.c.planned.desc()).limit(1)
        return _first(self._connection, query)

    def get(self, transfer_id: str) -> Transfer | None:
        """A transfer."""
        return _first(self._connection, select(transfers).where(transfers.c.transfer_id == transfer_id))

    def save(self, transfer: Transfer) -> None:
        """Insert or replace a transfer; the byte count is kept."""
        values = rows.transfer_row(transfer)
        known = update(transfers).where(transfers.c.transfer_id == transfer.transfer_id).values(values)
        if not self._connection.execute(known).rowcount:
            self._connection.execute(insert(transfers).values(values | {"bytes_fetched": 0}))

    def add_slices(self, transfer_id: str, planned: Sequence[Slice]) -> None:
        """Plan slices."""
        if planned:
            self._connection.execute(insert(slices), [_slice_row(transfer_id, part) for part in planned])

    def finish_slice(self, claim: Claim) -> bool:
        """Mark a slice done if the claim still holds."""
        done = update(slices).where(_holds(claim)).values(state=_DONE, lease_until=None)
        return bool(self._connection.execute(done).rowcount)

    def add_fetched(self, transfer_id: str, count: int) -> None:
        """Count bytes that came over the wire."""
        counted = update(transfers).where(transfers.c.transfer_id == transfer_id)
        self._connection.execute(counted.values(bytes_fetched=transfers.c.bytes_fetched + count))

    def drop_slices(self, transfer_id: str) -> None:
        """Forget its slices."""
        self._connection.execute(delete(slices).where(slices.c.transfer_id == transfer_id))

    def slices_left(self, transfer_id: str) -> int:
        """Slices that are not done."""
        query = select(func.count()).select_from(slices).where(slices.c.transfer_id == transfer_id, slices.c.state != _DONE)
        return self._connection.execute(query).scalar_one()

    def note_bad_chunk(self, transfer_id: str, chunk: int, peer_id: str) -> int:
        """Remember who gave a wrong chunk."""
        this = and_(bad_chunks.c.transfer_id == transfer_id, bad_chunks.c.chunk == chunk)
        liars = set(self._connection.execute(select(bad_chunks.c.peer_id).where(this)).scalars())
        if peer_id not in liars:
            self._connection.execute(insert(bad_chunks).values(transfer_id=transfer_id, chunk=chunk, peer_id=peer_id))
        return len(liars | {peer_id})

    def dispatch(self, event: Event) -> None:
        """Write the event to the outbox of this transaction."""
        self._outbox.add(self._connection, event)


class SqlTransfers:
    """`Transfers` on SQLAlchemy."""

    def __init__(self, database: Database, outbox_of_service: Outbox) -> None:
        """The tables are made by the migrations."""
        self._database = database
        self._outbox = outbox_of_service

    @contextmanager
    def changing(self) -> Iterator[SqlTransferChanges]:
        """A transaction that sees no other's half; afterwards the outbox is rung."""
        with self._database.write(alone=True) as connection:
            yield SqlTransferChanges(connection, self._outbox)
        self._outbox.ring()

    def claim(self, worker: str, now: dt.datetime, lease: dt.timedelta) -> Claim | None:
        """Take one slice: transfers by their turn, slices in order. Looks before it locks, as there is mostly nothing to take."""
        at = to_text(now)
        with self._database.read() as connection:
            if connection.execute(_claimable(now)).first() is None:
                return None
        with self._database.write() as connection:
            chosen = connection.execute(self._skipping_locked(_claimable(now))).first()
            if chosen is None:
                return None
            row = connection.execute(
                update(slices)
                .where(slices.c.transfer_id == chosen.transfer_id, slices.c.number == chosen.number)
                .values(state=_CLAIMED, worker=worker, lease_until=to_text(now + lease), fence=slices.c.fence + 1)
                .returning(slices)
            ).one()
            owner = connection.execute(select(transfers).where(transfers.c.transfer_id == row.transfer_id)).one()
            if owner.state == TransferState.PLANNED.value:
                planned = and_(transfers.c.transfer_id == row.transfer_id, transfers.c.state == TransferState.PLANNED.value)
                connection.execute(update(transfers).where(planned).values(state=TransferState.MOVING.value, changed=at))
        part = Slice(row.number, row.first_chunk, row.chunk_total, owner.size)
        return Claim(row.transfer_id, owner.package_id, owner.correlation_id, part, row.fence, row.fence - 1)

    def _skipping_locked(self, query: Any) -> Any:
        return query if self._database.is_sqlite else query.with_for_update(skip_locked=True, of=slices)

    def renew(self, claim: Claim, until: dt.datetime) -> bool:
        """Extend the lease; False if the claim is lost."""
        with self._database.write() as connection:
            return bool(connection.execute(update(slices).where(_holds(claim)).values(lease_until=to_text(until))).rowcount)

    def give_back(self, claim: Claim, not_before: dt.datetime) -> None:
        """Let others try from `not_before`, if the claim still holds."""
        free = {"state": _READY, "worker": None, "lease_until": None, "not_before": to_text(not_before)}
        with self._database.write() as connection:
            connection.execute(update(slices).where(_holds(claim)).values(free))

    def listed(
        self, limit: int, before: tuple[str, str] | None = None, states: Collection[str] = (), name: str | None = None
    ) -> Sequence[tuple[Transfer, int]]:
        """Newest transfers, each with the bytes of its finished slices."""
        query = select(transfers).order_by(transfers.c.planned.desc(), transfers.c.transfer_id.desc()).limit(limit)
        if before is not None:
            query = query.where(tuple_(transfers.c.planned, transfers.c.transfer_id) < tuple_(*map(literal, before)))
        if states:
            query = query.where(transfers.c.state.concat("").in_(sorted(states)))
        if name is not None:
            query = query.where(transfers.c.name == name)
        with self._database.read() as connection:
            return _with_done(connection, connection.execute(query).all())

    def shown(self, transfer_id: str) -> tuple[Transfer, int] | None:
        """One, likewise."""
        with self._database.read() as connection:
            found = connection.execute(select(transfers).where(transfers.c.transfer_id == transfer_id)).all()
            return next(iter(_with_done(connection, found)), None)

    def held_back(self, package_ids: Sequence[str]) -> dict[str, str]:
        """Which of these packages are `paused` or `cancelled` here."""
        held: dict[str, str] = {}
        with self._database.read() as connection:
            for part in portions(package_ids, _PORTION):
                paused = and_(transfers.c.paused.is_(True), transfers.c.state.in_(_OPEN))
                query = select(transfers.c.package_id, transfers.c.state).where(
                    transfers.c.package_id.in_(part), or_(paused, transfers.c.state == TransferState.CANCELLED.value)
                )
                held |= {
                    row.package_id: "cancelled" if row.state == TransferState.CANCELLED.value else "paused"
                    for row in connection.execute(query)
                }
        return held

    def stale_assembled(self, before: dt.datetime) -> Sequence[Transfer]:
        """Assembled transfers that nobody verified since."""
        stale = and_(transfers.c.state == TransferState.ASSEMBLED.value, transfers.c.changed < to_text(before))
        with self._database.read() as connection:
            return [rows.transfer_of(row) for row in connection.execute(select(transfers).where(stale))]

    def open_since(self, before: dt.datetime) -> Sequence[Transfer]:
        """Transfers that were planned before that and still fetch."""
        waiting = and_(transfers.c.state.in_(_OPEN), transfers.c.planned < to_text(before))
        with self._database.read() as connection:
            return [rows.transfer_of(row) for row in connection.execute(select(transfers).where(waiting))]

    def progress(self, package_ids: Sequence[str]) -> dict[str, int]:
        """How far the transfers of these packages are, in percent."""
        found: dict[str, int] = {}
        with self._database.read() as connection:
            for part in portions(package_ids, _PORTION):
                here = and_(transfers.c.package_id.in_(part), transfers.c.state.in_(_UNDER_WAY))
                under_way = connection.execute(select(transfers).where(here)).all()
                done = _done_bytes(connection, [row.transfer_id for row in under_way])
                found |= {row.package_id: percent(done.get(row.transfer_id, 0), row.size) for row in under_way}
        return found

    def figures(self) -> dict[str, float]:
        """Counts for metrics."""
        with self._database.read() as connection:
            states: dict[str, int] = dict(connection.execute(select(transfers.c.state, func.count()).group_by(transfers.c.state)).all())
            parts: dict[str, int] = dict(connection.execute(select(slices.c.state, func.count()).group_by(slices.c.state)).all())
            fetched = connection.execute(select(func.coalesce(func.sum(transfers.c.bytes_fetched), 0))).scalar_one()
            counts = {
                "peers_active": select(func.count()).select_from(peers).where(peers.c.state == "active"),
                "announcements_waiting": select(func.count()).select_from(announcements),
                "outbox_waiting": select(func.count()).select_from(outbox),
            }
            figures: dict[str, float] = {name: connection.execute(query).scalar_one() for name, query in counts.items()}
        figures |= {f"transfers_{state.value}": states.get(state.value, 0) for state in TransferState}
        return figures | {"slices_ready": parts.get(_READY, 0), "slices_claimed": parts.get(_CLAIMED, 0), "bytes_fetched": int(fetched)}


def _claimable(now: dt.datetime) -> Any:
    at, beyond = to_text(now), to_text(now + _BEYOND)
    # Plain values, so that transfers are walked by their turn: a database that began with the slices would sort all that wait.
    state = slices.c.state.concat("")
    free = and_(state == _READY, or_(slices.c.not_before <= at, slices.c.not_before > beyond))
    expired = and_(state == _CLAIMED, or_(slices.c.lease_until < at, slices.c.lease_until > beyond))
    return (
        select(slices.c.transfer_id, slices.c.number)
        .join(transfers, transfers.c.transfer_id.concat("") == slices.c.transfer_id)
        .where(transfers.c.turn.is_not(None), or_(free, expired))
        .order_by(transfers.c.turn, transfers.c.transfer_id, slices.c.number)
        .limit(1)
    )


def _holds(claim: Claim) -> Any:
    return and_(
        slices.c.transfer_id == claim.transfer_id,
        slices.c.number == claim.slice.index,
        slices.c.fence == claim.fence,
        slices.c.state == _CLAIMED,
    )


def _slice_row(transfer_id: str, part: Slice) -> dict[str, Any]:
    return {
        "transfer_id": transfer_id,
        "number": part.index,
        "first_chunk": part.first,
        "chunk_total": part.count,
        "state": _READY,
        "not_before": "",
        "fence": 0,
    }


def _first(connection: Connection, query: Any) -> Transfer | None:
    row = connection.execute(query).first()
    return rows.transfer_of(row) if row else None


def _with_done(connection: Connection, found: Sequence[Any]) -> list[tuple[Transfer, int]]:
    done = _done_bytes(connection, [row.transfer_id for row in found if row.state in _OPEN])
    return [(transfer, done.get(transfer.transfer_id, 0) if transfer.state in OPEN_STATES else _here(transfer)) for transfer in _of(found)]


def _of(found: Sequence[Any]) -> list[Transfer]:
    return [rows.transfer_of(row) for row in found]


def _here(transfer: Transfer) -> int:
    return 0 if transfer.state is TransferState.CANCELLED else transfer.size


def _done_bytes(connection: Connection, transfer_ids: list[str]) -> dict[str, int]:
    query = (
        select(slices.c.transfer_id, func.sum(slices.c.chunk_total) * CHUNK_SIZE)
        .where(slices.c.transfer_id.in_(transfer_ids), slices.c.state == _DONE)
        .group_by(slices.c.transfer_id)
    )
    return {transfer_id: int(count) for transfer_id, count in connection.execute(query)}
