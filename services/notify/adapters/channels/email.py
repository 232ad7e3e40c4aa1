"""Mail: handed to the mail server of the configuration."""

from __future__ import annotations

from services.notify.domain.channels import Channel, Message, Secrets
from services.notify.domain.channels.unshaped import told_of
from services.notify.domain.deliveries import Answer, Claim
from services.notify.domain.digests import alone
from services.notify.ports import Composer, Mailer
from shared.core.errors import InvalidInput

_NOT_SET_UP = "no mail server is set up at this instance: set ODST_SMTP_HOST and ODST_SMTP_FROM"


class EmailSender:
    """`Sender` for mail. What it sends was written before, but for what is in no digest: a test."""

    def __init__(self, mailer: Mailer | None, composer: Composer) -> None:
        """`mailer` is none where no server is set up."""
        self._mailer, self._composer = mailer, composer

    def check(self, channel: Channel, secrets: Secrets) -> None:  # noqa: ARG002 - as the port has it
        """Look whether there is a mail server.

        Raises:
            InvalidInput: EMAIL_NOT_SET_UP.
        """
        if self._mailer is None:
            raise InvalidInput(_NOT_SET_UP, "EMAIL_NOT_SET_UP")

    def send(self, claim: Claim) -> Answer:
        """Hand over a mail."""
        if self._mailer is None:
            return Answer(error=_NOT_SET_UP)
        return self._mailer.send(claim.subscription.channel.shown()["to"], self._written(claim).content)

    def _written(self, claim: Claim) -> Message:
        if claim.delivery.digest_id:
            return claim.delivery.message
        return self._composer.compose(claim.subscription, alone(told_of(claim.delivery.message)), claim.time)
