"""Puts the replication service together: the only place that knows both handlers and adapters."""

from __future__ import annotations

import datetime as dt
import os
import socket
import threading
import time
import uuid
from collections import defaultdict
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import eventlet
from eventlet import tpool

from services.replication.adapters.http_peers import HttpPeers
from services.replication.adapters.peers import SqlPeers
from services.replication.adapters.schema import outbox
from services.replication.adapters.signatures import KeySignatures
from services.replication.adapters.storage import RpcStorage
from services.replication.adapters.transfers import SqlTransfers
from services.replication.config import ReplicationSettings
from services.replication.domain.sources import SourceBook
from services.replication.handlers.announcing import AnnouncingHandlers
from services.replication.handlers.moving import MovingHandlers, MovingLimits
from services.replication.handlers.planning import PlanningHandlers
from services.replication.handlers.pulling import PullingHandlers
from services.replication.handlers.questions import Questions
from services.replication.handlers.registration import RegistrationHandlers
from shared.runtime import migrations
from shared.runtime.bus.rpc import RpcClient
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.database import Database
from shared.runtime.keys import InstanceKey, open_manifest
from shared.runtime.loops import Loop
from shared.runtime.offload import offload
from shared.runtime.outbox import Outbox

_LOOP_SECONDS = 2.0
_NONCES_KEPT_SECONDS = 600


@dataclass
class Replication:
    """The wired service."""

    settings: ReplicationSettings
    registration: RegistrationHandlers
    announcing: AnnouncingHandlers
    pulling: PullingHandlers
    planning: PlanningHandlers
    questions: Questions
    peers: SqlPeers
    database: Database
    loops: tuple[Loop, ...]

    def sweep(self) -> None:
        """Look for work that a lost message or a crash left behind."""
        self.planning.sweep(self.settings.stale_seconds)
        self.peers.forget_nonces(int(time.time()) - _NONCES_KEPT_SECONDS)
        self.pulling.poll_due()

    def close(self) -> None:
        """Close the database."""
        self.database.close()


class _Locks:
    """A lock for each key, within this process."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def __call__(self, key: str) -> AbstractContextManager[Any]:
        return self._locks[key]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _background(function: Any, *arguments: Any) -> Any:
    return eventlet.spawn(tpool.execute, function, *arguments)


def build(settings: ReplicationSettings) -> Replication:
    """The replication service as configured."""
    database = Database(settings.database_url_for("replication"))
    migrations.upgrade(database, Path(__file__).parent / "migrations")
    key = InstanceKey.load_or_create(settings.layout)
    events = Outbox(database, outbox, settings.bus.publisher("replication"))
    peers, transfers = SqlPeers(database, events), SqlTransfers(database, events)
    client = HttpPeers(key, connect_seconds=settings.peer_connect_seconds, read_seconds=settings.peer_read_seconds)
    storage = RpcStorage(RpcClient(settings.amqp_uri, timeout_seconds=settings.rpc_timeout_seconds))
    store = FilesystemByteStore(settings.layout, free_floor_bytes=settings.free_space_floor_mib << 20)
    signatures = KeySignatures(key)
    bell = _Bell()
    moving = MovingHandlers(_worker_name(), peers, transfers, client, storage, store, _now, _background, SourceBook(), _limits(settings))
    announcing = AnnouncingHandlers(peers, client, storage, _now, bell)
    application = Replication(
        settings,
        RegistrationHandlers(peers, client, signatures, _now, settings.instance_name, settings.public_url),
        announcing,
        PullingHandlers(peers, client, storage, _now, settings.poll_seconds, _Locks()),
        PlanningHandlers(peers, transfers, client, storage, store, _now, open_manifest, offload, bell, settings.slice_chunks),
        Questions(transfers),
        peers,
        database,
        (
            events.as_loop(settings.sweep_seconds),
            Loop("announcements", announcing.ring_due, _LOOP_SECONDS),
            Loop("slices", moving.step, _LOOP_SECONDS, copies=settings.slices_at_once),
        ),
    )
    bell.loops = application.loops
    return application


class _Bell:
    """Wakes all loops; made before them."""

    loops: tuple[Loop, ...] = ()

    def __call__(self) -> None:
        for loop in self.loops:
            loop.ring()


def _limits(settings: ReplicationSettings) -> MovingLimits:
    return MovingLimits(
        lease=dt.timedelta(seconds=settings.lease_seconds),
        slow_bytes_per_second=settings.slow_bytes_per_second,
        strikes_allowed=settings.strikes_allowed,
        ban=dt.timedelta(seconds=settings.ban_seconds),
    )


def _worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"[:80]
