"""Writes mail: a text and an HTML part that say the same, and the headers.

Headers are made by the standard library's `EmailMessage`, which refuses line breaks in them and encodes what is not ASCII. Nothing is
fetched when it is read: there are no images, no links out of data. All style is in the elements, as some programs drop any other; but for
what changes where things are shown dark, which only programs that know of it need.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.notify.domain.channels import Message, Told
from services.notify.domain.digests import Digest
from services.notify.domain.facts import isolated, moment
from services.notify.domain.sentences import Said, Weight
from services.notify.domain.subscriptions import Subscription

CONTENT_TYPE = "message/rfc822"
COLOURS = {Weight.ALARM: "#b42318", Weight.WARNING: "#b54708", Weight.NEWS: "#175cd3"}
WORDS = {Weight.ALARM: "Alarm", Weight.WARNING: "Look", Weight.NEWS: ""}


@dataclass(frozen=True)
class Letterhead:
    """What all mail of this instance has in common."""

    address: str
    """From whom it is."""
    name: str
    zone: dt.tzinfo = dt.UTC
    """In which times are told."""

    @property
    def domain(self) -> str:
        """Of the address, which makes ids of mail unique."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True)
class Paragraph:
    """One event in a mail."""

    headline: str
    sentence: str
    action: str
    time: str
    colour: str
    word: str
    weight: str


class MailComposer:
    """`Composer` by Jinja2 and the standard library."""

    def __init__(self, letterhead: Letterhead) -> None:
        """Templates are read here, once."""
        self._head = letterhead
        jinja = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(Path(__file__).parent),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._text, self._html = jinja.get_template("digest.txt"), jinja.get_template("digest.html")

    def compose(self, subscription: Subscription, digest: Digest, now: dt.datetime) -> Message:
        """A whole mail as bytes, headers included, as it goes to the server."""
        values = self._values(digest) | {"subscription": subscription}
        mail = self._addressed(str(subscription.channel.shown()["to"]), digest.subject, digest.digest_id, now)
        mail["List-Id"] = f"<{subscription.subscription_id}.{self._head.domain}>"
        return self._written(mail, values)

    def note(self, to: str, digest: Digest, now: dt.datetime) -> Message:
        """The same, to somebody who has not subscribed to it: the owner of what it is about."""
        return self._written(self._addressed(to, digest.subject, digest.digest_id, now), self._values(digest) | {"subscription": None})

    def _addressed(self, to: str, subject: str, digest_id: str, now: dt.datetime) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        mail["From"] = Address(self._head.name, addr_spec=self._head.address)
        mail["To"] = Address(addr_spec=to)
        mail["Subject"] = subject
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = f"<{digest_id}@{self._head.domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
        return mail

    def _values(self, digest: Digest) -> dict[str, Any]:
        return {"digest": digest, "paragraphs": self._paragraphs(digest), "rest": digest.rest, "left": sum(digest.rest.values())}

    def _paragraphs(self, digest: Digest) -> Sequence[Paragraph]:
        return [self._paragraph(told, one) for told, one in digest.lines()]

    def _paragraph(self, told: Told, one: Said) -> Paragraph:
        headline, sentence, action = (isolated(text, one.facts) for text in (one.headline, one.sentence, one.action))
        time = moment(told.time, self._head.zone)
        return Paragraph(headline, sentence, action, time, COLOURS[one.weight], WORDS[one.weight], one.weight.value)

    def _written(self, mail: EmailMessage, values: dict[str, Any]) -> Message:
        mail.set_content(self._text.render(values), cte="quoted-printable")
        mail.add_alternative(self._html.render(values), subtype="html", cte="quoted-printable")
        return Message(mail.as_bytes(), CONTENT_TYPE)
