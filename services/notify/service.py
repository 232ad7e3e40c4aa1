"""The notify service: table of contents."""

from __future__ import annotations

from typing import Any

from services.notify.config import NotifySettings
from services.notify.wiring import build
from shared.contracts.events import (
    AuditContradictedV1,
    CatalogueDriftedV1,
    CatalogueRestoredV1,
    CensusDifferedV1,
    Event,
    InstanceContestedV1,
    InstanceRevokedV1,
    InstanceRotatedV1,
    InstanceStaleV1,
    MessageDeadLetteredV1,
    MetaOverruledV1,
    PackageDeletedV1,
    PackagePublishedV1,
    PackageQuarantinedV1,
    PackageRaisedV1,
    PackageRestoredV1,
    PackageRetaggedV1,
    PackageWithdrawnV1,
    PeerBannedV1,
    PeerChangedV1,
    PeerClockSkewedV1,
    PeerFeedWentBackV1,
    PeerRegisteredV1,
    PeerRevokedV1,
    PromotionEndedV1,
    PromotionRequestedV1,
    RecordRefusedV1,
    TransferSuspectV1,
)
from shared.runtime.bus.answers import answers
from shared.runtime.bus.handles import handles_all
from shared.runtime.bus.happening import HappeningProvider
from shared.runtime.services import Hosted, InEffect, Wired, every


class NotifyService:
    """Telling those who subscribed."""

    name = "notify"
    wired = Wired(build)
    in_effect = InEffect()
    happening = HappeningProvider()

    @handles_all(
        PackagePublishedV1,
        PackageQuarantinedV1,
        PeerRegisteredV1,
        PeerChangedV1,
        PeerRevokedV1,
        PeerBannedV1,
        TransferSuspectV1,
        PackageRetaggedV1,
        PackageDeletedV1,
        PackageRestoredV1,
        PackageRaisedV1,
        PackageWithdrawnV1,
        PromotionRequestedV1,
        PromotionEndedV1,
        RecordRefusedV1,
        MetaOverruledV1,
        CatalogueRestoredV1,
        InstanceStaleV1,
        CensusDifferedV1,
        InstanceRevokedV1,
        InstanceRotatedV1,
        InstanceContestedV1,
        CatalogueDriftedV1,
        PeerFeedWentBackV1,
        PeerClockSkewedV1,
        AuditContradictedV1,
        MessageDeadLetteredV1,
    )
    def on_told(self, event: Event) -> None:
        """Something that people and programs outside may want to know."""
        self.wired.handlers.tell(event, self.happening)

    @every
    def sweep(self) -> None:
        """Forget what ended long ago; encrypt by the newest key."""
        self.wired.sweep()

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
    def list_settings(self) -> Any:
        """What this process goes by, and where it came from."""
        return self.in_effect()

    @answers
    def figures(self) -> Any:
        """Counts for metrics and status."""
        return self.wired.figures()


HOSTED = Hosted(NotifyService, NotifySettings)
