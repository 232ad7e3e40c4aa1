"""Gives service methods the identity of the event that they handle."""

from __future__ import annotations

import datetime as dt
from typing import Any

from nameko.extensions import DependencyProvider

from shared.contracts.happening import Happening


class HappeningProvider(DependencyProvider):  # type: ignore[misc]
    """What `self.happening` is inside a method with `@handles`; None inside one that answers."""

    def get_dependency(self, worker_ctx: Any) -> Happening | None:
        """Read what `@handles` put into the worker's context; without a time, the event happened just now."""
        event_id = worker_ctx.data.get("event_id")
        if event_id is None:
            return None
        text = worker_ctx.data.get("event_time")
        time = dt.datetime.fromisoformat(text) if text else dt.datetime.now(dt.UTC)
        return Happening(event_id, time, worker_ctx.data.get("correlation_id") or "")
