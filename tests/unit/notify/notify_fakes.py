"""Stand-ins for the outside of the notify service. Its database is a real one: SQLite, copied from one that was migrated once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import event

from services.notify.adapters.careful import CarefulComposer, CarefulSender
from services.notify.adapters.channels.chat import ChatSender
from services.notify.adapters.channels.email import EmailSender
from services.notify.adapters.channels.webhook import WebhookSender
from services.notify.adapters.deliveries import DatabaseDeliveries
from services.notify.adapters.mail.composer import Letterhead, MailComposer
from services.notify.adapters.schema import SUBSCRIPTIONS
from services.notify.adapters.subscriptions import DatabaseSubscriptions
from services.notify.adapters.templates import DatabaseTemplates
from services.notify.adapters.templating import JinjaEngine
from services.notify.domain.channels import Message
from services.notify.domain.channels.webhook import WebhookChannel
from services.notify.domain.deliveries import Answer, Delivery
from services.notify.domain.filters import Package
from services.notify.domain.pace import Pace
from services.notify.domain.subscriptions import Subscription
from services.notify.handlers.deliveries import DeliveryLog
from services.notify.handlers.delivering import Delivering
from services.notify.handlers.notices import Notices
from services.notify.handlers.owners import Owners
from services.notify.handlers.replaying import Replaying
from services.notify.handlers.subscribing import Subscribing
from services.notify.handlers.telling import About, Telling
from services.notify.handlers.templates import Shaping, TemplateHandlers
from services.notify.handlers.testing import Testing
from services.notify.ports import DeliverySearch, Standing, WebAnswer
from shared.contracts.events import Event, PackagePublishedV1
from shared.contracts.happening import Happening
from shared.core.errors import InvalidInput, ServiceUnavailable
from shared.runtime.database import Database
from shared.runtime.secret_columns import SecretColumn
from shared.runtime.vault import Vault
from shared.testing.fakes.clock import NOON, FakeClock
from tests.contract.port_databases import copy_migrated, dispatched, outbox_of

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
SECRETS = {"secret": SECRET}
LEASE = dt.timedelta(seconds=60)
PUBLISHED = PackagePublishedV1(
    package_id="00000000-0000-4000-8000-000000000001", name="Firefox.pkg", size=5, sha256="0" * 64, origin="ORIGIN"
)


def an_id(number: int) -> str:
    """An id in the form of events."""
    return f"00000000-0000-4000-8000-{number:012d}"


def a_subscription(subscription_id: str = "s1", url: str = "https://hooks.example/x", **fields: Any) -> Subscription:
    """A subscription to everything, with the given differences."""
    known: dict[str, Any] = {"channel": WebhookChannel(url), "events": ("*",), "created_by": "admin", "created": NOON}
    return Subscription(subscription_id=subscription_id, **known | fields)


def a_delivery(delivery_id: str = "d1", subscription_id: str = "s1", event_id: str = "e1", **fields: Any) -> Delivery:
    """A delivery that is due, with the given differences."""
    known: dict[str, Any] = {
        "event_type": "package.published.v1",
        "kind": "webhook",
        "message": Message(b"{}", "application/json"),
        "created": NOON,
        "next_attempt": NOON,
    }
    return Delivery(delivery_id=delivery_id, subscription_id=subscription_id, event_id=event_id, **known | fields)


T = TypeVar("T")


def _said(answers: list[T | None], usual: T) -> T:
    answer = answers.pop(0) if answers else usual
    if answer is None:
        raise KeyboardInterrupt
    return answer


@dataclass
class FakeWeb:
    """Remembers what was posted; answers as told, then with 200. A `None` among the answers is the end of the process."""

    answers: list[WebAnswer | None] = field(default_factory=list)
    posted: list[tuple[str, bytes, Mapping[str, str]]] = field(default_factory=list)
    forbidden: bool = False

    def check(self, url: str) -> None:
        """Refuse if told so."""
        if self.forbidden:
            raise InvalidInput(f"{url} leads inside", "WEBHOOK_TARGET_FORBIDDEN")

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> WebAnswer:
        """Take a message."""
        self.posted.append((url, body, headers))
        return _said(self.answers, WebAnswer(200))


@dataclass
class FakeMailer:
    """Remembers mail; answers as told, then takes it. A `None` among the answers is the end of the process."""

    answers: list[Answer | None] = field(default_factory=list)
    sent: list[tuple[str, EmailMessage]] = field(default_factory=list)

    def send(self, to: str, mail: bytes) -> Answer:
        """Take a mail."""
        self.sent.append((to, message_from_bytes(mail, policy=policy.default)))
        return _said(self.answers, Answer(250))


@dataclass
class FakePeople:
    """Everybody who is asked about may do everything, but for those who are named here."""

    others: dict[str, Standing | None] = field(default_factory=dict)
    away: bool = False

    def standings(self, references: Collection[str], right: str) -> Mapping[str, Standing]:
        """What somebody may do."""
        if self.away:
            raise ServiceUnavailable(f"nobody answers about {right}")
        found = {one: self.others.get(one, Standing(is_active=True, may=True, within=None)) for one in references}
        return {one: standing for one, standing in found.items() if standing}


@dataclass
class FakePackages:
    """Packages by id."""

    known: dict[str, Package] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def find(self, package_id: str) -> Package | None:
        """One of them."""
        self.asked.append(package_id)
        return self.known.get(package_id)


def _copied(file: Path) -> Database:
    copy_migrated("notify", file)
    database = Database(f"sqlite:///{file}")
    event.listen(database.engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous=OFF"))
    return database


@dataclass
class FakeCrew:
    """Remembers what was to be begun, and does it when told."""

    begun: list[Callable[[], None]] = field(default_factory=list)

    def begin(self, work: Callable[[], None]) -> None:
        """Take it."""
        self.begun.append(work)


class Desk:
    """A notify service on a database of its own, with its outside faked."""

    def __init__(self, folder: Path, database: Database | None = None, web: Any = None, clock: FakeClock | None = None) -> None:
        self.database = database or _copied(folder / "notify.sqlite3")
        secrets = SecretColumn(Vault.load_or_create(folder / "vault.keys"), "notify", SUBSCRIPTIONS.c.encrypted_secret)
        events = outbox_of("notify", self.database)
        self.subscriptions = DatabaseSubscriptions(self.database, secrets, events)
        self.deliveries = DatabaseDeliveries(self.database, secrets, events)
        self.clock, self.web, self.people, self.packages, self.rings = (
            clock or FakeClock(),
            web or FakeWeb(),
            FakePeople(),
            FakePackages(),
            0,
        )
        shaping = Shaping(DatabaseTemplates(self.database), JinjaEngine())
        self.templates = TemplateHandlers(shaping, self.clock)
        self.mailer, chat, about = FakeMailer(), ChatSender(self.web, shaping), About(self.packages)
        composer = MailComposer(Letterhead("odst@example.org", "ODST Berlin"))
        mail = EmailSender(self.mailer, composer)
        kinds = {"webhook": WebhookSender(self.web), "email": mail, "slack": chat, "teams": chat}
        ways = {kind: CarefulSender(sender) for kind, sender in kinds.items()}
        self.telling = Telling(self.subscriptions, self.deliveries, about, self._ring, "Berlin", self.clock)
        self.subscribing = Subscribing(self.subscriptions, ways, self._ring, self.clock, people=self.people)
        self.notices = Notices(self.people, self.mailer, composer, "Berlin")
        self.log = DeliveryLog(self.deliveries)
        self.crew = FakeCrew()
        kept = dt.timedelta(days=30)
        composers = {"email": CarefulComposer(composer)}
        self.delivering = Delivering(
            self.deliveries, ways, self.crew, Pace(2, 4), LEASE, self.clock, lambda: 0.0, kept, 1000, self._ring, composers
        )
        self.replaying = Replaying(self.subscribing, self.deliveries, about)
        self.testing = Testing(self.subscribing, self.subscriptions, "Berlin")
        self.owners = Owners(self.subscriptions, self.people, self.clock)

    def _ring(self) -> None:
        self.rings += 1

    def add(self, subscription_id: str = "s1", **fields: Any) -> Subscription:
        """Somebody subscribed."""
        made = a_subscription(subscription_id, **fields)
        self.subscriptions.add(made, SECRETS)
        return made

    def tell(self, event_id: str = "e1", what: Event = PUBLISHED) -> None:
        """Something happened: a package was published, if nothing else is said."""
        self.telling.tell(what, Happening(event_id, self.clock()))

    def deliver_all(self) -> int:
        """Try all that is due; how many tries."""
        number = 0
        while self.delivering.deliver_one():
            number += 1
        return number

    def newest(self) -> Sequence[Delivery]:
        """All deliveries, newest first."""
        return self.deliveries.listed(DeliverySearch(), None, 1000)[0]

    def told(self) -> list[Event]:
        """What waits in the outbox."""
        return dispatched("notify", self.database)
