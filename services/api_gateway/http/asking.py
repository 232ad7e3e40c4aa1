"""One question to every service that answers it, side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from services.api_gateway.ports import Services
from shared.contracts.rpc import ANSWERS
from shared.core.errors import OdstError

_PATIENCE_SECONDS = 5.0


def ask_all(services: Services, method: str) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What each answered, and who did not: because it is away, or failed, or is of a version that does not know the question yet."""
    asked = [service for service, methods in ANSWERS.items() if method in methods]

    def ask(service: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = services.call(service, method, _timeout_seconds=_PATIENCE_SECONDS)
        except OdstError:
            return None
        return found

    with ThreadPoolExecutor(len(asked)) as pool:
        answers = dict(zip(asked, pool.map(ask, asked), strict=True))
    return {service: found for service, found in answers.items() if found is not None}, [one for one in asked if answers[one] is None]
