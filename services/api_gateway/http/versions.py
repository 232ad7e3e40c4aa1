"""Rolling back: which version of a name comes before the current one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.core.errors import Conflict, NotFound

_CURRENT = ("wanted", "published")
_GOOD = ("published", "superseded")


def version_before(history: Sequence[dict[str, Any]]) -> str:
    """The `package_id` of the newest version that was made before the current one and whose bytes are here.

    Made before, not current before: so rolling back twice goes back two versions, and never forward again. `history` has the
    versions of a name by falling precedence, as storage lists them. Where the current one was deleted, the newest that is left is meant.

    Raises:
        Conflict: NOTHING_BEFORE, if there is none.
    """
    current = next((package for package in history if package["state"] in _CURRENT), None)
    older = [one for one in history if _can_be_had(one) and (current is None or (one is not current and _is_older(one, current)))]
    if not older:
        raise Conflict("no earlier version has its bytes here: see the history, and name the one that is to be with `to`", "NOTHING_BEFORE")
    return str(max(older, key=lambda package: package["created"])["package_id"])


def version_named(history: Sequence[dict[str, Any]], package_id: str) -> str:
    """`package_id`, if it is a version of that name.

    Raises:
        NotFound: if it is not.
    """
    if package_id not in (package["package_id"] for package in history):
        raise NotFound(f"{package_id[:60]!r} is no version of that name: see its history")
    return package_id


def _can_be_had(package: dict[str, Any]) -> bool:
    return package["state"] in _GOOD and bool(package["bytes_here"])


def _is_older(package: dict[str, Any], current: dict[str, Any]) -> bool:
    # Times are shown in whole seconds. Within one the order of the history decides, which a raised version does not keep.
    if package["created"] == current["created"]:
        return not current["raised"]
    return bool(package["created"] < current["created"])
