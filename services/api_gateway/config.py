"""Settings of the gateway."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from shared.runtime.settings import COMMA_SEPARATED, Settings


class ApiGatewaySettings(Settings):
    """What the gateway reads from the configuration."""

    listen: Annotated[str, StringConstraints(pattern=r"^(\[[0-9a-fA-F:]+\]|[\w.-]+):\d{1,5}$")] = "127.0.0.1:8080"
    """Address and port to listen on."""
    gateway_threads: Annotated[int, Field(ge=2, le=512)] = 32
    """Requests that are served side by side."""
    distribution_context: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,60}$")] = "CasperShare"
    """First part of the path by which Jamf's clients ask: `/<context>/Packages/<name>`."""
    upload_silence_seconds: Annotated[float, Field(ge=0.2, le=60)] = 10
    """A request that sends a part of a resumable upload, and is silent for so long, is ended: its sender may be gone."""
    accel_prefix: Annotated[str, StringConstraints(pattern=r"^(/[\w-]+)*$")] = ""
    """Internal location of nginx that maps to the `blobs/sha256` folder; bytes are then sent by nginx (X-Accel-Redirect)."""
    metrics_networks: Annotated[tuple[str, ...], COMMA_SEPARATED] = ("127.0.0.0/8", "::1/128")
    """Networks (CIDR) from which `/metrics` may be read."""
    trusted_proxies: Annotated[tuple[str, ...], COMMA_SEPARATED] = ()
    """Networks (CIDR) of proxies in front whose `X-Forwarded-For` says where a call comes from."""
    api_calls_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = 6000
    """Most calls of the Admin API by one token or session in a minute; 0 is no limit."""
    api_calls_per_minute_from_address: Annotated[int, Field(ge=0, le=1_000_000)] = 12_000
    """Most calls of the Admin API from one address in a minute; 0 is no limit."""

    events_kept: Annotated[int, Field(ge=1, le=100_000)] = 5000
    """Latest events that are kept in memory, for whoever follows them and comes back; at most 8 MiB of them."""
    events_readers: Annotated[int, Field(ge=1, le=800)] = 300
    """Most streams of live events at once."""
    events_readers_per_person: Annotated[int, Field(ge=1, le=800)] = 150
    """Most streams of live events of one person at once."""
    events_heartbeat_seconds: Annotated[float, Field(ge=0.2, le=30)] = 15
    """A stream of live events in which nothing happens shows so often that it lives."""
    events_recheck_seconds: Annotated[float, Field(ge=0.2, le=30)] = 20
    """How often it is asked whether those who follow live events still may."""

    @field_validator("metrics_networks", "trusted_proxies", mode="after")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network)
        return value
