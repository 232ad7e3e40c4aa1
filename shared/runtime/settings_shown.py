"""Settings as people see them: what a process goes by, where it came from, what it means. No secret is in it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from shared.runtime.logging import redact

_UNITS = {
    "_bytes_per_second": "bytes/s",
    "_per_minute": "per minute",
    "_per_minute_from_address": "per minute",
    "_seconds": "s",
    "_days": "days",
    "_mib": "MiB",
    "_characters": "characters",
    "_chunks": "chunks of 1 MiB",
}
"""By the end of a setting's name."""
SET, NOT_SET = "set", "not set"
"""All that is said of a secret."""


def as_text(value: Any) -> str | None:
    """A value as it would be written in the environment; passwords in addresses are replaced."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, tuple | list):
        return ",".join(str(as_text(one)) for one in value)
    return redact(str(value.value if isinstance(value, Enum) else value))


def described(key: str, field: FieldInfo, value: Any, origin: str) -> dict[str, Any]:
    """One setting: `{key, value, default, origin, unit, meaning, secret}`."""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    secret = is_secret(field.annotation)
    return {
        "key": key,
        "value": (SET if value else NOT_SET) if secret else as_text(value),
        "default": NOT_SET if secret else as_text(default),
        "origin": origin,
        "unit": unit_of(key),
        "meaning": " ".join((field.description or "").split()),
        "secret": secret,
    }


def unit_of(key: str) -> str | None:
    """The unit in a setting's name."""
    return next((unit for end, unit in _UNITS.items() if key.endswith(end)), None)


def unknown_keys(origins: Mapping[str, str], fields: Mapping[str, FieldInfo]) -> list[str]:
    """Keys that are set and belong to no setting of this process: another service's, or a typing error."""
    return sorted(set(origins) - set(fields))


def is_secret(kind: Any) -> bool:
    """True for a setting whose value is never shown."""
    return kind is SecretStr or any(map(is_secret, get_args(kind)))
