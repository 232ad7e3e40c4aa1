"""Peers: instances that we are registered with."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.core.identity import InstanceId


class PeerState(StrEnum):
    """Whether a peer may speak."""

    ACTIVE = "active"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Peer:
    """One registration: a pinned key, an address, and how far we have read its change feed."""

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

    def is_source(self, now: dt.datetime) -> bool:
        """True if bytes may be fetched from it."""
        return self.state is PeerState.ACTIVE and (self.banned_until is None or self.banned_until <= now)

    def struck(self, allowed: int, until: dt.datetime) -> Peer:
        """It provably lied once more; banned when that was once too often."""
        strikes = self.strikes + 1
        if strikes < allowed:
            return replace(self, strikes=strikes)
        return replace(self, strikes=0, banned_until=until)


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """What we keep of an invitation that we gave: never the secret."""

    lookup: str
    proof_key: bytes
    created_by: str
    expires: dt.datetime
    wrong_proofs: int = 0
    used_by: str | None = None

    def is_usable(self, now: dt.datetime, wrong_proofs_allowed: int) -> bool:
        """One time, for a time, and not after too many guesses."""
        return self.used_by is None and now < self.expires and self.wrong_proofs < wrong_proofs_allowed
