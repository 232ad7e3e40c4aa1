"""The replication service: table of contents."""

from __future__ import annotations

from typing import Any

from services.replication.config import ReplicationSettings
from services.replication.wiring import build
from shared.contracts import events
from shared.runtime.bus.answers import answers
from shared.runtime.bus.handles import handles
from shared.runtime.services import Hosted, InEffect, Wired, every


class ReplicationService:
    """Moving."""

    name = "replication"
    wired = Wired(build)
    in_effect = InEffect()

    @handles(events.PackagePublishedV1)
    def on_package_published(self, event: events.PackagePublishedV1) -> None:
        """Step 3 of the seed, and step 8, which is step 3 again."""
        self.wired.planning.close(event)
        self.wired.announcing.announce(event)

    @handles(events.CatalogueChangedV1)
    def on_catalogue_changed(self, event: events.CatalogueChangedV1) -> None:
        """Whatever else is new in the feed."""
        self.wired.announcing.announce(event)

    @handles(events.PeerAnnouncedV1)
    def on_peer_announced(self, event: events.PeerAnnouncedV1) -> None:
        """Step 4 of the seed: have the feed and the records pulled."""
        self.wired.pulling.heard(event)

    @handles(events.PackageWantedV1)
    def on_package_wanted(self, event: events.PackageWantedV1) -> None:
        """Steps 5 and 6 of the seed: plan; the slice loop moves."""
        self.wired.planning.plan_wanted(event)

    @handles(events.PackageQuarantinedV1)
    def on_package_quarantined(self, event: events.PackageQuarantinedV1) -> None:
        """The transfer failed."""
        self.wired.planning.fail(event)

    @handles(events.PackageDeletedV1)
    def on_package_deleted(self, event: events.PackageDeletedV1) -> None:
        """Nothing of it is to be fetched."""
        self.wired.planning.stop(event)

    @handles(events.PackageWithdrawnV1)
    def on_package_withdrawn(self, event: events.PackageWithdrawnV1) -> None:
        """Nothing of it is to be fetched."""
        self.wired.planning.stop(event)

    @handles(events.CatalogueRestoredV1)
    def on_catalogue_restored(self, event: events.CatalogueRestoredV1) -> None:  # noqa: ARG002 - that it happened is all
        """Peers know what was forgotten here."""
        self.wired.pulling.start_anew()

    @handles(events.TrustChangedV1)
    def on_trust_changed(self, event: events.TrustChangedV1) -> None:  # noqa: ARG002 - that it happened is all
        """Peers may know what was refused or dropped here, and counts now; and stewards may be others than before."""
        self.wired.relations.follow_stewards()
        self.wired.pulling.start_anew()

    @handles(events.InstanceRevokedV1)
    def on_instance_revoked(self, event: events.InstanceRevokedV1) -> None:  # noqa: ARG002 - that it happened is all
        """Whom a steward of ours does not trust is no peer."""
        self.wired.relations.follow_stewards()

    @handles(events.InstanceRotatedV1)
    def on_instance_rotated(self, event: events.InstanceRotatedV1) -> None:
        """Pin the new key; and a steward may have revoked this instance by the id that it had, or has now."""
        self.wired.rotating.rotated(event)
        self.wired.relations.follow_stewards()

    @every
    def sweep(self) -> None:
        """Whatever was lost is found here."""
        self.wired.sweep()

    @answers
    def create_invitation(self, created_by: str, valid_seconds: int | None, tags: list[str] | None, steward: bool) -> Any:  # noqa: FBT001 - by name, over RPC
        """An invitation to this instance."""
        return self.wired.registration.create_invitation(created_by, valid_seconds, tags, steward)

    @answers
    def join(self, invitation: str, tags: list[str] | None) -> Any:
        """Register with who invited us."""
        return self.wired.registration.join(invitation, tags)

    @answers
    def accept_registration(self, public_key: str, request: dict[str, Any]) -> Any:
        """The other side of `join`."""
        return self.wired.registration.accept_registration(public_key, request)

    @answers
    def accept_rotation(self, request: dict[str, Any]) -> Any:
        """A peer has a new key."""
        return self.wired.rotating.accept_rotation(request)

    @answers
    def authenticate(self, request: dict[str, Any]) -> Any:
        """Which peer sent a request, and what it may see."""
        return self.wired.authenticating.authenticate(request)

    @answers
    def list_peers(self) -> Any:
        """Every peer."""
        return self.wired.relations.list_peers()

    @answers
    def show_peer(self, peer_id: str) -> Any:
        """One peer."""
        return self.wired.relations.show_peer(peer_id)

    @answers
    def change_peer(
        self,
        peer_id: str,
        tags: list[str] | None,
        steward: bool | None,  # noqa: FBT001 - as above
        person: str,
        expected: list[str] | None = None,
    ) -> Any:
        """What a peer may see, and whether it may write about our packages."""
        return self.wired.relations.change_peer(peer_id, tags, steward, person, expected)

    @answers
    def revoke_peer(self, peer_id: str, revoked_by: str, expected: list[str] | None = None) -> Any:
        """Deaf and mute from now on."""
        return self.wired.relations.revoke(peer_id, revoked_by, expected)

    @answers
    def hear_announcement(self, peer_id: str, epoch: str, seq: int) -> Any:
        """A peer rang."""
        return self.wired.announcing.hear(peer_id, epoch, seq)

    @answers
    def list_transfers(self, limit: int, after: str | None = None, states: list[str] | None = None, name: str | None = None) -> Any:
        """A page of transfers, newest first."""
        return self.wired.questions.list_transfers(limit, after, states or (), name)

    @answers
    def show_transfer(self, transfer_id: str) -> Any:
        """One of them."""
        return self.wired.questions.show_transfer(transfer_id)

    @answers
    def pause_transfer(self, transfer_id: str, person: str, expected: list[str] | None = None) -> Any:
        """Claim none of its slices."""
        return self.wired.steering.pause(transfer_id, person, expected)

    @answers
    def resume_transfer(self, transfer_id: str, person: str, expected: list[str] | None = None) -> Any:
        """Go on with it."""
        return self.wired.steering.resume(transfer_id, person, expected)

    @answers
    def cancel_transfer(self, transfer_id: str, person: str, expected: list[str] | None = None) -> Any:
        """End it, and fetch its package no more."""
        return self.wired.steering.cancel(transfer_id, person, expected)

    @answers
    def prioritise_transfer(self, transfer_id: str, priority: str, person: str, expected: list[str] | None = None) -> Any:
        """Whose turn it is."""
        return self.wired.steering.prioritise(transfer_id, priority, person, expected)

    @answers
    def transfer_progress(self, package_ids: list[str]) -> Any:
        """How far packages on their way are, in percent."""
        return self.wired.questions.transfer_progress(package_ids)

    @answers
    def matrix(self, package_ids: list[str]) -> Any:
        """Packages by instance."""
        return self.wired.surveying.matrix(package_ids)

    @answers
    def plan(self, package_id: str | None, tags: list[str] | None) -> Any:
        """What will move, or would."""
        return self.wired.foreseeing.plan(package_id, tags)

    @answers
    def witness_checkpoint(self, peer_id: str, envelope: str) -> Any:
        """A peer says something of its audit log."""
        return self.wired.witnessing.witness(peer_id, envelope)

    @answers
    def list_witnessed(self, peer_id: str) -> Any:
        """What a peer said of its audit log."""
        return self.wired.witnessing.list_witnessed(peer_id)

    @answers
    def ask_witnesses(self) -> Any:
        """What peers hold of what we said of ours."""
        return self.wired.witnessing.ask_witnesses()

    @answers
    def pull_now(self) -> Any:
        """Read all feeds now."""
        return self.wired.pulling.pull_all()

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


HOSTED = Hosted(ReplicationService, ReplicationSettings, max_workers=12)
