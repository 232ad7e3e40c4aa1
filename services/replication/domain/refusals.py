"""What a peer may say, or leave unsaid, instead of answering; each decides what is done next."""

from __future__ import annotations

from shared.core.errors import PeerLied, PeerUnreachable, Unauthenticated


class SourceLacks(PeerLied):
    """A peer does not have what was asked for, or does not let us have it."""

    default_code = "SOURCE_LACKS"


class PeerRefused(PeerUnreachable):
    """A peer does not accept our signature: it does not know us, or not by this key."""

    default_code = "PEER_REFUSED"


class PeerRotated(PeerUnreachable):
    """A peer has another key now, and says so with a rotation that is to be verified."""

    default_code = "KEY_ROTATED"

    def __init__(self, message: str, rotation: bytes) -> None:
        """`rotation` is the envelope."""
        super().__init__(message)
        self.rotation = rotation


class ClocksDiffer(PeerUnreachable):
    """A peer refuses us, or we its answer, because the clocks differ by too much."""

    default_code = "CLOCK_SKEW"

    def __init__(self, message: str, seconds: float) -> None:
        """`seconds` is how far the peer's clock is ahead of ours."""
        super().__init__(message)
        self.seconds = seconds


class SenderClockDiffers(Unauthenticated):
    """A request is signed by whom it says, and its time is not now."""

    default_code = "CLOCK_SKEW"

    def __init__(self, message: str, sender: str, seconds: float) -> None:
        """`seconds` is how far the sender's clock is ahead of ours."""
        super().__init__(message)
        self.sender, self.seconds = sender, seconds
