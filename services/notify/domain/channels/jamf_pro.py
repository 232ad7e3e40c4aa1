"""Jamf Pro: package records are kept in step with what can be downloaded here.

The message of a delivery only says which package it is about: what is written is decided when it goes out, from what is true then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from services.notify.domain.channels.base import Message, Secrets, Told, check_settings
from services.notify.domain.targets import checked_url
from shared.core.errors import InvalidInput

MD5, SHA_512 = "MD5", "SHA_512"
NO_LOGIN, BASIC_LOGIN = "NONE", "USERNAME_PASSWORD"
DEFAULT_CONTEXT = "CasperShare"
CLIENT_SECRET, PASSWORD, DOWNLOAD_PASSWORD, FOR_URL = "client_secret", "password", "download_password", "for_url"
"""What is secret; and for which server it was given, so that a change of the address does not carry it elsewhere."""
_SECRETS = (CLIENT_SECRET, PASSWORD, DOWNLOAD_PASSWORD)
_TEXTS = ("client_id", "username", "category_id", "point_name", "public_url", "context", "download_username", "info", "notes")
_CHOICES = {"hash": (SHA_512, MD5), "security": (NO_LOGIN, BASIC_LOGIN)}
_LONGEST_TEXT = 500
_PRIORITIES = range(1, 21)


@dataclass(frozen=True, slots=True)
class JamfChannel:
    """A Jamf Pro server, what new records get there, and how this instance is a distribution point."""

    kind: ClassVar[str] = "jamf_pro"
    url: str
    client_id: str | None = None
    """Of an API client; or else a `username`."""
    username: str | None = None
    hash: str = SHA_512
    """Which hash records get: SHA_512 or MD5."""
    category_id: str = "-1"
    """Of new records; -1 for none."""
    priority: int = 10
    """Of new records, 1 to 20."""
    reboot_required: bool = False
    info: str | None = None
    notes: str | None = None
    dry_run: bool = False
    """Nothing is written there; deliveries say what would be."""
    point_name: str | None = None
    """Of the distribution point; the instance's name, if not given."""
    public_url: str | None = None
    """Where Macs reach this instance; ODST_PUBLIC_URL, if not given."""
    context: str = DEFAULT_CONTEXT
    security: str = NO_LOGIN
    """Whether downloads ask for a name and a password: NONE or USERNAME_PASSWORD."""
    download_username: str | None = None

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> tuple[Self, Secrets]:
        """A server out of JSON from outside; a setting that is null is as if it were not there.

        Raises:
            InvalidInput: CHANNEL_INVALID, WEBHOOK_URL_INVALID.
        """
        check_settings(settings, cls.kind, frozenset({*cls.__dataclass_fields__, *_SECRETS}))
        given = {name: value for name, value in settings.items() if value is not None}
        secrets = {name: _text(name, given.pop(name)) for name in _SECRETS if name in given}
        url = checked_url(given.pop("url", None)).rstrip("/")
        _check(url.lower().startswith("https://"), "its url begins with https://: a secret is sent there")
        for name, value in given.items():
            _check_setting(name, value)
        _check(("client_id" in given) != ("username" in given), "it has a client_id or a username, one of the two")
        wants_login = given.get("security") == BASIC_LOGIN
        _check(wants_login == ("download_username" in given), f"download_username goes with security {BASIC_LOGIN}, and only with it")
        if "public_url" in given:
            given["public_url"] = checked_url(given["public_url"]).rstrip("/")
        return cls(url, **given), {**secrets, FOR_URL: url} if secrets else {}

    @classmethod
    def restore(cls, shown: Mapping[str, Any]) -> Self:
        """A server that was kept."""
        return cls(**shown)

    def shown(self) -> dict[str, Any]:
        """All settings but the secrets."""
        return asdict(self)

    def made_secrets(self) -> Secrets:
        """None: what is secret is Jamf's."""
        return {}

    def message(self, told: Told) -> Message:
        """Which package it is about; nothing that could be out of date when it goes out."""
        document = {"type": told.event_type, "package_id": told.data.get("package_id"), "name": told.data.get("name")}
        return Message(json.dumps(document).encode(), "application/json")

    def check_secrets(self, secrets: Secrets) -> None:
        """Refuse to go without what is needed, or to carry it to another server than it was given for.

        Raises:
            InvalidInput: CHANNEL_SECRET_NEEDED.
        """
        needed = [CLIENT_SECRET if self.client_id else PASSWORD, *([DOWNLOAD_PASSWORD] if self.security == BASIC_LOGIN else [])]
        missing = [name for name in needed if name not in secrets]
        if missing:
            raise InvalidInput(f"this jamf_pro channel needs the setting {missing[0]}", "CHANNEL_SECRET_NEEDED")
        if secrets.get(FOR_URL) != self.url:
            raise InvalidInput(f"the server is another one: give {' and '.join(needed)} again, for it", "CHANNEL_SECRET_NEEDED")


def _check_setting(name: str, value: Any) -> None:
    if name in _TEXTS:
        _text(name, value)
    elif name in _CHOICES:
        _check(value in _CHOICES[name], f"its {name} is one of {', '.join(_CHOICES[name])}")
    elif name == "priority":
        _check(type(value) is int and value in _PRIORITIES, "its priority is a number from 1 to 20")
    else:
        _check(isinstance(value, bool), f"its {name} is true or false")
    if name == "category_id":
        _check(value == "-1" or value.isdecimal(), "its category_id is the number of a category, as text, or -1")
    if name == "context":
        is_path = bool(value.strip("/")) and all(sign.isalnum() or sign in "-_./" for sign in value)
        _check(is_path, "its context is a path such as CasperShare")


def _text(name: str, value: Any) -> str:
    is_line = isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT and value.isprintable()
    _check(is_line, f"its {name} is a line of visible characters")
    return str(value)


def _check(holds: bool, rule: str) -> None:  # noqa: FBT001 - a condition and what it is about
    if not holds:
        raise InvalidInput(f"this jamf_pro channel cannot be used: {rule}", "CHANNEL_INVALID")
