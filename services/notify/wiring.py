"""Puts the notify service together: the only place that knows both handlers and adapters."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from services.notify.adapters.careful import CarefulComposer, CarefulSender
from services.notify.adapters.channels.chat import ChatSender
from services.notify.adapters.channels.email import EmailSender
from services.notify.adapters.channels.jamf_pro import JamfSender
from services.notify.adapters.channels.webhook import WebhookSender
from services.notify.adapters.deliveries import DatabaseDeliveries
from services.notify.adapters.directory import RpcPeople
from services.notify.adapters.guarded_http import Guard, GuardedHttp
from services.notify.adapters.jamf.servers import HttpJamfServers
from services.notify.adapters.letters import BrokerLetterBox
from services.notify.adapters.mail.composer import MailComposer
from services.notify.adapters.mail.smtp import SmtpRelay
from services.notify.adapters.published_files import RpcFiles
from services.notify.adapters.schema import SUBSCRIPTIONS, alarms, outbox
from services.notify.adapters.storage import RpcPackages
from services.notify.adapters.subscriptions import DatabaseSubscriptions
from services.notify.adapters.templates import DatabaseTemplates
from services.notify.adapters.templating import JinjaEngine
from services.notify.config import NotifySettings
from services.notify.domain.pace import Pace
from services.notify.handlers.deliveries import DeliveryLog
from services.notify.handlers.delivering import Delivering
from services.notify.handlers.jamf import JamfDesk
from services.notify.handlers.notices import Notices
from services.notify.handlers.owners import Owners
from services.notify.handlers.recording import Recording
from services.notify.handlers.replaying import Replaying
from services.notify.handlers.subscribing import Subscribing
from services.notify.handlers.telling import About, Telling
from services.notify.handlers.templates import Shaping, TemplateHandlers
from services.notify.handlers.testing import Testing
from services.notify.handlers.waiting import Waiting
from services.notify.handlers.watching import WatchingHandlers
from services.notify.ports import Sender
from shared.contracts.events import Event
from shared.contracts.happening import Happening
from shared.runtime import migrations
from shared.runtime.alarms import SqlAlarmBook
from shared.runtime.bus.rpc import RpcClient
from shared.runtime.certificates import CertificateLook
from shared.runtime.crew import GreenCrew
from shared.runtime.database import Database
from shared.runtime.loops import Loop
from shared.runtime.outbound import Limits, trusted_authorities
from shared.runtime.outbox import Outbox
from shared.runtime.secret_columns import SecretColumn
from shared.runtime.vault import Vault

_LAST_SECONDS = 1.5
"""What is still under way when the service stops has so long; then its lease must run out."""


@dataclass
class Notify:
    """The wired service."""

    telling: Telling
    notices: Notices
    subscribing: Subscribing
    replaying: Replaying
    testing: Testing
    templates: TemplateHandlers
    jamf: JamfDesk
    log: DeliveryLog
    delivering: Delivering
    owners: Owners
    watching: WatchingHandlers
    secrets: SecretColumn
    database: Database
    crew: GreenCrew
    loops: tuple[Loop, ...]

    def tell(self, event: Event, happening: Happening) -> None:
        """Make deliveries of an event, and mail the owner of a subscription that is disabled."""
        self.telling.tell(event, happening)
        self.notices.tell_owner(event, happening)

    def sweep(self) -> None:
        """Forget what ended long ago, encrypt secrets anew if there is a newer key, see whether owners may be told; look around."""
        with ExitStack() as steps:  # each is made, whatever becomes of those before it
            steps.callback(self.watching.sweep)
            steps.callback(self.owners.sweep)
            steps.callback(self.secrets.renew, self.database)
            steps.callback(self.delivering.prune)

    def figures(self) -> dict[str, float]:
        """Counts for metrics and status."""
        return {**self.log.figures(), **self.secrets.figures(self.database), **self.watching.figures()}

    def close(self) -> None:
        """Let those end who are about to, and close the database."""
        self.crew.end(_LAST_SECONDS)
        self.database.close()


def senders(settings: NotifySettings, web: GuardedHttp, recording: Recording, shaping: Shaping) -> Mapping[str, Sender]:
    """How messages go out, by the kind of channel: one line for each kind."""
    ways: dict[str, Sender] = {
        "webhook": WebhookSender(web),
        "email": EmailSender(_mailer(settings), MailComposer(settings.letterhead)),
        "slack": ChatSender(web, shaping),
        "teams": ChatSender(web, shaping),
        "jamf_pro": JamfSender(web, recording),
    }
    return {kind: CarefulSender(way) for kind, way in ways.items()}


def build(settings: NotifySettings) -> Notify:
    """The notify service as configured."""
    database = Database(settings.database_url_for("notify"))
    migrations.upgrade(database, Path(__file__).parent / "migrations")
    secrets = SecretColumn(Vault.load_or_create(settings.vault_keys), "notify", SUBSCRIPTIONS.c.encrypted_secret)
    secrets.renew(database)
    events = Outbox(database, outbox, settings.bus.publisher("notify"))
    subscriptions, deliveries = DatabaseSubscriptions(database, secrets, events), DatabaseDeliveries(database, secrets, events)
    shaping = Shaping(DatabaseTemplates(database), JinjaEngine())
    rpc, web = RpcClient(settings.amqp_uri, timeout_seconds=settings.rpc_timeout_seconds), _web(settings)
    recording = Recording(HttpJamfServers(web, _now), RpcFiles(rpc))
    ways = senders(settings, web, recording, shaping)
    composer, people = MailComposer(settings.letterhead), RpcPeople(rpc)
    composers = {"email": CarefulComposer(composer)} if settings.smtp else {}
    kept = dt.timedelta(days=settings.delivery_kept_days)
    crew, pace = GreenCrew(settings.webhook_parallel_most), Pace(settings.webhook_parallel, settings.webhook_parallel_most)
    lease = dt.timedelta(seconds=settings.webhook_lease_seconds)
    delivering = Delivering(deliveries, ways, crew, pace, lease, _now, random.random, kept, settings.events_kept, composers=composers)
    loop = Loop("notify.deliveries", delivering.begin_due, settings.webhook_poll_seconds)
    delivering.ring = loop.ring
    about = About(RpcPackages(rpc))
    overlap = dt.timedelta(seconds=settings.webhook_secret_overlap_seconds)
    subscribing, waiting = Subscribing(subscriptions, ways, loop.ring, _now, overlap, people), Waiting()
    return Notify(
        Telling(subscriptions, deliveries, about, loop.ring, settings.instance_name, _now, settings.pacing),
        Notices(people, _mailer(settings), composer if settings.smtp else None, settings.instance_name),
        subscribing,
        Replaying(subscribing, deliveries, about),
        Testing(subscribing, subscriptions, settings.instance_name, waiting),
        TemplateHandlers(shaping, _now),
        JamfDesk(subscriptions, subscribing, recording, settings.public_url, settings.instance_name, waiting),
        DeliveryLog(deliveries),
        delivering,
        Owners(subscriptions, people, _now),
        _watching(settings, database, events, secrets),
        secrets,
        database,
        crew,
        (events.as_loop(settings.sweep_seconds), loop),
    )


def _watching(settings: NotifySettings, database: Database, events: Outbox, secrets: SecretColumn) -> WatchingHandlers:
    book = SqlAlarmBook("notify", database, alarms, events, settings.alarm_patience)
    book.begin()
    look = CertificateLook.of(settings, settings.certificates, book)
    letters = BrokerLetterBox(settings.amqp_uri, settings.broker_timeout_seconds)
    return WatchingHandlers(letters, look, lambda: secrets.figures(database)["secrets_unreadable"], book, _now)


def _web(settings: NotifySettings) -> GuardedHttp:
    limits = Limits(settings.webhook_connect_seconds, settings.webhook_total_seconds)
    return GuardedHttp(Guard(settings.webhook_allowed_networks), limits, trusted_authorities(settings.webhook_ca_file))


def _mailer(settings: NotifySettings) -> SmtpRelay | None:
    return SmtpRelay(settings.smtp) if settings.smtp else None


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
