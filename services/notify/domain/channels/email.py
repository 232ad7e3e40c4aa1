"""Mail to one person: what happens within a time is one mail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Self

from email_validator import EmailNotValidError, validate_email

from services.notify.domain.channels.base import Message, Secrets, Told, check_settings
from services.notify.domain.channels.unshaped import unshaped
from shared.core.errors import InvalidInput

_MOST_CHARACTERS = 254


class Pace(StrEnum):
    """How often somebody gets mail at most."""

    AT_ONCE = "at_once"
    """After the short time in which what belongs together comes together."""
    HOURLY = "hourly"
    DAILY = "daily"


@dataclass(frozen=True, slots=True)
class EmailChannel:
    """An address and a pace. Nothing of it is secret."""

    kind: ClassVar[str] = "email"
    to: str
    pace: Pace = Pace.AT_ONCE

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> tuple[Self, Secrets]:
        """An address out of `{to, pace?}`.

        Raises:
            InvalidInput: CHANNEL_INVALID, ADDRESS_INVALID.
        """
        check_settings(settings, cls.kind, frozenset({"to", "pace"}))
        pace = settings.get("pace", Pace.AT_ONCE.value)
        if pace not in tuple(Pace):
            raise InvalidInput(f"the pace of mail is one of {', '.join(Pace)}", "CHANNEL_INVALID")
        return cls(checked_address(settings.get("to")), Pace(pace)), {}

    @classmethod
    def restore(cls, shown: Mapping[str, Any]) -> Self:
        """One that was kept."""
        return cls(str(shown["to"]), Pace(shown["pace"]))

    def shown(self) -> dict[str, Any]:
        """`{to, pace}`."""
        return {"to": self.to, "pace": self.pace.value}

    def made_secrets(self) -> Secrets:
        """None."""
        return {}

    def message(self, told: Told) -> Message:
        """The event, to become a part of a digest."""
        return unshaped(told)


def checked_address(value: Any) -> str:
    """An address of mail, by its form alone: what is left of the @ in ASCII, an international domain as `xn--…`.

    Raises:
        InvalidInput: ADDRESS_INVALID, with the rule that it breaks.
    """
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_CHARACTERS:
        raise InvalidInput(f"an address of mail is a text of 1 to {_MOST_CHARACTERS} characters", "ADDRESS_INVALID")
    try:
        read = validate_email(value, allow_smtputf8=False, check_deliverability=False)
    except EmailNotValidError as error:
        raise InvalidInput(f"this is no address of mail: {error}", "ADDRESS_INVALID") from error
    return read.ascii_email or read.normalized
