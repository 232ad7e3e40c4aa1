"""Peers: instances that we are registered with, and what their registration lets them see and say."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from shared.core.clock import Stamp, next_stamp
from shared.core.identity import InstanceId
from shared.core.staging import Tags

UNTAGGED = "."
"""Stands for the packages without tags among what a peer was ever let see: they always are."""


class PeerState(StrEnum):
    """Whether a peer may speak."""

    ACTIVE = "active"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Peer:
    """One registration: a pinned key, an address, how far we have read its change feed, and what it may see of ours."""

    peer_id: InstanceId
    public_key: bytes
    name: str
    url: str
    registered: dt.datetime
    state: PeerState = PeerState.ACTIVE
    last_contact: dt.datetime | None = None
    last_error: str | None = None
    epoch: str | None = None
    cursor: int = 0
    next_poll: dt.datetime | None = None
    strikes: int = 0
    banned_until: dt.datetime | None = None
    tags: Tags = frozenset()
    """Staging tags that we let it see; packages without tags it sees anyway."""
    ever_tags: Tags = frozenset()
    """Staging tags that we ever let it see."""
    view: int = 0
    """Rises when `tags` change, so that the peer reads our feed anew."""
    steward: bool = False
    """True if it may write about packages of ours."""
    steward_until: Stamp | None = None
    """When it was dismissed as a steward."""
    revoked_since: Stamp | None = None
    protocol: int = 1
    """The greatest version of the peer protocol that both sides speak."""
    announced_epoch: str | None = None
    announced_seq: int = 0
    """Where its feed stands, as far as it told us."""
    news_correlation_id: str | None = None
    """That of the news that it announced last, until they are read."""
    last_pull: dt.datetime | None = None
    """When its feed was last read to the end."""
    clock_skew_seconds: float | None = None
    """How far its clock is ahead of ours, while that keeps us apart."""
    next_drift_check: dt.datetime | None = None
    drift_checks: int = 0
    drift_found: int = 0
    """Records that only the drift check brought."""
    catching_up: bool = False
    """Its feed is long and not read to its end: what it told so far may be superseded by what follows."""

    def is_source(self, now: dt.datetime) -> bool:
        """True if bytes may be fetched from it."""
        return self.state is PeerState.ACTIVE and (self.banned_until is None or self.banned_until <= now)

    def struck(self, allowed: int, until: dt.datetime) -> Peer:
        """It provably lied once more; banned when that was once too often."""
        strikes = self.strikes + 1
        if strikes < allowed:
            return replace(self, strikes=strikes)
        return replace(self, strikes=0, banned_until=until)

    def seeing(self, tags: Tags) -> Peer:
        """The same peer, let see these staging tags; it will read our feed anew if they differ from before."""
        if tags == self.tags:
            return self
        return replace(self, tags=tags, ever_tags=self.ever_tags | tags | self.tags, view=self.view + 1)

    def as_steward(self, steward: bool, now: dt.datetime) -> Peer:  # noqa: FBT001 - there are two ways to be
        """Made a steward of our packages, or dismissed: what it wrote until now stays."""
        if steward == self.steward:
            return self
        return replace(self, steward=steward, steward_until=None if steward else next_stamp(now))

    def revoked(self, now: dt.datetime) -> Peer:
        """Deaf and mute from now on; what it signed until now stays."""
        return replace(self, state=PeerState.REVOKED, revoked_since=next_stamp(now))

    def heard_of(self, epoch: str, seq: int, correlation_id: str) -> Peer:
        """It told where its feed stands."""
        return replace(self, announced_epoch=epoch, announced_seq=seq, news_correlation_id=correlation_id)

    def unread(self) -> Peer:
        """Its feed is to be read from the start."""
        return replace(self, epoch=None, cursor=0)

    @property
    def view_document(self) -> dict[str, Any]:
        """What our own feed shows to it."""
        return {"tags": sorted(self.tags), "ever": [UNTAGGED, *sorted(self.ever_tags | self.tags)], "number": self.view}

    def epoch_shown(self, epoch: str) -> str:
        """The epoch of our feed as this peer knows it."""
        return f"{epoch}.{self.view}" if self.view else epoch

    @property
    def behind(self) -> int | None:
        """Records of its feed that are not read yet, about; None if it never told where its feed stands."""
        if self.announced_epoch is None:
            return None
        return max(0, self.announced_seq - self.cursor) if self.announced_epoch == self.epoch else self.announced_seq

    @property
    def stewardship(self) -> dict[str, str | None] | None:
        """How our charter names it; None if it never was a steward."""
        if not self.steward and self.steward_until is None:
            return None
        return {"instance_id": str(self.peer_id), "until": None if self.steward else str(self.steward_until)}

    @property
    def revocation(self) -> dict[str, str] | None:
        """How our charter names it once it is revoked."""
        if self.state is not PeerState.REVOKED:
            return None
        return {"instance_id": str(self.peer_id), "since": str(self.revoked_since or Stamp.of(self.registered))}


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """What we keep of an invitation that we gave: never the secret."""

    lookup: str
    proof_key: bytes
    created_by: str
    expires: dt.datetime
    wrong_proofs: int = 0
    used_by: str | None = None
    tags: Tags | None = None
    """What who joins is let see; None: nothing tagged, or what it saw before."""
    steward: bool = False
    """Whether who joins becomes a steward of our packages."""

    def is_usable(self, now: dt.datetime, wrong_proofs_allowed: int) -> bool:
        """One time, for a time, and not after too many guesses."""
        return self.used_by is None and now < self.expires and self.wrong_proofs < wrong_proofs_allowed


@dataclass(frozen=True, slots=True)
class Announcement:
    """A doorbell to be rung at one peer."""

    peer_id: str
    attempts: int
    correlation_id: str
    """That of the news, so that a package can be followed from site to site."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who signed a request, and what makes it unique."""

    peer_id: str
    nonce: str
    expires: int
