"""The notify service: table of contents."""

from __future__ import annotations

from typing import Any

from services.notify.adapters.happening import HappeningProvider
from services.notify.config import NotifySettings
from services.notify.wiring import build
from shared.contracts.events import (
    MessageDeadLetteredV1,
    PackagePublishedV1,
    PackageQuarantinedV1,
    PeerBannedV1,
    PeerRegisteredV1,
    PeerRevokedV1,
    TransferSuspectV1,
)
from shared.runtime.bus.answers import answers
from shared.runtime.bus.handles import handles
from shared.runtime.services import Hosted, Wired, every


class NotifyService:
    """Telling those who subscribed."""

    name = "notify"
    wired = Wired(build)
    happening = HappeningProvider()

    @handles(PackagePublishedV1)
    def on_package_published(self, event: PackagePublishedV1) -> None:
        """Step 3 of the seed, for people and programs."""
        self.wired.handlers.tell(event, self.happening)

    @handles(PackageQuarantinedV1)
    def on_package_quarantined(self, event: PackageQuarantinedV1) -> None:
        """A file was refused."""
        self.wired.handlers.tell(event, self.happening)

    @handles(PeerRegisteredV1)
    def on_peer_registered(self, event: PeerRegisteredV1) -> None:
        """A peer joined."""
        self.wired.handlers.tell(event, self.happening)

    @handles(PeerRevokedV1)
    def on_peer_revoked(self, event: PeerRevokedV1) -> None:
        """A peer was shut out."""
        self.wired.handlers.tell(event, self.happening)

    @handles(PeerBannedV1)
    def on_peer_banned(self, event: PeerBannedV1) -> None:
        """A peer lied."""
        self.wired.handlers.tell(event, self.happening)

    @handles(TransferSuspectV1)
    def on_transfer_suspect(self, event: TransferSuspectV1) -> None:
        """A manifest is suspect."""
        self.wired.handlers.tell(event, self.happening)

    @handles(MessageDeadLetteredV1)
    def on_message_dead_lettered(self, event: MessageDeadLetteredV1) -> None:
        """A message could not be handled."""
        self.wired.handlers.tell(event, self.happening)

    @every
    def prune(self) -> None:
        """Forget what ended long ago."""
        self.wired.delivering.prune()

    @answers
    def subscribe(self, url: str, events: list[str], created_by: str) -> Any:
        """A new receiver, with its secret: shown this once."""
        return self.wired.handlers.subscribe(url, events, created_by)

    @answers
    def list_subscriptions(self) -> Any:
        """All receivers, without secrets."""
        return self.wired.handlers.list_subscriptions()

    @answers
    def unsubscribe(self, subscription_id: str) -> None:
        """Forget a receiver."""
        self.wired.handlers.unsubscribe(subscription_id)

    @answers
    def list_deliveries(self, limit: int) -> Any:
        """The newest deliveries."""
        return self.wired.handlers.list_deliveries(limit)

    @answers
    def figures(self) -> Any:
        """Counts for metrics and status."""
        return self.wired.handlers.figures()


HOSTED = Hosted(NotifyService, NotifySettings)
