"""Webhooks: JSON that is posted to a URL, signed by Standard Webhooks."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from services.notify.domain import signing
from services.notify.domain.channels.base import Message, Secrets, Told, check_settings
from services.notify.domain.targets import checked_url
from shared.core.times import rfc3339

MAX_BODY_BYTES = 20_000
"""Standard Webhooks asks for small payloads; larger ones are refused by some receivers."""
CUT_CHARACTERS = 400
"""In a body that would be too large, longer texts are cut after so many characters; and if that is not enough, values that are not short
are left out. `cut` names what is not whole."""
_SHORT_BYTES = 100
SECRET, FORMER, FORMER_UNTIL = "secret", "former", "former_until"
"""The secret that signs; the one before, and until when that signs too (RFC 3339)."""


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """A URL. The secret parts are the secret that signs, and for a time after a rotation the one before."""

    kind: ClassVar[str] = "webhook"
    url: str

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> tuple[Self, Secrets]:
        """A webhook out of `{url}`.

        Raises:
            InvalidInput: CHANNEL_INVALID, WEBHOOK_URL_INVALID.
        """
        check_settings(settings, cls.kind, frozenset({"url"}))
        return cls(checked_url(settings.get("url"))), {}

    @classmethod
    def restore(cls, shown: Mapping[str, Any]) -> Self:
        """A webhook that was kept."""
        return cls(str(shown["url"]))

    def shown(self) -> dict[str, Any]:
        """`{url}`."""
        return {"url": self.url}

    def made_secrets(self) -> Secrets:
        """A new secret, in the form that receivers paste."""
        return {SECRET: signing.new_secret()}

    def message(self, told: Told) -> Message:
        """The body: `{type, timestamp, instance, data}`, under 20 KB; with `cut` if something of the data is not whole."""
        document = {"type": told.event_type, "timestamp": _timestamp(told.time), "instance": told.instance}
        return Message(_body(document, told.data), "application/json")


def rotated(secrets: Secrets, now: dt.datetime, overlap: dt.timedelta) -> Secrets:
    """Secrets with a new one that signs; the one that did until now signs too for the time of `overlap`."""
    return {SECRET: signing.new_secret(), FORMER: secrets[SECRET], FORMER_UNTIL: rfc3339(now + overlap)}


def signing_secrets(secrets: Secrets, now: dt.datetime) -> tuple[str, ...]:
    """The secrets that sign at this time, the newest first."""
    if FORMER in secrets and now < dt.datetime.fromisoformat(secrets[FORMER_UNTIL]):
        return secrets[SECRET], secrets[FORMER]
    return (secrets[SECRET],)


def _body(document: dict[str, Any], data: Mapping[str, Any]) -> bytes:
    whole = _encode(document | {"data": dict(data)})
    if len(whole) < MAX_BODY_BYTES:
        return whole
    cut = {key: value[:CUT_CHARACTERS] if isinstance(value, str) else value for key, value in data.items()}
    body = _encode(document | {"data": cut, "cut": _differing(data, cut)})
    if len(body) < MAX_BODY_BYTES:
        return body
    short = {key: value for key, value in cut.items() if len(_encode(value)) <= _SHORT_BYTES}
    return _encode(document | {"data": short, "cut": _differing(data, short)})


def _differing(whole: Mapping[str, Any], cut: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in whole if key not in cut or cut[key] != whole[key])


def _encode(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _timestamp(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
