"""What the doors need from outside."""

from __future__ import annotations

from typing import Any, Protocol

from shared.contracts.events import Event


class Services(Protocol):
    """The other services, over RPC."""

    def call(self, service: str, method: str, /, *, _timeout_seconds: float | None = None, **arguments: Any) -> Any:
        """Ask a service.

        Raises:
            OdstError: whatever it refused with, or that it is not there.
        """


class Events(Protocol):
    """Where events of the gateway go."""

    def dispatch(self, event: Event) -> None:
        """Have it said, now or later; does not raise."""
