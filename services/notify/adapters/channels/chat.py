"""Chat: Slack's and Teams' webhooks, posted to through the same guarded way as other webhooks."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from services.notify.adapters.channels.posted import judged
from services.notify.domain.channels import Channel, Secrets
from services.notify.domain.channels.chat import URL
from services.notify.domain.channels.unshaped import told_of
from services.notify.domain.deliveries import Answer, Claim
from services.notify.handlers.templates import Shaping
from services.notify.ports import Web
from shared.core.errors import InvalidInput

_WORDS: dict[int, str] = {HTTPStatus.TOO_MANY_REQUESTS: "the chat wants fewer messages (429)"}


class ChatSender:
    """`Sender` for a kind of chat: 2xx is success, 410 is gone, 429 says when to come back, and anything else is a failure."""

    def __init__(self, web: Web, shaping: Shaping) -> None:
        """`web` decides where connections may go, `shaping` what is posted."""
        self._web, self._shaping = web, shaping

    def check(self, channel: Channel, secrets: Secrets) -> None:
        """Look where the URL leads now.

        Raises:
            InvalidInput: CHANNEL_INVALID, WEBHOOK_TARGET_FORBIDDEN, WEBHOOK_TARGET_UNKNOWN.
        """
        url = secrets.get(URL)
        if url is None or urlsplit(url).hostname != channel.shown()["host"]:
            raise InvalidInput("a chat is given by its url", "CHANNEL_INVALID")
        self._web.check(url)

    def send(self, claim: Claim) -> Answer:
        """Post the event in the form of the kind."""
        body = self._shaping.shape(claim.delivery.kind, told_of(claim.delivery.message))
        said = self._web.post(claim.secrets[URL], body.content, {"content-type": body.content_type})
        return judged(said, claim.time, "the chat", _WORDS)
