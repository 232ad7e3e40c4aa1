"""Jamf Pro servers, over guarded HTTPS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.notify.adapters.jamf.examining import Examination
from services.notify.adapters.jamf.server import Generations, HttpJamfServer
from services.notify.adapters.jamf.session import Clock, Exchanges, JamfSession
from services.notify.domain.channels import Secrets
from services.notify.domain.channels.jamf_pro import JamfChannel
from services.notify.domain.jamf.records import Finding
from services.notify.ports import Web


class GuardedWeb(Web, Exchanges, Protocol):
    """The way out."""


class HttpJamfServers:
    """`JamfServers` over HTTPS. Which API a server has is remembered."""

    def __init__(self, web: GuardedWeb, clock: Clock) -> None:
        """`web` decides where connections may go."""
        self._web, self._clock, self._generations = web, clock, Generations()

    def at(self, channel: JamfChannel, secrets: Secrets) -> HttpJamfServer:
        """The server of a channel; nothing is asked yet.

        Raises:
            InvalidInput: CHANNEL_SECRET_NEEDED.
        """
        channel.check_secrets(secrets)
        return HttpJamfServer(JamfSession(self._web, channel, secrets, self._clock), self._generations)

    def examine(self, channel: JamfChannel, secrets: Secrets) -> Sequence[Finding]:
        """Try the connection step by step."""
        return Examination(self._web, self.at(channel, secrets)).run()
