"""What the notify handlers need from outside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.notify.domain.channels import Channel, Message, Secrets, Told
from services.notify.domain.channels.jamf_pro import JamfChannel
from services.notify.domain.deliveries import Answer, Attempt, Claim, Delivery
from services.notify.domain.digests import Digest
from services.notify.domain.filters import Package
from services.notify.domain.jamf.comparing import Here
from services.notify.domain.jamf.records import Digests, Finding, PackageRecord, PackageWish, PointWish, Write
from services.notify.domain.judging import Outcome
from services.notify.domain.letters import Letter
from services.notify.domain.subscriptions import Changed, Subscription
from services.notify.domain.templates import Template
from shared.core.staging import Tags


class Subscriptions(Protocol):
    """Subscriptions, kept."""

    def add(self, subscription: Subscription, secrets: Secrets) -> None:
        """Keep a new one, its secrets encrypted.

        Raises:
            Conflict: SUBSCRIPTIONS_FULL.
        """

    def all(self) -> Sequence[Subscription]:
        """All of them, newest first."""

    def find(self, subscription_id: str) -> Subscription | None:
        """One of them."""

    def secrets_of(self, subscription_id: str) -> Secrets:
        """What of its channel is secret.

        Raises:
            NotFound: if there is no such subscription.
            SecretUnreadable: if the key is not there.
        """

    def change(self, subscription_id: str, change: Callable[[Subscription, Secrets], Changed]) -> Subscription:
        """In one transaction: let `change` decide what becomes of it, keep that, and have its events told. Returns what it is now.

        If it is disabled, or narrowed to fewer staging tags, its waiting deliveries fail. With another channel or other secrets, and if it
        is made active, its receiver is as one that never failed. Whatever `change` raises, nothing is kept.

        Raises:
            NotFound: if there is no such subscription.
            SecretUnreadable: if `change` asks for secrets and the key is not there.
        """

    def ask_for_packages(self) -> bool:
        """True if one that is active must know what an event's package is."""

    def remove(self, subscription_id: str, check: Callable[[Subscription], None]) -> None:
        """In one transaction: let `check` look at one, and forget it with its deliveries. Whatever `check` raises, nothing is forgotten.

        Raises:
            NotFound: if there is no such subscription.
        """


@dataclass(frozen=True, slots=True)
class DeliverySearch:
    """Which deliveries are looked for; what is none does not matter."""

    subscription_id: str | None = None
    state: str | None = None
    event_type: str | None = None


class Deliveries(Protocol):
    """Deliveries and the events that they tell, kept."""

    def make(self, told: Told, choose: Callable[[Sequence[Subscription]], Sequence[Delivery]]) -> int:
        """In one transaction: keep the event, let `choose` see all active subscriptions, keep what it wants delivered.

        Returns how many deliveries are new. Of an event that is kept already, nothing is.
        """

    def claim(self, now: dt.datetime, lease_until: dt.datetime, most: int) -> Sequence[Claim]:
        """Take up to so many deliveries that are due, for this worker alone until `lease_until`; the tries are counted.

        One of each subscription, in the order in which they became due, and none of a subscription that has one under way: a
        receiver that hangs holds one worker, and messages arrive in order as long as none fails. Subscriptions that failed less go first.
        Those whose secret cannot be read wait, and no try is counted.
        """

    def freeze(self, claim: Claim, digest_id: str, write: Callable[[Digest], Message]) -> Claim | None:
        """In one transaction: gather what waits with a claim into one digest, and keep what `write` makes of it.

        That is the claimed delivery, and all others of its subscription that wait and are in no digest. Returns the claim with the new
        message; none if another worker has claimed since.

        Whatever `write` raises, nothing is kept. From then on these deliveries are tried together, with that message.
        """

    def settle(self, claim: Claim, outcome: Outcome) -> bool:
        """Write what became of a claim, and have told what is to be; False, and nothing, if another worker has claimed since.

        If the subscription is disabled by it, its other waiting deliveries fail. If somebody has changed the subscription since the claim,
        the answer counts for the delivery alone. If a digest arrived, those of the subscription that were certainly never taken are no
        digests any more: their deliveries go out together, now.
        """

    def listed(self, search: DeliverySearch, after: str | None, limit: int) -> tuple[Sequence[Delivery], str | None]:
        """Up to `limit` deliveries, newest first, after that place in the list; and the place after them, if there are more.

        Raises:
            InvalidInput: CURSOR_INVALID, if `after` is no such place.
        """

    def find(self, delivery_id: str) -> tuple[Delivery, Sequence[Attempt]] | None:
        """One of them, with its tries, oldest first."""

    def again(self, subscription_id: str, deliveries: Sequence[Delivery], check: Callable[[Subscription], None]) -> None:
        """Have these delivered from the first try on, when they say: those that are kept already, by their event, and those that are new.

        The message of what is kept stays as it is, and the rest of the receiver is over. In the same transaction `check` looks at the
        subscription; whatever it raises, nothing is changed.

        Raises:
            NotFound: if there is no such subscription.
        """

    def event(self, event_id: str) -> Told | None:
        """A kept event; none if it is forgotten."""

    def events_between(self, since: dt.datetime, until: dt.datetime, limit: int) -> Sequence[Told]:
        """Kept events that happened from `since` up to but not including `until`, oldest first."""

    def prune(self, before: dt.datetime, most_events: int) -> int:
        """Forget deliveries from before that time, if they are not waiting, and events; of those, keep `most_events`.

        Returns how many deliveries.
        """

    def put_right(self, now: dt.datetime) -> int:
        """Have tried now what was to wait for longer than anything may, as a clock that was ahead has it; of how many subscriptions."""

    def give_up(self, before: dt.datetime) -> int:
        """End deliveries that were made before that time and wait still, as failed; how many."""

    def counts(self) -> dict[str, int]:
        """Numbers of `subscriptions`, `deliveries_waiting` and `deliveries_failed`."""


class Crew(Protocol):
    """Those who do several things at once."""

    def begin(self, work: Callable[[], None]) -> None:
        """Do this beside what is under way. What it raises is told in the log."""


class Sender(Protocol):
    """How messages of one kind of channel go out."""

    def check(self, channel: Channel, secrets: Secrets) -> None:
        """Look now whether the channel can be used at all.

        Raises:
            InvalidInput: with a code that says what is wrong with it.
        """

    def send(self, claim: Claim) -> Answer:
        """Send a message, within time limits. Whatever goes wrong is an answer, not an error."""


Senders = Mapping[str, Sender]
"""By the kind of channel."""


class Templates(Protocol):
    """Templates that administrators changed, kept by the kind of channel."""

    def find(self, kind: str) -> Template | None:
        """That of a kind; none where nobody changed it."""

    def put(self, template: Template) -> None:
        """Keep one, instead of what there is."""

    def remove(self, kind: str) -> None:
        """Forget that of a kind, if there is one."""


class Engine(Protocol):
    """What fills in templates, and lets them do nothing else."""

    def check(self, source: Any) -> str:
        """A template that can be used.

        Raises:
            InvalidInput: TEMPLATE_INVALID, with the line and the rule that it breaks.
        """

    def render(self, source: str, values: Mapping[str, Any]) -> str:
        """What a template writes about these values, soon and of bounded length.

        Raises:
            InvalidInput: TEMPLATE_INVALID, if it cannot be used, fails on these values, or writes nothing or too much.
        """


class Mailer(Protocol):
    """A mail server."""

    def send(self, to: str, mail: bytes) -> Answer:
        """Hand over one mail, within time limits. Whatever goes wrong is an answer, not an error."""


class NoteWriter(Protocol):
    """Writes mail to somebody who has not subscribed to it."""

    def note(self, to: str, digest: Digest, now: dt.datetime) -> Message:
        """The mail. The same digest at the same time has the same `Message-ID`."""


class Composer(Protocol):
    """Writes one message about several events, for a kind of channel that collects."""

    def compose(self, subscription: Subscription, digest: Digest, now: dt.datetime) -> Message:
        """The message, as every try will send it.

        Raises:
            PermanentError: if none can be made of it.
        """


Composers = Mapping[str, Composer]
"""By the kind of channel; there is none for kinds that send each event by itself."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody may do at this moment."""

    is_active: bool
    may: bool
    """They have the right that was asked for."""
    within: Tags | None
    """Tags within which; none for everywhere."""
    email: str | None = None


class People(Protocol):
    """The directory service."""

    def standings(self, references: Collection[str], right: str) -> Mapping[str, Standing]:
        """Of people by name or person_id, whether they may come in and have a right; nobody who is not known there is in the answer.

        Raises:
            ServiceUnavailable: if directory does not answer.
        """


class Packages(Protocol):
    """The storage service."""

    def find(self, package_id: str) -> Package | None:
        """What is known of a package now; None if nothing is.

        Raises:
            ServiceUnavailable: if storage does not answer.
        """


class Web(Protocol):
    """The way out, guarded."""

    def check(self, url: str) -> None:
        """Look where a URL leads now.

        Raises:
            InvalidInput: WEBHOOK_TARGET_FORBIDDEN, or WEBHOOK_TARGET_UNKNOWN if its name does not resolve.
        """

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> WebAnswer:
        """Post, within time limits, without following redirects. Whatever goes wrong is an answer, not an error."""


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What a web server said, or why it said nothing."""

    status: int | None = None
    retry_after: str | None = None
    error: str | None = None
    content: bytes = b""
    """The beginning of it, or all."""
    cookies: tuple[str, ...] = field(default=(), repr=False)
    """Each `Set-Cookie`, of those that count whole."""


class JamfServer(Protocol):
    """One conversation with a Jamf Pro server. Each method raises OutsideFailed if the server does not do what it is asked."""

    def page(self, number: int, size: int) -> tuple[Sequence[PackageRecord], bool]:
        """A page of package records by id, and whether there are more."""

    def find(self, file_name: str) -> PackageRecord | None:
        """The record of a file; none if one may be made.

        Raises:
            Conflict: JAMF_RECORD_AMBIGUOUS, JAMF_NAME_TAKEN.
        """

    def package_write(self, wish: PackageWish) -> Write | None:
        """What makes the record of a package right, all fields that are not ours kept; none if it is.

        Raises:
            Conflict: JAMF_RECORD_AMBIGUOUS, JAMF_NAME_TAKEN.
        """

    def point_write(self, wish: PointWish) -> Write | None:
        """What makes the distribution point right; none if it is.

        Raises:
            Conflict: JAMF_NAME_TAKEN, if a file share has the name.
        """

    def send(self, write: Write) -> None:
        """Have it so."""


class JamfServers(Protocol):
    """Jamf Pro servers."""

    def at(self, channel: JamfChannel, secrets: Secrets) -> JamfServer:
        """The server of a channel; nothing is asked yet.

        Raises:
            InvalidInput: CHANNEL_SECRET_NEEDED.
        """

    def examine(self, channel: JamfChannel, secrets: Secrets) -> Sequence[Finding]:
        """Try the connection step by step; what came of each step, and what to do."""


class PublishedFiles(Protocol):
    """The storage service: what clients can download here. Each method raises ServiceUnavailable if it does not answer."""

    def current(self, name: str) -> Here | None:
        """What clients get under exactly this name; none if nothing."""

    def about(self, package_id: str) -> Package | None:
        """What is known of a package; none if nothing is."""

    def digests(self, package_id: str) -> Digests | None:
        """MD5 and SHA-512 of a package's bytes; none if they are not known yet: then they are being computed from now on."""

    def page(self, after: str | None, limit: int) -> tuple[Sequence[tuple[Here, Package]], str | None]:
        """Files that clients get, with what filters ask about, and where the next page begins."""


class LetterBox(Protocol):
    """The dead letters at the broker. Both methods raise ServiceUnavailable if it does not answer."""

    name: str
    """Of their queue."""

    def number(self) -> int:
        """How many wait; those that somebody just looks at are not among them."""

    def oldest(self) -> Letter | None:
        """The first of them; none if there is none."""
