"""Puts the storage service together: the only place that knows both handlers and adapters."""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from services.storage.adapters.catalogue import SqlCatalogue
from services.storage.adapters.directory import RpcPeople
from services.storage.adapters.files import FeedToldFile, PackageRecordFiles
from services.storage.adapters.further_digests import DatabaseDigests
from services.storage.adapters.schema import alarms, outbox
from services.storage.adapters.signer import KeySigner
from services.storage.config import StorageSettings
from services.storage.domain.settling import House
from services.storage.handlers.feed import FeedHandlers
from services.storage.handlers.further import FurtherDigests
from services.storage.handlers.healing import HealingHandlers
from services.storage.handlers.packages import PackageHandlers
from services.storage.handlers.promotions import PromotionHandlers
from services.storage.handlers.questions import Questions
from services.storage.handlers.records import RecordHandlers
from services.storage.handlers.relations import RelationHandlers
from services.storage.handlers.removing import RemovingHandlers
from services.storage.handlers.resuming import ResumingHandlers
from services.storage.handlers.settling import Settler
from services.storage.handlers.stewarding import StewardHandlers
from services.storage.handlers.uploads import UploadHandlers
from services.storage.handlers.watching import WatchingHandlers
from services.storage.ports import Catalogue, Clock, People, RecordFiles, Signer, ToldFile
from shared.core.staging import Stages
from shared.runtime import migrations
from shared.runtime.alarms import SqlAlarmBook
from shared.runtime.bus.rpc import RpcClient
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.bytestore.port import ByteStore
from shared.runtime.database import Database
from shared.runtime.keys import InstanceKey
from shared.runtime.loops import Loop
from shared.runtime.offload import offload
from shared.runtime.outbox import Outbox


@dataclass
class Handlers:
    """All handlers of the service, on whatever outside."""

    uploads: UploadHandlers
    resuming: ResumingHandlers
    packages: PackageHandlers
    records: RecordHandlers
    stewards: StewardHandlers
    promotions: PromotionHandlers
    relations: RelationHandlers
    feed: FeedHandlers
    removing: RemovingHandlers
    healing: HealingHandlers
    questions: Questions


def assemble(  # noqa: PLR0913, PLR0917 - the whole outside of a service
    settings: StorageSettings,
    catalogue: Catalogue,
    store: ByteStore,
    signer: Signer,
    clock: Clock,
    told: ToldFile,
    files: RecordFiles,
    people: People,
) -> Handlers:
    """The handlers as configured."""
    stages, guarded = Stages(settings.stages), frozenset(settings.approval_stages)
    healing = HealingHandlers(catalogue, signer, clock, told, files, _house(settings))
    stale = dt.timedelta(seconds=settings.stale_seconds)
    settler = Settler(catalogue, store, clock, healing.house, settings.wanted_at_once, stale)
    stewards = StewardHandlers(catalogue, signer, clock, settler, files, stages, guarded)
    records = RecordHandlers(catalogue, signer, clock, settler, healing.note_trust)
    every = dt.timedelta(seconds=settings.charter_seconds)
    tags = frozenset(settings.staging_tags)
    uploads = UploadHandlers(catalogue, store, signer, clock, settler, files, offload, stages, guarded)
    handlers = Handlers(
        uploads,
        ResumingHandlers(catalogue, store, clock, uploads, dt.timedelta(seconds=settings.upload_expires_seconds)),
        PackageHandlers(catalogue, store, clock, settler, offload),
        records,
        stewards,
        PromotionHandlers(catalogue, clock, stewards, people),
        RelationHandlers(catalogue, signer, clock, files, settings.instance_name, tags, every, healing.note_trust),
        FeedHandlers(catalogue, told),
        RemovingHandlers(catalogue, store, clock, settler),
        healing,
        Questions(catalogue, store),
    )
    healing.tie(records, stewards, handlers.uploads, handlers.removing, settler)
    return handlers


def _house(settings: StorageSettings) -> House:
    trash = dt.timedelta(seconds=settings.trash_seconds)
    return House(frozenset(), frozenset(settings.staging_tags), settings.gone_policy, settings.superseded_kept, trash)


@dataclass
class Storage:
    """The wired service."""

    settings: StorageSettings
    do: Handlers
    watching: WatchingHandlers
    further: FurtherDigests
    database: Database
    loops: tuple[Loop, ...]

    def sweep(self) -> None:
        """Look for work that a lost message, a crash, a restored database or a wrong clock left behind, and for what is due."""
        with ExitStack() as steps:  # each is made, the last one first, whatever becomes of those before it
            steps.callback(self.do.uploads.sweep, self.settings.stale_seconds, self.settings.upload_idle_seconds)
            steps.callback(self.do.packages.sweep)
            steps.callback(self.do.promotions.sweep)
            steps.callback(self.do.removing.sweep)
            steps.callback(self.do.relations.sweep)
            steps.callback(self.do.healing.sweep)
            steps.callback(self.watching.sweep)

    def figures(self) -> dict[str, float]:
        """Counts for metrics and status."""
        return {**self.do.questions.figures(), **self.watching.figures()}

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def build(settings: StorageSettings) -> Storage:
    """The storage service as configured."""
    database = Database(settings.database_url_for("storage"))
    migrations.upgrade(database, Path(__file__).parent / "migrations")
    store = FilesystemByteStore(settings.layout, free_floor_bytes=settings.free_space_floor_mib << 20)
    events = Outbox(database, outbox, settings.bus.publisher("storage"))
    signer = KeySigner(InstanceKey.load_or_create(settings.layout), settings.layout)
    told, files = FeedToldFile(settings.layout), PackageRecordFiles(settings.layout)
    rpc = RpcClient(settings.amqp_uri, timeout_seconds=settings.rpc_timeout_seconds)
    catalogue = SqlCatalogue(database, events)
    handlers = assemble(settings, catalogue, store, signer, _now, told, files, RpcPeople(rpc))
    handlers.healing.start()
    alarm_book = SqlAlarmBook("storage", database, alarms, events, settings.alarm_patience)
    alarm_book.begin()
    watching = WatchingHandlers(catalogue, store, alarm_book, _now, settings.disk_low_mib << 20)
    further = FurtherDigests(catalogue, DatabaseDigests(database, events), _now)
    return Storage(settings, handlers, watching, further, database, (events.as_loop(settings.sweep_seconds),))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
