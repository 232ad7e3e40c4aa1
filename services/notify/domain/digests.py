"""A digest: what one mail tells of, the first in full, the rest by numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.notify.domain.channels.base import Told
from services.notify.domain.facts import visible
from services.notify.domain.sentences import Said, Weight, said, weight_of

IN_FULL = 40
"""So many events stand in a mail with a sentence each; the others are counted."""
_MOST_IN_SUBJECT = 120
_ORDER = (Weight.ALARM, Weight.WARNING, Weight.NEWS)


def in_full(deliveries: Sequence[tuple[str, str]]) -> Sequence[str]:
    """Of deliveries, as (id, type of event), those that are told in full: alarms before news, then the first; in their order."""
    by_weight = sorted(range(len(deliveries)), key=lambda place: (_ORDER.index(weight_of(deliveries[place][1])), place))
    return [deliveries[place][0] for place in sorted(by_weight[:IN_FULL])]


def alone(told: Told) -> Digest:
    """A digest of one event, under its id."""
    return Digest(told.event_id, told.instance, [told], {told.event_type: 1})


@dataclass(frozen=True, slots=True)
class Digest:
    """Events that go out together. It is frozen when the mail is written: nothing comes to it later."""

    digest_id: str
    """The same at every try; the mail's `Message-ID` is made from it."""
    instance: str
    first: Sequence[Told]
    """The first of them, oldest first, at most `IN_FULL`."""
    numbers: Mapping[str, int]
    """How many of each type there are altogether."""

    @property
    def total(self) -> int:
        """How many events."""
        return sum(self.numbers.values())

    @property
    def rest(self) -> Mapping[str, int]:
        """How many of each type are not among the first, most first."""
        left = dict(self.numbers)
        for told in self.first:
            left[told.event_type] -= 1
        return dict(sorted(((one, number) for one, number in left.items() if number > 0), key=lambda it: (-it[1], it[0])))

    def lines(self) -> Sequence[tuple[Told, Said]]:
        """The first, in words, in the order in which they happened."""
        return [(told, said(told)) for told in self.first]

    @property
    def subject(self) -> str:
        """What the mail is about: the weightiest of what is in it."""
        lines = self.lines()
        foremost = min((line for _, line in lines), key=lambda line: _ORDER.index(line.weight))
        mark = "Alarm: " if foremost.weight is Weight.ALARM else ""
        more = f", and {self.total - 1} more" if self.total > 1 else ""
        return f"[{visible(self.instance)}] {mark}{visible(foremost.headline, _MOST_IN_SUBJECT)}{more}"
