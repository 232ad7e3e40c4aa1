"""Why Jamf Pro did not do what was asked, in words that say what to do."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from services.notify.domain.deliveries import escaped
from services.notify.ports import WebAnswer
from shared.core.errors import OutsideFailed

_LONGEST = 200
_ACTIONS = {"GET": "Read", "POST": "Create", "PUT": "Update", "PATCH": "Update"}


class JamfFailed(OutsideFailed):
    """No success. `status` is what the server answered, if it did; `retry_after` the seconds that it asks for."""

    def __init__(self, message: str = "", status: int | None = None, retry_after: float = 0, code: str | None = None) -> None:
        super().__init__(message, code)
        self.status, self.retry_after = status, retry_after


class JamfDuplicate(JamfFailed):
    """Another record has what must be unique: one that was made just now, maybe, at another node of theirs."""


def unreached(error: str | None) -> JamfFailed:
    """There was no answer."""
    text = escaped(error or "there was no answer", _LONGEST)
    what = "; for an authority of your own, ODST_WEBHOOK_CA_FILE" if "CERTIFICATE" in text.upper() else ""
    return JamfFailed(f"Jamf Pro cannot be reached: {text}{what}")


def failed(method: str, path: str, answer: WebAnswer, retry_after: float) -> JamfFailed:
    """The server answered something else than a success."""
    status, where = answer.status or 0, f"{method} {path.partition('?')[0]}"
    if status == HTTPStatus.UNAUTHORIZED:
        return JamfFailed(f"Jamf Pro refuses its own token at {where}: is the client disabled?", status)
    if status == HTTPStatus.FORBIDDEN:
        return JamfFailed(f"Jamf Pro does not let us {where}: the role needs the privilege {privilege(method, path)!r}", status)
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return JamfFailed(f"Jamf Pro is busy or starting (it answered {status} to {where})", status, retry_after)
    said, is_duplicate = _said(answer.content)
    kind = JamfDuplicate if is_duplicate or status == HTTPStatus.CONFLICT else JamfFailed
    return kind(f"Jamf Pro answered {status} to {where}{': ' if said else ''}{said}", status, retry_after)


def privilege(method: str, path: str) -> str:
    """What a role needs for this."""
    what = "Packages" if "/packages" in path else "Distribution Points"
    return f"{_ACTIONS.get(method, method)} {what}"


def _said(content: bytes) -> tuple[str, bool]:
    """The faults that an answer names, and whether one is a duplicate."""
    try:
        document: Any = json.loads(content)
        faults = [fault for fault in document["errors"] if isinstance(fault, dict)]
    except (ValueError, KeyError, TypeError):
        return escaped(content[:_LONGEST].decode("utf-8", "replace"), _LONGEST), b"uplicate" in content[:2000]
    texts = [" ".join(str(fault.get(name) or "") for name in ("code", "field", "description")).strip() for fault in faults]
    return escaped("; ".join(texts), _LONGEST), any(fault.get("code") == "DUPLICATE_FIELD" for fault in faults)
