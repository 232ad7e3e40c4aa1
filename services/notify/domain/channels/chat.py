"""Chat: a message for each event, posted to a URL of Slack or of Teams. Who knows the URL can write there, so it is secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from services.notify.domain.channels.base import Message, Secrets, Told, check_settings
from services.notify.domain.channels.unshaped import unshaped
from services.notify.domain.targets import checked_url
from shared.core.errors import InvalidInput

URL = "url"
"""The secret part: where messages are posted."""


@dataclass(frozen=True, slots=True)
class ChatChannel:
    """A room. Only the host of its URL is shown."""

    kind: ClassVar[str] = ""
    host: str

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> tuple[Self, Secrets]:
        """A room out of `{url}`. What `shown` said is taken too, for a change that leaves the URL as it is.

        Raises:
            InvalidInput: CHANNEL_INVALID, WEBHOOK_URL_INVALID.
        """
        check_settings(settings, cls.kind, frozenset({URL, "host"}))
        if URL not in settings:
            return cls(_host_again(settings.get("host"))), {}
        url = checked_url(settings[URL])
        parts = urlsplit(url)
        if parts.scheme.lower() != "https":
            raise InvalidInput("the URL of a chat is secret: it begins with https://", "WEBHOOK_URL_INVALID")
        return cls(str(parts.hostname)), {URL: url}

    @classmethod
    def restore(cls, shown: Mapping[str, Any]) -> Self:
        """One that was kept."""
        return cls(str(shown["host"]))

    def shown(self) -> dict[str, Any]:
        """`{host}`."""
        return {"host": self.host}

    def made_secrets(self) -> Secrets:
        """None: the URL is made by the chat."""
        return {}

    def message(self, told: Told) -> Message:
        """The event; the template of the kind shapes it when it is sent."""
        return unshaped(told)


class SlackChannel(ChatChannel):
    """An incoming webhook of Slack."""

    kind: ClassVar[str] = "slack"


class TeamsChannel(ChatChannel):
    """A Workflows webhook of Teams: a flow that posts an Adaptive Card."""

    kind: ClassVar[str] = "teams"


CHAT_KINDS = (SlackChannel.kind, TeamsChannel.kind)


def _host_again(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidInput("a chat needs its url", "CHANNEL_INVALID")
    return value
