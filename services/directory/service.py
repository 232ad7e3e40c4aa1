"""The directory service: table of contents."""

from __future__ import annotations

from typing import Any

from services.directory.config import DirectorySettings
from services.directory.wiring import build
from shared.contracts.events import (
    CatalogueDriftedV1,
    CatalogueRestoredV1,
    CensusDifferedV1,
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
    )
    def on_told(self, event: Event) -> None:
        """Something that an administrator did, or has to know."""
        self.wired.audit.write_down(event, self.happening)

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
    def list_audit(self, after: str | None, limit: int) -> Any:
        """A page of the audit log, newest first."""
        return self.wired.audit.list_audit(after, limit)

    @answers
    def examine_ldap(self, name: str | None = None) -> Any:
        """Each step of a test of the connection to the directory of accounts, and what came of it."""
        return self.wired.outside.examine_ldap(name)

    @answers
    def figures(self) -> Any:
        """How many people, tokens and entries in the audit log there are."""
        return self.wired.handlers.figures() | self.wired.audit.figures()


HOSTED = Hosted(DirectoryService, DirectorySettings)
