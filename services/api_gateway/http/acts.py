"""Acts at the doors: whoever changes something through the Admin API is written down, with what came of it, in one place for all doors.

::

    answered ──▶ a known person changed something ──▶ one event for each call
             ├─▶ somebody was refused at the door ┐   one event at once, and one for all others like it
             └─▶ a known person read what is read ┘   (same address, same code) in the next ten minutes,
                 again and again (the audit log)      with how many they were

The second kind is counted, so that nobody fills the disk by being refused.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Response, g, request

from shared.contracts.events import DoorActedV1

WINDOW_SECONDS = 600.0
"""For so long what is counted is counted together."""
MOST_COUNTED = 50
"""Addresses that are counted apart; all others together."""
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_OPERATIONS: dict[tuple[str, str], str] = {
    ("POST", "/api/v1/session/oidc"): "begin_log_in",
    ("POST", "/api/v1/session/oidc/callback"): "log_in_by_oidc",
    ("POST", "/api/v1/subscriptions"): "subscribe",
    ("PATCH", "/api/v1/subscriptions/{subscription_id}"): "change_subscription",
    ("POST", "/api/v1/subscriptions/{subscription_id}/pause"): "pause_subscription",
    ("POST", "/api/v1/subscriptions/{subscription_id}/resume"): "resume_subscription",
    ("POST", "/api/v1/subscriptions/{subscription_id}/owner"): "take_over_subscription",
    ("POST", "/api/v1/subscriptions/{subscription_id}/secret"): "rotate_secret",
    ("POST", "/api/v1/subscriptions/{subscription_id}/test"): "test_subscription",
    ("POST", "/api/v1/subscriptions/{subscription_id}/replay"): "replay_events",
    ("POST", "/api/v1/deliveries/{delivery_id}/replay"): "replay_delivery",
    ("DELETE", "/api/v1/subscriptions/{subscription_id}"): "unsubscribe",
    ("POST", "/api/v1/subscriptions/{subscription_id}/jamf/test"): "try_jamf",
    ("POST", "/api/v1/subscriptions/{subscription_id}/jamf/distribution-point"): "register_jamf_point",
    ("POST", "/api/v1/subscriptions/{subscription_id}/jamf/record"): "record_in_jamf",
    ("POST", "/api/v1/tokens"): "create_token",
    ("DELETE", "/api/v1/tokens/{token_id}"): "revoke_token",
    ("POST", "/api/v1/instance/rotate-key"): "rotate_key",
    ("PUT", "/api/v1/packages/{name}"): "upload",
    ("POST", "/api/v1/packages"): "upload",
    ("POST", "/api/v1/packages/{reference}/tags"): "retag",
    ("POST", "/api/v1/packages/{reference}/promote"): "promote",
    ("DELETE", "/api/v1/packages/{reference}"): "delete_package",
    ("POST", "/api/v1/packages/{reference}/undelete"): "undelete_package",
    ("POST", "/api/v1/packages/{reference}/raise"): "raise_package",
    ("POST", "/api/v1/names/{name}/rollback"): "roll_back",
    ("POST", "/api/v1/promotions/{promotion_id}/approve"): "approve_promotion",
    ("POST", "/api/v1/promotions/{promotion_id}/reject"): "reject_promotion",
    ("POST", "/api/v1/invitations"): "invite",
    ("POST", "/api/v1/peers"): "join",
    ("PATCH", "/api/v1/peers/{peer_id}"): "change_peer",
    ("DELETE", "/api/v1/peers/{peer_id}"): "revoke_peer",
    ("POST", "/api/v1/peers/pull"): "pull",
    ("PATCH", "/api/v1/transfers/{transfer_id}"): "prioritise_transfer",
    ("POST", "/api/v1/dead-letters/replay"): "replay_dead_letter",
    ("DELETE", "/api/v1/dead-letters/{letter_id}"): "discard_dead_letter",
}
"""What changing calls are called in the log. One that is not here is called after its function: nothing is left out."""
_READING: dict[tuple[str, str], str] = {
    ("GET", "/api/v1/audit/export"): "export_audit",
    ("GET", "/api/v1/audit"): "read_audit",
    ("GET", "/api/v1/session/oidc/callback"): "log_in_by_oidc",
}
"""Calls by GET that are written down all the same."""
_COUNTED = frozenset({"read_audit", "verify_audit", "begin_log_in"})
"""Operations that programs repeat, or anybody can do."""
_PARAMETER = re.compile(r"<(?:[^<>:]+:)?([^<>]+)>")
_NAMES_IN_ANSWERS = ("name", "package_id", "token_id", "subscription_id", "peer_id", "transfer_id", "upload_id", "promotion_id")
_MOST_READ = 1 << 20
_REFUSED = "refused"


@dataclass
class _Count:
    """Calls that are told of together."""

    first: DoorActedV1
    more: int = 0


@dataclass
class Acts:
    """Says what was done at the doors."""

    say: Callable[[DoorActedV1], None]
    """Has an event written down for good; does not raise."""
    clock: Callable[[], float]
    """Seconds, monotonic."""
    _counts: dict[tuple[str, str, str], _Count] = field(default_factory=dict)
    _until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, response: Response) -> None:
        """The present request was answered with this."""
        for event in [*self._ended_window(), *self._to_say(response)]:
            self.say(event)

    def flush(self) -> None:
        """Say what was counted so far: the gateway stops."""
        with self._lock:
            self._until = 0.0
        for event in self._ended_window():
            self.say(event)

    def _to_say(self, response: Response) -> list[DoorActedV1]:
        act = act_of(response)
        if act is None:
            return []
        if act.operation != _REFUSED and act.operation not in _COUNTED:
            return [act]
        return self._counted(act)

    def _counted(self, act: DoorActedV1) -> list[DoorActedV1]:
        """The act, if it is the first of its kind in this window."""
        key = (act.operation, act.address, act.person or act.code or "")
        with self._lock:
            if key not in self._counts and len(self._counts) >= MOST_COUNTED:
                key = (act.operation, "", "")
                act = replace_act(act, address="several", person=None, token_id=None, session_id=None, subject=None)
            if key in self._counts:
                self._counts[key].more += 1
                return []
            self._counts[key] = _Count(act)
        return [act]

    def _ended_window(self) -> list[DoorActedV1]:
        with self._lock:
            if self.clock() < self._until:
                return []
            ended, self._counts = self._counts, {}
            self._until = self.clock() + WINDOW_SECONDS
        return [replace_act(count.first, times=count.more) for count in ended.values() if count.more]


def replace_act(act: DoorActedV1, **changes: Any) -> DoorActedV1:
    """The act with other values."""
    return act.model_copy(update=changes)


def about(subject: str | None = None, **details: str) -> None:
    """Say what the present call is about, if neither its path nor its answer does."""
    g.act_subject, g.act_details = subject, details


def act_of(response: Response) -> DoorActedV1 | None:
    """What the present call was, for the audit log; none if it is not to be written down."""
    if request.url_rule is None or not request.path.startswith("/api/"):
        return None
    person, path = g.get("person"), _PARAMETER.sub(r"{\1}", request.url_rule.rule)
    operation = _operation(path)
    if person is None and response.status_code >= 400:  # noqa: PLR2004 - the errors
        operation = _REFUSED
    if operation is None:
        return None
    # Whom directory refused is known by the refusal, and to nobody but the log.
    answer, principal = _json_of(response), g.get("principal") or g.get("refused") or {}
    person = person or principal.get("person")
    if person is None and isinstance(answer.get("person"), str):
        person = answer["person"]  # who logged in is known by the answer only
    return DoorActedV1(
        operation=operation[:60],
        method=request.method,
        path=path[:300],
        person=person,
        token_id=principal.get("token_id"),
        session_id=principal.get("session_id"),
        address=str(g.get("address") or request.remote_addr or "unknown"),
        subject=_subject(answer),
        status=response.status_code,
        code=str(answer["code"])[:80] if response.status_code >= 400 and "code" in answer else None,  # noqa: PLR2004
        details={name: str(value)[:300] for name, value in g.get("act_details", {}).items()},
    )


def _operation(path: str) -> str | None:
    key = (request.method, path)
    if request.method in _CHANGING:
        return _OPERATIONS.get(key) or str(request.endpoint or "unknown").rsplit(".", 1)[-1]
    return _READING.get(key)


def _subject(answer: dict[str, Any]) -> str | None:
    """What the call said that it is about; else what is in the path; else the name of what was made. Nothing that is secret."""
    said = g.get("act_subject")
    if said:
        return str(said)[:300]
    if request.view_args:
        return str(next(iter(request.view_args.values())))[:300]
    return next((str(answer[name])[:300] for name in _NAMES_IN_ANSWERS if answer.get(name)), None)


def _json_of(response: Response) -> dict[str, Any]:
    if response.is_streamed or not response.is_json or (response.content_length or 0) > _MOST_READ:
        return {}
    document = response.get_json(silent=True)
    return document if isinstance(document, dict) else {}
