"""What became of what was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.notify.domain.deliveries import DeliveryState
from services.notify.handlers.describing import describe_delivery, describe_tries
from services.notify.ports import Deliveries, DeliverySearch
from shared.core.errors import InvalidInput, NotFound

MAX_PAGE = 1000


@dataclass
class DeliveryLog:
    """Questions about deliveries."""

    deliveries: Deliveries

    def listed(self, limit: int, after: str | None = None, filters: Mapping[str, str | None] | None = None) -> dict[str, Any]:
        """A page of deliveries, newest first: `{items, next}`.

        Raises:
            InvalidInput: STATE_INVALID, CURSOR_INVALID.
        """
        search = DeliverySearch(**{name: value for name, value in (filters or {}).items() if value is not None})
        if search.state is not None and search.state not in tuple(DeliveryState):
            raise InvalidInput(f"a delivery is {', '.join(DeliveryState)}", "STATE_INVALID")
        found, following = self.deliveries.listed(search, after, max(1, min(MAX_PAGE, limit)))
        return {"items": [describe_delivery(one) for one in found], "next": following}

    def show(self, delivery_id: str) -> dict[str, Any]:
        """One, with its tries.

        Raises:
            NotFound: if there is none.
        """
        found = self.deliveries.find(delivery_id)
        if found is None:
            raise NotFound(f"there is no delivery {str(delivery_id)[:40]!r}; old ones are forgotten")
        return describe_tries(*found)

    def figures(self) -> Mapping[str, int]:
        """Counts for metrics and status."""
        return self.deliveries.counts()
