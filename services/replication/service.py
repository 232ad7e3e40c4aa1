"""The replication service: table of contents."""

from __future__ import annotations

from typing import Any

from services.replication.config import ReplicationSettings
from services.replication.wiring import build
from shared.contracts.events import PackagePublishedV1, PackageQuarantinedV1, PackageWantedV1, PeerAnnouncedV1
from shared.runtime.bus.answers import answers
from shared.runtime.bus.handles import handles
from shared.runtime.services import Hosted, Wired, every


class ReplicationService:
    """Moving."""

    name = "replication"
    wired = Wired(build)

    @handles(PackagePublishedV1)
    def on_package_published(self, event: PackagePublishedV1) -> None:
        """Step 3 of the seed, and step 8, which is step 3 again."""
        self.wired.planning.close(event)
        self.wired.announcing.announce(event)

    @handles(PeerAnnouncedV1)
    def on_peer_announced(self, event: PeerAnnouncedV1) -> None:
        """Step 4 of the seed: pull the feed and the manifests."""
        self.wired.pulling.heard(event)

    @handles(PackageWantedV1)
    def on_package_wanted(self, event: PackageWantedV1) -> None:
        """Steps 5 and 6 of the seed: plan; the slice loop moves."""
        self.wired.planning.plan_wanted(event)

    @handles(PackageQuarantinedV1)
    def on_package_quarantined(self, event: PackageQuarantinedV1) -> None:
        """The transfer failed."""
        self.wired.planning.fail(event)

    @every
    def sweep(self) -> None:
        """Whatever was lost is found here."""
        self.wired.sweep()

    @answers
    def create_invitation(self, created_by: str, valid_seconds: int | None) -> Any:
        """An invitation to this instance."""
        return self.wired.registration.create_invitation(created_by, valid_seconds)

    @answers
    def join(self, invitation: str) -> Any:
        """Register with who invited us."""
        return self.wired.registration.join(invitation)

    @answers
    def accept_registration(self, public_key: str, request: dict[str, Any]) -> Any:
        """The other side of `join`."""
        return self.wired.registration.accept_registration(public_key, request)

    @answers
    def authenticate(self, request: dict[str, Any]) -> Any:
        """Which peer sent a request."""
        return self.wired.registration.authenticate(request)

    @answers
    def list_peers(self) -> Any:
        """Every peer."""
        return self.wired.registration.list_peers()

    @answers
    def revoke_peer(self, peer_id: str, revoked_by: str) -> Any:
        """Deaf and mute from now on."""
        return self.wired.registration.revoke(peer_id, revoked_by)

    @answers
    def hear_announcement(self, peer_id: str, epoch: str, seq: int) -> Any:
        """A peer rang."""
        return self.wired.announcing.hear(peer_id, epoch, seq)

    @answers
    def list_transfers(self, limit: int) -> Any:
        """Transfers, newest first."""
        return self.wired.questions.list_transfers(limit)

    @answers
    def pull_now(self) -> Any:
        """Read all feeds at the next sweep."""
        return self.wired.pulling.pull_all()

    @answers
    def figures(self) -> Any:
        """Counts for metrics and status."""
        return self.wired.questions.figures()


HOSTED = Hosted(ReplicationService, ReplicationSettings, max_workers=12)
