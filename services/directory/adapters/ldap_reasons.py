"""Why a directory refused somebody: for the log, never for the caller.

A simple bind has one code for almost everything (49). Active Directory hides the reason in the diagnostic text
(`AcceptSecurityContext error, data 775`); servers with password policies say it in a control of the answer
(draft-behera-ldap-password-policy, `1.3.6.1.4.1.42.2.27.8.5.1`), if they are asked and willing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - an object identifier
INVALID_CREDENTIALS = 49
REFUSING_CODES = frozenset({19, 32, 48, INVALID_CREDENTIALS, 50, 53})
"""Answers to a bind that are about who asks, not about the server (RFC 4511, appendix A)."""
_OTHER_REASONS = {19: "locked", 32: "unknown_dn", 48: "no_password", 50: "not_allowed", 53: "inactive"}
_WINDOWS_CODE = re.compile(r"\bdata ([0-9a-fA-F]{1,8})\b")
_WINDOWS_REASONS = {
    "525": "unknown",
    "52e": "wrong_password",
    "530": "not_at_this_time",
    "531": "not_from_here",
    "532": "password_expired",
    "533": "disabled",
    "701": "account_expired",
    "773": "password_must_change",
    "775": "locked",
}
_POLICY_REASONS = {0: "password_expired", 1: "locked", 2: "password_must_change"}
_POLICY_ERROR_TAG = 0x81


def refusal_of(result: Mapping[str, Any]) -> str | None:
    """The reason for which an answer to a bind refuses; none if it lets in.

    A password that must be changed first lets nobody in, although the bind succeeds: here it cannot be changed.
    """
    code, policy = result["result"], _policy_error(result.get("controls"))
    if policy in _POLICY_REASONS:
        return _POLICY_REASONS[policy]
    if code == 0:
        return None
    windows = _WINDOWS_CODE.search(str(result.get("message", "")))
    if windows:
        return _WINDOWS_REASONS.get(windows.group(1).lower(), f"data_{windows.group(1).lower()}")
    return _OTHER_REASONS.get(code, "wrong_password")


def _policy_error(controls: Any) -> int | None:
    control = controls.get(PASSWORD_POLICY) if isinstance(controls, Mapping) else None
    value = control.get("value") if isinstance(control, Mapping) else None
    if not isinstance(value, bytes):
        return None
    return next((content[0] for tag, content in _parts(value[2:]) if tag == _POLICY_ERROR_TAG and content), None)


def _parts(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and contents of a BER sequence's parts, all shorter than 128 bytes, as those of this control are."""
    while len(encoded) >= 2:  # noqa: PLR2004 - a tag and a length
        end = 2 + encoded[1]
        yield encoded[0], encoded[2:end]
        encoded = encoded[end:]
