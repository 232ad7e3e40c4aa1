"""The directory service: table of contents."""

from __future__ import annotations

from typing import Any

from services.directory.config import DirectorySettings
from services.directory.wiring import build
from shared.contracts.events import (
    AuditContradictedV1,
    CatalogueDriftedV1,
    CatalogueRestoredV1,
    CensusDifferedV1,
    DoorActedV1,
    Event,
    InstanceRevokedV1,
    InstanceRotatedV1,
    InstanceStaleV1,
    MetaOverruledV1,
    PackageDeletedV1,
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
from shared.runtime.services import Hosted, Wired


class DirectoryService:
    """Who may do what, and who did what."""

    name = "directory"
    wired = Wired(build)
    happening = HappeningProvider()

    @handles_all(
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
        CatalogueDriftedV1,
        PeerFeedWentBackV1,
        PeerClockSkewedV1,
        AuditContradictedV1,
        DoorActedV1,
    )
    def on_told(self, event: Event) -> None:
        """Something that an administrator did, or has to know."""
        self.wired.audit.trail.write_down(event, self.happening)

    @answers
    def authorize(self, token_sha256: str, right: str) -> Any:
        """Who holds this token, if that is enough for the right."""
        return self.wired.handlers.authorize(token_sha256, right)

    @answers
    def create_token(self, name: str, role: str, created_by: str, valid_seconds: int | None = None) -> Any:
        """A new token: shown this once, through this answer."""
        return self.wired.handlers.create_token(name, role, created_by, valid_seconds)

    @answers
    def list_tokens(self) -> Any:
        """All tokens, without their text."""
        return self.wired.handlers.list_tokens()

    @answers
    def revoke_token(self, token_id: str) -> None:
        """Close a door for good."""
        self.wired.handlers.revoke_token(token_id)

    @answers
    def list_audit(self, after: str | None, limit: int, filters: dict[str, str | None] | None) -> Any:
        """A page of the audit log, newest first."""
        return self.wired.audit.trail.list_audit(after, limit, filters)

    @answers
    def export_audit(self, after: str | None, limit: int, filters: dict[str, str | None] | None) -> Any:
        """Lines of the audit log, oldest first."""
        return self.wired.audit.trail.export_audit(after, limit, filters)

    @answers
    def verify_audit(self, after: str | None) -> Any:
        """What is wrong with a portion of the audit log, if anything is."""
        return self.wired.audit.verifying.verify_audit(after)

    @answers
    def compare_checkpoints(self, checkpoints: list[dict[str, Any]]) -> Any:
        """Whether the audit log is what others were told of it."""
        return self.wired.audit.verifying.compare_checkpoints(checkpoints)

    @answers
    def latest_checkpoint(self) -> Any:
        """What peers are to witness."""
        return self.wired.audit.checkpointing.latest_checkpoint()

    @answers
    def keep_receipt(self, peer_id: str, envelope: str) -> None:
        """A peer has witnessed it."""
        self.wired.audit.checkpointing.keep_receipt(peer_id, envelope)

    @answers
    def figures(self) -> Any:
        """How many people, tokens and entries in the audit log there are."""
        return self.wired.handlers.figures() | self.wired.audit.figures()


HOSTED = Hosted(DirectoryService, DirectorySettings)
