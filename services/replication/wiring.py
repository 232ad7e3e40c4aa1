"""Puts the replication service together: the only place that knows both handlers and adapters."""

from __future__ import annotations

import datetime as dt
import os
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import eventlet
from eventlet import tpool

from services.replication.adapters.directory import RpcDirectory
from services.replication.adapters.http_peers import HttpPeers
from services.replication.adapters.peers import SqlPeers
from services.replication.adapters.schema import alarms, invitations, outbox
from services.replication.adapters.signatures import KeySignatures
from services.replication.adapters.storage import RpcStorage
from services.replication.adapters.transfers import SqlTransfers
from services.replication.config import ReplicationSettings
from services.replication.domain.sources import LackBook, SourceBook
from services.replication.handlers.announcing import AnnouncingHandlers
from services.replication.handlers.authenticating import AuthenticatingHandlers
from services.replication.handlers.drifting import DriftingHandlers
from services.replication.handlers.foreseeing import ForeseeingHandlers
from services.replication.handlers.learning import LearningHandlers
from services.replication.handlers.moving import MovingHandlers, MovingLimits
from services.replication.handlers.planning import PlanningHandlers
from services.replication.handlers.pulling import PullingHandlers
from services.replication.handlers.questions import Questions
from services.replication.handlers.registration import RegistrationHandlers
from services.replication.handlers.relations import RelationsHandlers
from services.replication.handlers.rotating import RotatingHandlers
from services.replication.handlers.steering import SteeringHandlers
from services.replication.handlers.surveying import SurveyingHandlers
from services.replication.handlers.watching import WatchingHandlers, patience_with_peers, patience_with_slices
from services.replication.handlers.witnessing import WitnessingHandlers
from shared.core.digest import CHUNK_SIZE
from shared.core.errors import OdstError
from shared.core.staging import Stages
from shared.runtime import migrations
from shared.runtime.alarms import SqlAlarmBook
from shared.runtime.bus.rpc import RpcClient
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.database import Database
from shared.runtime.keys import InstanceKey, open_checkpoint, open_manifest, open_rotation
from shared.runtime.logging import get_logger
from shared.runtime.loops import Loop
from shared.runtime.offload import offload
from shared.runtime.outbox import Outbox
from shared.runtime.secret_columns import SecretColumn
from shared.runtime.vault import Vault

log = get_logger(__name__)
_LOOP_SECONDS = 2.0
_NONCES_KEPT_SECONDS = 600
_RINGS_AT_ONCE = 3
"""Peers that one process rings at side by side; none of them twice, as below."""
_FEEDS_AT_ONCE = 3
"""Peers whose feeds one process reads side by side, none of them twice: one that is slow or away keeps only one of these."""


@dataclass
class Replication:
    """The wired service."""

    settings: ReplicationSettings
    registration: RegistrationHandlers
    relations: RelationsHandlers
    rotating: RotatingHandlers
    authenticating: AuthenticatingHandlers
    announcing: AnnouncingHandlers
    pulling: PullingHandlers
    planning: PlanningHandlers
    surveying: SurveyingHandlers
    foreseeing: ForeseeingHandlers
    witnessing: WitnessingHandlers
    questions: Questions
    steering: SteeringHandlers
    peers: SqlPeers
    watching: WatchingHandlers
    secrets: SecretColumn
    database: Database
    loops: tuple[Loop, ...]

    def sweep(self) -> None:
        """Look for work that a lost message, a crash or a wrong clock left behind. Feeds that are due are found by their own loop."""
        with ExitStack() as looked:
            looked.callback(self.watching.sweep)  # also if something of this does not succeed: that may be what is the matter
            self.peers.forget_nonces(int(time.time()) - _NONCES_KEPT_SECONDS)
            self.relations.declare()
            self.relations.follow_stewards()
            self.pulling.sweep()
            self.planning.sweep(self.settings.stale_seconds)
            self.secrets.renew(self.database)

    def figures(self) -> dict[str, float]:
        """Counts for metrics and status."""
        return {**self.questions.figures(), **self.secrets.figures(self.database), **self.watching.figures()}

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _background(function: Any, *arguments: Any) -> Any:
    return eventlet.spawn(tpool.execute, function, *arguments)


def _together(functions: Sequence[Callable[[], Any]], seconds: float) -> list[Any]:
    threads = [eventlet.spawn(_or_none, function) for function in functions]
    with eventlet.Timeout(seconds, False):  # noqa: FBT003 - eventlet's way to say: do not raise
        for thread in threads:
            thread.wait()
    answers = [thread.wait() if thread.dead else None for thread in threads]
    for thread in threads:
        thread.kill()
    return answers


def _or_none(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except OdstError as error:
        log.info("question_not_answered", code=error.code, error=str(error))
        return None


def build(settings: ReplicationSettings) -> Replication:
    """The replication service as configured; the feed of every peer is due at once."""
    application = _Parts(settings).application()
    application.pulling.pull_all()
    return application


class _Parts:
    """Everything that the handlers share."""

    def __init__(self, settings: ReplicationSettings) -> None:
        self.settings = settings
        self.database = Database(settings.database_url_for("replication"))
        migrations.upgrade(self.database, Path(__file__).parent / "migrations")
        key = InstanceKey.load_or_create(settings.layout)
        self.events = Outbox(self.database, outbox, settings.bus.publisher("replication"))
        self.secrets = SecretColumn(Vault.load_or_create(settings.vault_keys), "replication", invitations.c.encrypted_proof_key)
        self.secrets.renew(self.database)
        self.peers, self.transfers = SqlPeers(self.database, self.events, self.secrets), SqlTransfers(self.database, self.events)
        self.client = HttpPeers(
            key,
            connect_seconds=settings.peer_connect_seconds,
            read_seconds=settings.peer_read_seconds,
            slow_bytes_per_second=settings.slow_bytes_per_second,
        )
        rpc = RpcClient(settings.amqp_uri, timeout_seconds=settings.rpc_timeout_seconds)
        self.storage, self.directory = RpcStorage(rpc), RpcDirectory(rpc)
        self.store = FilesystemByteStore(settings.layout, free_floor_bytes=settings.free_space_floor_mib << 20)
        self.signatures, self.stages, self.bell = KeySignatures(key), Stages(tuple(settings.stages)), _Bell()
        self.lacking = LackBook()

    def application(self) -> Replication:
        settings, peers, client, storage = self.settings, self.peers, self.client, self.storage
        relations = RelationsHandlers(peers, storage, _now, self.stages, self.bell)
        rotating = RotatingHandlers(peers, client, storage, self.signatures, relations, _now, open_rotation)
        announcing = AnnouncingHandlers(peers, client, storage, _now, self.bell)
        registration = RegistrationHandlers(
            peers, client, self.signatures, _now, relations, settings.instance_name, settings.public_url, settings.peer_protocols
        )
        pulling, moving, witnessing = self._pulling(rotating), self._moving(), self._witnessing(rotating)
        self.bell.loops = (
            self.events.as_loop(settings.sweep_seconds),
            Loop("announcements", announcing.ring_due, _LOOP_SECONDS, copies=_RINGS_AT_ONCE),
            Loop("feeds", pulling.step, _LOOP_SECONDS, copies=_FEEDS_AT_ONCE),
            Loop("slices", moving.step, _LOOP_SECONDS, copies=settings.slices_at_once),
        )
        # Not rung with the others: nobody waits for a witness.
        loops = (*self.bell.loops, Loop("witnesses", witnessing.step, settings.witness_seconds))
        return Replication(
            settings,
            registration,
            relations,
            rotating,
            AuthenticatingHandlers(peers, self.signatures, _now),
            announcing,
            pulling,
            self._planning(),
            SurveyingHandlers(peers, self.transfers, client, storage, self.signatures, _together, settings.instance_name),
            self._foreseeing(),
            witnessing,
            Questions(self.transfers, peers),
            SteeringHandlers(self.transfers, storage, self.store, _now, self.bell),
            peers,
            self._watching(),
            self.secrets,
            self.database,
            loops,
        )

    def _watching(self) -> WatchingHandlers:
        settings, database = self.settings, self.database
        book = SqlAlarmBook("replication", database, alarms, self.events, settings.alarm_patience)
        book.begin()
        lagging = patience_with_peers(settings.peer_lagging_seconds, settings.poll_seconds)
        stalled = patience_with_slices(
            settings.transfer_stalled_seconds, settings.slice_chunks * CHUNK_SIZE, settings.slow_bytes_per_second
        )
        return WatchingHandlers(
            self.peers, self.transfers, book, lambda: self.secrets.figures(database)["secrets_unreadable"], _now, lagging, stalled
        )

    def _witnessing(self, rotating: RotatingHandlers) -> WitnessingHandlers:
        directory, sign = self.directory, self.signatures.sign_receipt
        ours = (directory.latest_checkpoint, directory.keep_receipt, open_checkpoint, sign, rotating.our_ids)
        return WitnessingHandlers(self.peers, self.client, *ours, _together, _now)

    def _foreseeing(self) -> ForeseeingHandlers:
        name, tags = self.settings.instance_name, frozenset(self.settings.staging_tags)
        return ForeseeingHandlers(
            self.peers, self.transfers, self.client, self.storage, _together, self.stages, name, tags, lambda: self.signatures.identity[0]
        )

    def _pulling(self, rotating: RotatingHandlers) -> PullingHandlers:
        settings, peers, client = self.settings, self.peers, self.client
        learning = LearningHandlers(peers, client, self.storage, _now, self.lacking)
        drifting = DriftingHandlers(peers, client, self.storage, learning, _now, settings.drift_check_seconds)
        return PullingHandlers(peers, client, learning, drifting, rotating, _now, settings.poll_seconds, settings.peer_protocols, self.bell)

    def _planning(self) -> PlanningHandlers:
        common = (self.peers, self.transfers, self.client, self.storage, self.store, _now)
        return PlanningHandlers(*common, open_manifest, offload, self.bell, self.settings.slice_chunks, self.lacking)

    def _moving(self) -> MovingHandlers:
        common = (self.peers, self.transfers, self.client, self.storage, self.store, _now)
        return MovingHandlers(_worker_name(), *common, _background, SourceBook(), _limits(self.settings), self.lacking)


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
