"""What the bus needs to know, carried to Nameko's extensions in its configuration dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.runtime.bus import topology
from shared.runtime.bus.publisher import Publisher

_KEY = "ODST_BUS"


@dataclass(frozen=True, slots=True)
class BusSettings:
    """Where the broker is, and the limits."""

    amqp_uri: str
    retry_delays_seconds: tuple[float, ...] = (1, 5, 30, 120, 600)
    timeout_seconds: float = 10
    heartbeat_seconds: int = 20

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> BusSettings:
        """Read from a Nameko configuration."""
        settings = config[_KEY]
        assert isinstance(settings, cls)
        return settings

    def nameko_config(self, max_workers: int) -> dict[str, Any]:
        """Nameko's own configuration dictionary for one container."""
        return {
            _KEY: self,
            "AMQP_URI": self.amqp_uri,
            "HEARTBEAT": self.heartbeat_seconds,
            "max_workers": max_workers,
            "TRANSPORT_OPTIONS": {"connect_timeout": self.timeout_seconds},
        }

    def publisher(self, service: str) -> Publisher:
        """A publisher that declares all that `service` dispatches to and handles."""
        return Publisher(
            self.amqp_uri,
            timeout_seconds=self.timeout_seconds,
            declare=topology.declared_by(service, self.retry_delays_seconds),
        )
