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
    webhook_parallel: Annotated[int, Field(ge=1, le=64)] = 8
    """Deliveries under way at once in one process."""
    delivery_kept_days: Annotated[float, Field(gt=0)] = 30
    """How long deliveries that have ended are kept for people to look at."""
    events_kept: Annotated[int, Field(ge=0, le=10_000_000)] = 100_000
    """How many events are kept at most, for so long, so that subscribers can have what they missed."""
