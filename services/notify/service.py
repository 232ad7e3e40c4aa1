"""The notify service: table of contents."""

from __future__ import annotations

from typing import Any

from services.notify.config import NotifySettings
from services.notify.wiring import build
from shared.contracts.events import (
    AlarmClearedV1,
    AlarmRaisedV1,
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
    SubscriptionDisabledV1,
    TransferChangedV1,
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
        TransferChangedV1,
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
        SubscriptionDisabledV1,
        AlarmRaisedV1,
        AlarmClearedV1,
    )
    def on_told(self, event: Event) -> None:
        """Something that people and programs outside may want to know."""
        self.wired.tell(event, self.happening)

    @every
    def sweep(self) -> None:
        """Forget what ended long ago; encrypt by the newest key; look at the owners."""
        self.wired.sweep()

    @answers
    def subscribe(  # noqa: PLR0913, PLR0917 - the whole wish
        self,
        url: str | None,
        events: list[str],
        created_by: str,
        channel: Any = None,
        filters: Any = None,
        description: str = "",
        owner_id: str | None = None,
        within: list[str] | None = None,
    ) -> Any:
        """A new subscriber, with its secret: shown this once."""
        return self.wired.subscribing.subscribe(url, events, created_by, channel, filters, description, owner_id, within)

    @answers
    def list_subscriptions(self) -> Any:
        """All of them, without secrets."""
        return self.wired.subscribing.listed()

    @answers
    def show_subscription(self, subscription_id: str) -> Any:
        """One of them."""
        return self.wired.subscribing.show(subscription_id)

    @answers
    def change_subscription(
        self,
        subscription_id: str,
        changes: dict[str, Any],
        by_id: str | None,
        within: list[str] | None,
        expected: list[str] | None = None,
    ) -> Any:
        """Other events, filters, settings."""
        return self.wired.subscribing.change(subscription_id, changes, by_id, within, expected)

    @answers
    def set_subscription_state(
        self, subscription_id: str, state: str, by_id: str | None, within: list[str] | None, expected: list[str] | None = None
    ) -> Any:
        """Pause, resume."""
        return self.wired.subscribing.set_state(subscription_id, state, by_id, within, expected)

    @answers
    def take_over_subscription(
        self, subscription_id: str, person: str, by_id: str | None, within: list[str] | None, expected: list[str] | None = None
    ) -> Any:
        """In the name of who asks."""
        return self.wired.owners.take_over(subscription_id, person, by_id, within, expected)

    @answers
    def rotate_secret(self, subscription_id: str, by_id: str | None, within: list[str] | None) -> Any:
        """A new secret: shown this once."""
        return self.wired.subscribing.rotate_secret(subscription_id, by_id, within)

    @answers
    def test_subscription(self, subscription_id: str, by_id: str | None, within: list[str] | None) -> Any:
        """What comes of one message, sent now."""
        return self.wired.testing.test(subscription_id, by_id, within)

    @answers
    def replay_events(self, subscription_id: str, since: str, until: str | None, by_id: str | None, within: list[str] | None) -> Any:
        """Everything of a time, once more."""
        return self.wired.replaying.replay_events(subscription_id, since, until, by_id, within)

    @answers
    def unsubscribe(
        self, subscription_id: str, by_id: str | None = None, within: list[str] | None = None, expected: list[str] | None = None
    ) -> None:
        """Forget a subscriber."""
        self.wired.subscribing.unsubscribe(subscription_id, by_id, within, expected)

    @answers
    def examine_jamf(self, subscription_id: str, by_id: str | None, within: list[str] | None) -> Any:
        """Try the connection."""
        return self.wired.jamf.examine(subscription_id, by_id, within)

    @answers
    def register_jamf_point(self, subscription_id: str, dry_run: bool, by_id: str | None, within: list[str] | None) -> Any:  # noqa: FBT001 - the words of the RPC table
        """This instance is a distribution point."""
        return self.wired.jamf.register(subscription_id, by_id, within, dry_run=dry_run)

    @answers
    def record_in_jamf(
        self,
        subscription_id: str,
        name: str,
        dry_run: bool,  # noqa: FBT001 - as above
        by_id: str | None,
        within: list[str] | None,
    ) -> Any:
        """The record of one package is made right."""
        return self.wired.jamf.record(subscription_id, name, by_id, within, dry_run=dry_run)

    @answers
    def compare_with_jamf(self, subscription_id: str, after: str | None, by_id: str | None, within: list[str] | None) -> Any:
        """Where records and files differ."""
        return self.wired.jamf.compare(subscription_id, after, by_id, within)

    @answers
    def list_deliveries(self, limit: int, after: str | None = None, filters: dict[str, str | None] | None = None) -> Any:
        """A page of deliveries, newest first."""
        return self.wired.log.listed(limit, after, filters)

    @answers
    def replay_delivery(self, delivery_id: str, by_id: str | None, within: list[str] | None) -> Any:
        """One, once more."""
        return self.wired.replaying.replay_delivery(delivery_id, by_id, within)

    @answers
    def show_delivery(self, delivery_id: str) -> Any:
        """One, with its tries."""
        return self.wired.log.show(delivery_id)

    @answers
    def show_template(self, kind: str) -> Any:
        """How a chat words events."""
        return self.wired.templates.show(kind)

    @answers
    def set_template(self, kind: str, source: str, person: str) -> Any:
        """Word them otherwise."""
        return self.wired.templates.put(kind, source, person)

    @answers
    def reset_template(self, kind: str) -> None:
        """Word them as built in."""
        self.wired.templates.reset(kind)

    @answers
    def preview_template(self, kind: str, event_type: str, source: str | None = None) -> Any:
        """What would be sent."""
        return self.wired.templates.preview(kind, event_type, source)

    @answers
    def list_alarms(self) -> Any:
        """What is the matter."""
        return self.wired.watching.list_alarms()

    @answers
    def list_settings(self) -> Any:
        """What this process goes by, and where it came from."""
        return self.in_effect()

    @answers
    def figures(self) -> Any:
        """Counts for metrics and status."""
        return self.wired.figures()


HOSTED = Hosted(NotifyService, NotifySettings)
