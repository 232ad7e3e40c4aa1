"""What every kind of channel is: where messages go, and in which form.

A kind is one file here, one in `adapters/channels/` (how a message goes out), and a line in each of the two tables.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from shared.core.errors import InvalidInput

Secrets = Mapping[str, str]
"""What a channel has that nobody is shown, by name. It is kept sealed, apart from the channel, and opened for a try only."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is told: an event, here."""

    event_id: str
    event_type: str
    time: dt.datetime
    instance: str
    """Name of the instance that tells."""
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """An event in the form of a channel. It is frozen when it is made: every try sends these bytes."""

    content: bytes
    content_type: str


class Channel(Protocol):
    """Where messages of one subscription go, as far as people may see it. A value: equal channels are the same."""

    kind: ClassVar[str]

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> tuple[Self, Secrets]:
        """A channel out of JSON from outside, and what of it is secret.

        Raises:
            InvalidInput: CHANNEL_INVALID or a finer code, with the rule that is broken.
        """

    @classmethod
    def restore(cls, shown: Mapping[str, Any]) -> Self:
        """A channel that was kept, from what `shown` said."""

    def shown(self) -> dict[str, Any]:
        """Its settings, for people and for the database: nothing secret."""

    def made_secrets(self) -> Secrets:
        """Secrets that we make up for a new channel; they are shown once, to who made it."""

    def message(self, told: Told) -> Message:
        """An event in the form of this channel. Not a question of time: the same event is the same message, always."""


def check_settings(settings: Mapping[str, Any], kind: str, known: frozenset[str]) -> None:
    """Refuse settings that a kind does not have.

    Raises:
        InvalidInput: CHANNEL_INVALID, naming them.
    """
    unknown = sorted(str(name)[:40] for name in set(settings) - known)
    if unknown:
        raise InvalidInput(f"a {kind} channel has no setting {unknown[0]!r}: there are {', '.join(sorted(known))}", "CHANNEL_INVALID")
