"""Settings of the notify service."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import Field, FilePath

from shared.runtime.settings import COMMA_SEPARATED, Settings


class NotifySettings(Settings):
    """What the notify service reads from the configuration."""

    webhook_allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], COMMA_SEPARATED] = ()
    """Networks that are not public and may be posted to all the same, such as 10.20.0.0/16, separated by commas."""
    webhook_ca_file: FilePath | None = None
    """PEM file of certificate authorities that receivers may use besides the usual ones."""
    webhook_connect_seconds: Annotated[float, Field(gt=0, le=30)] = 5
    """Longest wait for a receiver's connection, all its addresses together."""
    webhook_total_seconds: Annotated[float, Field(gt=0, le=30)] = 15
    """Longest conversation with a receiver, from connecting to the end of its answer."""
    webhook_poll_seconds: Annotated[float, Field(ge=0.1, le=60)] = 2
    """How often deliveries that have become due are looked for."""
    webhook_parallel: Annotated[int, Field(ge=1, le=64)] = 16
    """Deliveries under way at once in one process, those aside that have taken longer than a second."""
    webhook_parallel_most: Annotated[int, Field(ge=1, le=1000)] = 128
    """Deliveries under way at once in one process, however slow they are."""
    webhook_lease_seconds: Annotated[float, Field(ge=5, le=3600)] = 60
    """How long a try belongs to the process that makes it; what a process had that was killed is tried again after that."""
    webhook_secret_overlap_seconds: Annotated[float, Field(ge=0, le=30 * 86400)] = 86400
    """How long the secret before a rotation signs too."""
    delivery_kept_days: Annotated[float, Field(gt=0)] = 30
    """How long deliveries that have ended are kept for people to look at."""
    events_kept: Annotated[int, Field(ge=0, le=10_000_000)] = 100_000
    """How many events are kept at most, for so long, so that subscribers can have what they missed."""
