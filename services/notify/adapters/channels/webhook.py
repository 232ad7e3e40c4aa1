"""Webhooks: posted, signed by Standard Webhooks."""

from __future__ import annotations

from http import HTTPStatus

from services.notify.adapters.channels.posted import judged
from services.notify.domain import signing
from services.notify.domain.channels import Channel, Secrets
from services.notify.domain.channels.webhook import signing_secrets
from services.notify.domain.deliveries import Answer, Claim
from services.notify.ports import Web

_WORDS: dict[int, str] = {HTTPStatus.GONE: "the receiver said that it is gone (410)"}


class WebhookSender:
    """`Sender` for webhooks: 2xx is success, 410 is gone, and anything else, a redirect too, is a failure."""

    def __init__(self, web: Web) -> None:
        """`web` decides where connections may go."""
        self._web = web

    def check(self, channel: Channel, secrets: Secrets) -> None:  # noqa: ARG002 - as the port has it
        """Look where the URL leads now.

        Raises:
            InvalidInput: WEBHOOK_TARGET_FORBIDDEN, or WEBHOOK_TARGET_UNKNOWN.
        """
        self._web.check(channel.shown()["url"])

    def send(self, claim: Claim) -> Answer:
        """Post the message."""
        message = claim.delivery.message
        headers = signing.signed_headers(signing_secrets(claim.secrets, claim.time), claim.delivery.event_id, message.content, claim.time)
        url = claim.subscription.channel.shown()["url"]
        said = self._web.post(url, message.content, {"content-type": message.content_type} | headers)
        return judged(said, claim.time, "the receiver", _WORDS)
