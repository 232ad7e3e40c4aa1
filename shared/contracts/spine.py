"""The life of a package, as one table.

Read it from top to bottom: each line is an event, who dispatches it, who handles it, and what they do. A package that came
from a peer joins the same line as a local upload from *verified* on, so step 8 of the seed (propagate) is step 3 again, with
no code of its own. `tests/contract` holds the handlers of every service to this table, in both directions.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts import events
from shared.contracts.events import Event


@dataclass(frozen=True, slots=True)
class Step:
    """One event and what follows from it. `handlers` maps the handling service to what it does."""

    event: type[Event]
    handlers: dict[str, str]
    seed_step: str = ""

    @property
    def source(self) -> str:
        """The dispatching service."""
        return self.event.source


SPINE: tuple[Step, ...] = (
    Step(events.PackageReceivedV1, {"hashing": "hash the package and every 1 MiB chunk"}, "1 admin uploads"),
    Step(events.PackageHashedV1, {"storage": "write the record, sign the manifest, publish"}, "2 hash"),
    Step(
        events.PackagePublishedV1,
        {"replication": "announce to every peer, close the transfer", "notify": "tell the subscribers"},
        "3 tell every registered instance",
    ),
    Step(events.PeerAnnouncedV1, {"replication": "pull the change feed and manifests, hand them to storage"}, "4 peer asks"),
    Step(events.PackageWantedV1, {"replication": "plan the transfer in slices, move them"}, "5 and 6 download in chunks"),
    Step(events.PackageAssembledV1, {"hashing": "verify the whole"}, "7 recombine, final check"),
    Step(events.PackageVerifiedV1, {"storage": "publish: from here on, as after a local upload"}, "7 move to public, 8 is 3"),
)
"""The way of a package from upload to publication everywhere."""

_TOLD = {"notify": "tell the subscribers", "directory": "write it down in the audit log"}

OFF_SPINE: tuple[Step, ...] = (
    Step(events.PackageHashProgressedV1, {"storage": "remember how far, for people who watch"}),
    Step(events.PackageRejectedV1, {"storage": "quarantine the file, tell"}),
    Step(events.PackageDigestsWantedV1, {"hashing": "compute MD5 and SHA-512 of the blob"}),
    Step(events.PackageDigestedV1, {"storage": "keep them, and answer with them from now on"}),
    Step(events.PackageQuarantinedV1, {"replication": "fail the transfer", "notify": "tell the subscribers"}),
    Step(events.PeerRegisteredV1, _TOLD),
    Step(events.PeerChangedV1, _TOLD),
    Step(events.PeerRevokedV1, _TOLD),
    Step(events.PeerBannedV1, _TOLD),
    Step(events.TransferSuspectV1, _TOLD),
    Step(events.TransferChangedV1, _TOLD),
    Step(events.CatalogueChangedV1, {"replication": "announce to every peer but the one that it came from"}),
    Step(events.PackageRetaggedV1, _TOLD),
    Step(events.PackageDeletedV1, {"replication": "fail the transfer", **_TOLD}),
    Step(events.PackageRestoredV1, _TOLD),
    Step(events.PackageRaisedV1, _TOLD),
    Step(events.PackageWithdrawnV1, {"replication": "fail the transfer", **_TOLD}),
    Step(events.PromotionRequestedV1, _TOLD),
    Step(events.PromotionEndedV1, _TOLD),
    Step(events.RecordRefusedV1, _TOLD),
    Step(events.MetaOverruledV1, _TOLD),
    Step(events.CatalogueRestoredV1, {"replication": "read every feed from its start", **_TOLD}),
    Step(events.InstanceStaleV1, _TOLD),
    Step(events.CensusDifferedV1, _TOLD),
    Step(events.TrustChangedV1, {"replication": "read every feed from its start"}),
    Step(events.InstanceRevokedV1, {"replication": "revoke the registration, if there is one", **_TOLD}),
    Step(events.InstanceRotatedV1, {"replication": "pin the new key of the peer", **_TOLD}),
    Step(events.InstanceContestedV1, _TOLD),
    Step(events.CatalogueDriftedV1, _TOLD),
    Step(events.PeerFeedWentBackV1, _TOLD),
    Step(events.PeerClockSkewedV1, _TOLD),
    Step(events.AuditContradictedV1, _TOLD),
    Step(events.DoorActedV1, {"directory": "write it down in the audit log"}),
    Step(events.MessageDeadLetteredV1, {"notify": "tell the subscribers"}),
    Step(events.SubscriptionDisabledV1, _TOLD),
    Step(events.AlarmRaisedV1, _TOLD),
    Step(events.AlarmClearedV1, _TOLD),
)
"""What can happen beside the way."""

STEPS: tuple[Step, ...] = SPINE + OFF_SPINE


def handlers_of(event_type: str) -> tuple[str, ...]:
    """Services that must be bound before an event of this type counts as dispatched."""
    return tuple(service for step in STEPS if step.event.type == event_type for service in step.handlers)


def handled_by(service: str) -> dict[str, type[Event]]:
    """Events that a service handles, by type."""
    return {step.event.type: step.event for step in STEPS if service in step.handlers}


def dispatched_by(service: str) -> tuple[str, ...]:
    """Types of the events that a service dispatches."""
    return tuple(step.event.type for step in STEPS if step.source == service)
