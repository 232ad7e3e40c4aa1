"""Settings of the replication service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.core.slices import SLICE_CHUNKS
from shared.runtime.settings import Settings


class ReplicationSettings(Settings):
    """What the replication service reads from the configuration."""

    slices_at_once: Annotated[int, Field(ge=1, le=32)] = 8
    """Slices that one process fetches side by side."""
    slice_chunks: Annotated[int, Field(ge=1, le=64)] = SLICE_CHUNKS
    """Chunks of 1 MiB in one request."""
    lease_seconds: Annotated[float, Field(ge=1, le=600)] = 15
    """How long a slice stays with a worker that shows no sign of life."""
    poll_seconds: Annotated[float, Field(ge=1, le=86400)] = 300
    """How often each peer's change feed is read besides its announcements; with a fifth of jitter."""
    drift_check_seconds: Annotated[float, Field(ge=1, le=30 * 86400)] = 86400
    """How often all that a peer shows this instance is compared by digests; with a fifth of jitter."""
    witness_seconds: Annotated[float, Field(ge=1, le=86400)] = 60
    """How often it is looked whether peers are to sign a new checkpoint of the audit log."""
    peer_connect_seconds: Annotated[float, Field(gt=0, le=60)] = 5
    """Longest wait for a connection to a peer."""
    peer_read_seconds: Annotated[float, Field(gt=0, le=120)] = 20
    """Longest silence of a peer within an answer."""
    slow_bytes_per_second: Annotated[int, Field(ge=0)] = 16 * 1024
    """A source slower than this for 30 seconds is dropped for the slice; an answer may take 30 and what its size takes at this."""
    strikes_allowed: Annotated[int, Field(ge=1)] = 3
    """Bad chunks after which a source is banned."""
    ban_seconds: Annotated[float, Field(gt=0)] = 3600
    """For how long a source is banned."""
    peer_lagging_seconds: Annotated[float, Field(ge=1, le=30 * 86400)] = 1800
    """A peer whose change feed was not read to its end for so long is an alarm; at least twice `poll_seconds` and a fifth of jitter."""
    transfer_stalled_seconds: Annotated[float, Field(ge=1, le=30 * 86400)] = 1200
    """A transfer that began, is not paused, and brings no slice for so long is an alarm; at least what the slowest slice may take."""
