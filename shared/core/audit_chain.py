"""The hash chain of the audit log: how an entry is hashed, and how a run of entries is checked. docs/audit-log.md says the same.

::

    hash of entry N = SHA-256 of its text; the text names N, all that is known of it, and the hash of entry N-1

Whoever changes, removes or moves an entry has to write all later hashes anew; and then a checkpoint says otherwise.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.core.errors import InvalidInput

NOTHING = "0" * 64
"""What stands for the hash before the first entry."""
_LINE = re.compile(r'\{"entry":(\{.*\}),"hash":"([0-9a-f]{64})"\}', re.ASCII)
_MOST_COMPARED = 200
"""Entries that are wrong in themselves and are held against each other, to see whether they stand in each other's place."""


def text_of(fields: Mapping[str, Any]) -> str:
    """The text of an entry that is hashed: JSON, keys sorted, no spaces, everything but ASCII escaped."""
    return json.dumps(dict(fields), sort_keys=True, separators=(",", ":"))


def hash_of(text: str) -> str:
    """SHA-256 of a text of an entry, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the chain: behind this entry."""

    number: int = 0
    hash: str = NOTHING


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it was found: its text, and the hash that was found with it."""

    number: int
    previous: str
    text: str
    hash: str

    @classmethod
    def made(cls, fields: Mapping[str, Any]) -> Link:
        """The link of a new entry, whose fields name its number and the hash before it."""
        text = text_of(fields)
        return cls(fields["number"], fields["previous"], text, hash_of(text))

    @property
    def holds(self) -> bool:
        """True if the text has the hash."""
        return hash_of(self.text) == self.hash

    @property
    def line(self) -> str:
        """The link as one line of an export."""
        return f'{{"entry":{self.text},"hash":"{self.hash}"}}'

    @classmethod
    def of_line(cls, line: str) -> Link:
        """Read a line of an export.

        Raises:
            InvalidInput: AUDIT_LINE_MALFORMED.
        """
        found = _LINE.fullmatch(line.strip())
        try:
            fields = json.loads(found.group(1)) if found else {}
            number, previous = fields["number"], fields["previous"]
        except (ValueError, KeyError, RecursionError) as error:
            raise InvalidInput(f"this is no line of an exported audit log: {line[:60]!r}", "AUDIT_LINE_MALFORMED") from error
        if found is None or type(number) is not int or not isinstance(previous, str):
            raise InvalidInput(f"this is no line of an exported audit log: {line[:60]!r}", "AUDIT_LINE_MALFORMED")
        return cls(number, previous, found.group(1), found.group(2))

    def as_if(self, number: int, previous: str) -> str:
        """The hash that the same entry would have elsewhere."""
        try:
            return hash_of(text_of({**json.loads(self.text), "number": number, "previous": previous}))
        except (ValueError, TypeError, RecursionError):
            return ""


class Wrong(StrEnum):
    """What can be wrong with a chain."""

    EDITED = "edited"
    MISSING = "missing"
    SWAPPED = "swapped"
    MOVED = "moved"
    REWRITTEN = "rewritten"
    CUT = "cut"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, with the numbers that it is about."""

    kind: Wrong
    first: int
    last: int
    detail: str

    def as_json(self) -> dict[str, Any]:
        """For reports."""
        return {"kind": self.kind.value, "first": self.first, "last": self.last, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Anchor:
    """What somebody remembers of the chain: the entry of this number had this hash."""

    number: int
    hash: str
    witness: str
    """Who remembers it, in words."""


def check_run(links: Sequence[Link], after: Position) -> list[Fault]:
    """What is wrong with a run of entries that should follow upon `after`; empty if nothing is."""
    faults, wrong, before, before_holds = [], [], after, True
    for link in links:
        holds = link.holds
        if link.number > before.number + 1:
            faults.append(_missing(before.number + 1, link.number - 1))
        elif link.number <= before.number:
            faults.append(_moved(link.number, f"it stands after entry {before.number}"))
        elif holds and before_holds and link.previous != before.hash:
            faults.append(_rewritten_before(link.number))
        if not holds:
            wrong.append(link)
        before, before_holds = Position(link.number, link.hash), holds
    return sorted([*faults, *_misplaced_or_edited(wrong)], key=lambda fault: (fault.first, fault.last))


def check_anchors(links: Iterable[Link], anchors: Iterable[Anchor], held: int = 0) -> list[Fault]:
    """What the entries say otherwise than who remembers them, told once, at the first difference.

    `held` is the number up to which somebody's memory agreed before.
    """
    found = {link.number: link.hash for link in links}
    told = sorted((anchor for anchor in anchors if anchor.number in found), key=lambda one: one.number)
    differ = [anchor for anchor in told if found[anchor.number] != anchor.hash]
    if not differ:
        return []
    first = differ[0]
    held = max([held, *(one.number for one in told if one.number < first.number)])
    others = f"; so have {len(differ) - 1} more" if len(differ) > 1 else ""
    detail = f"{first.witness} has another hash for entry {first.number}{others}: something from {held + 1} to {first.number} was changed"
    return [Fault(Wrong.REWRITTEN, held + 1, first.number, f"{detail}, and the hashes after it were made anew")]


def check_end(last: int, anchors: Iterable[Anchor]) -> list[Fault]:
    """The log was cut, if somebody remembers entries after its last one."""
    beyond = sorted((anchor.number, anchor.witness) for anchor in anchors if anchor.number > last)
    if not beyond:
        return []
    number, witness = beyond[-1]
    return [Fault(Wrong.CUT, last + 1, number, f"the end was cut after entry {last}: {witness} knows of entry {number}")]


def _misplaced_or_edited(wrong: Sequence[Link]) -> list[Fault]:
    """Entries that have not their hash: they stand in another's place, or they were edited."""
    places = {link.number: place for link in wrong[:_MOST_COMPARED] if (place := _place_of(link, wrong)) is not None}
    faults = []
    for link in wrong:
        place = places.get(link.number)
        if place is None:
            faults.append(Fault(Wrong.EDITED, link.number, link.number, f"entry {link.number} was edited: it has not the hash that it had"))
        elif places.get(place) != link.number:
            faults.append(_moved(link.number, f"what stands there is entry {place}"))
        elif link.number < place:
            faults.append(Fault(Wrong.SWAPPED, link.number, place, f"entries {link.number} and {place} are swapped"))
    return faults


def _place_of(link: Link, wrong: Sequence[Link]) -> int | None:
    """The number that an entry had, if it is that of another wrong one or the next to its own."""
    for other in wrong[:_MOST_COMPARED]:
        was_there = other.hash == link.as_if(other.number, other.previous) or link.hash == link.as_if(other.number, link.previous)
        if other.number != link.number and was_there:
            return other.number
    beside = (link.number + 1, link.number - 1)
    return next((number for number in beside if link.hash == link.as_if(number, link.previous)), None)


def _missing(first: int, last: int) -> Fault:
    said = f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
    return Fault(Wrong.MISSING, first, last, said)


def _moved(number: int, how: str) -> Fault:
    return Fault(Wrong.MOVED, number, number, f"entry {number} is out of its place: {how}")


def _rewritten_before(number: int) -> Fault:
    if number == 1:
        return Fault(Wrong.REWRITTEN, 1, 1, "entry 1 follows upon something; it should be the first")
    detail = f"entry {number - 1} was changed together with its hash: entry {number} follows upon another one"
    return Fault(Wrong.REWRITTEN, number - 1, number - 1, detail)
