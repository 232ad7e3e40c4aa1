"""Checking the audit log against itself, against what is remembered of it here, and against what peers hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from services.directory.ports import AuditLog, Checkpoints, CheckpointSigner, Head, Seals, SealUnreadable
from shared.core.audit_chain import Anchor, Fault, Link, Position, Wrong, check_anchors, check_end, check_run
from shared.core.errors import InvalidInput, RecordInvalid

PORTION = 5000
"""Entries that are checked at once, but for sealed files, which are read whole."""
_MOST_FAULTS = 100
_PLACE = re.compile(r"([0-9]{1,18})\.([0-9a-f]{64})\.([0-9]{1,18})", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a check has come: behind this entry; and up to which one something else agreed with the chain."""

    at: Position
    held: int

    def __str__(self) -> str:
        return f"{self.at.number}.{self.at.hash}.{self.held}"

    @classmethod
    def read(cls, text: Any) -> _Place:
        if text is None:
            return cls(Position(), 0)
        found = _PLACE.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise InvalidInput("the cursor in `after` is not one that this API gave", "CURSOR_INVALID")
        return cls(Position(int(found.group(1)), found.group(2)), int(found.group(3)))


@dataclass
class Verifying:
    """Looks; changes nothing."""

    log: AuditLog
    checkpoints: Checkpoints
    seals: Seals
    head: Head
    signer: CheckpointSigner

    def verify_audit(self, after: Any) -> dict[str, Any]:
        """Check a portion of the log: `{first, last, entries, checkpoints, other_keys, faults, more_faults, next}`.

        `next`, given back as `after`, goes on; it is none at the end, where also the end itself is checked.

        Raises:
            InvalidInput: CURSOR_INVALID.
        """
        place = _Place.read(after)
        links, faults = self._read(place.at)
        faults += check_run(links, place.at)
        end = Position(links[-1].number, links[-1].hash) if links else place.at
        unread = max([end.number, *(fault.last for fault in faults if fault.kind is Wrong.UNREADABLE)])
        more = self.seals.go_on(unread) or bool(self.log.links(unread, 1))
        anchors, broken, other_keys = self._anchors(place.at.number + 1, unread if more else None)
        faults += broken + check_anchors(links, anchors, place.held)
        if not more:
            faults += check_end(unread, anchors)
        held = max([place.held, *(one.number for one in anchors if one.number <= end.number)])
        here = Position(unread, end.hash) if unread == end.number else self._behind(unread)
        return {
            "first": links[0].number if links else None,
            "last": links[-1].number if links else None,
            "entries": len(links),
            "checkpoints": len(anchors),
            "other_keys": other_keys,
            "faults": [fault.as_json() for fault in faults[:_MOST_FAULTS]],
            "more_faults": max(0, len(faults) - _MOST_FAULTS),
            "next": str(_Place(here, held)) if more else None,
        }

    def compare_checkpoints(self, checkpoints: Any) -> dict[str, Any]:
        """Compare the log with what others say that they were told of it: `{agree, faults}`.

        `checkpoints` are at most 5000 of `{number, hash, witness}`.

        Raises:
            InvalidInput: CHECKPOINTS_INVALID, if they are something else.
        """
        anchors = sorted(_read_anchors(checkpoints), key=lambda one: one.number)
        newest = self.log.newest().number
        known = self._hashes(sorted({anchor.number for anchor in anchors if anchor.number <= newest}))
        agree = [anchor for anchor in anchors if known.get(anchor.number) == anchor.hash]
        faults = check_anchors([Link(number, "", "", found) for number, found in known.items()], anchors) + check_end(newest, anchors)
        gone = sorted({anchor.number for anchor in anchors if anchor.number <= newest} - known.keys())
        faults += [Fault(Wrong.MISSING, one, one, f"entry {one}, of which others know, is missing") for one in gone]
        return {"agree": len(agree), "faults": [fault.as_json() for fault in faults[:_MOST_FAULTS]]}

    def _read(self, after: Position) -> tuple[Sequence[Link], list[Fault]]:
        """The next entries, out of a sealed file or of the database."""
        try:
            sealed = self.seals.after(after.number)
        except SealUnreadable as error:
            return (), [Fault(Wrong.UNREADABLE, max(error.first, after.number + 1), error.last, str(error))]
        return (self.log.links(after.number, PORTION) if sealed is None else sealed), []

    def _behind(self, number: int) -> Position:
        """The place behind what cannot be read: what follows says itself upon what it follows."""
        try:
            following = self.seals.after(number) or self.log.links(number, 1)
        except SealUnreadable:
            following = ()
        return Position(number, following[0].previous if following and following[0].number == number + 1 else "0" * 64)

    def _anchors(self, first: int, last: int | None) -> tuple[list[Anchor], list[Fault], int]:
        """What is remembered of these entries; what of it was tampered with; how many were signed by keys that we have not now."""
        found, broken, other_keys = [], [], 0
        for kept in self.checkpoints.among(first, last):
            try:
                signer, at = self.signer.read_checkpoint(kept.envelope)
            except RecordInvalid:
                number = kept.at.number
                broken.append(Fault(Wrong.EDITED, number, number, f"the checkpoint of entry {number} was tampered with"))
                continue
            other_keys += signer != self.signer.instance_id
            found.append(Anchor(at.number, at.hash, f"the checkpoint of {kept.time:%Y-%m-%d %H:%M:%S} UTC"))
        found += [Anchor(one.at.number, one.at.hash, f"the receipt of {one.peer_id}") for one in self._receipts(first, last)]
        head = self.head.read()
        if head is not None and first <= head.number and (last is None or head.number <= last):
            found.append(Anchor(head.number, head.hash, "the file audit/head.json"))
        return found, broken, other_keys

    def _receipts(self, first: int, last: int | None) -> Iterable[Any]:
        for kept in self.checkpoints.receipts(first, last):
            try:
                yield self.signer.read_receipt(kept.envelope)
            except RecordInvalid:
                continue  # it proves nothing, and says nothing against the log

    def _hashes(self, numbers: Sequence[int]) -> dict[int, str]:
        known = self.log.hashes(numbers)
        for number in numbers:
            if number not in known:
                known |= self._sealed_hashes(number, numbers)
        return known

    def _sealed_hashes(self, number: int, wanted: Sequence[int]) -> dict[int, str]:
        try:
            links = self.seals.after(number - 1) or ()
        except SealUnreadable:
            return {}
        return {link.number: link.hash for link in links if link.number in set(wanted)}


def _read_anchors(checkpoints: Any) -> list[Anchor]:
    if not isinstance(checkpoints, list) or len(checkpoints) > PORTION:
        raise InvalidInput(f"checkpoints are a list of at most {PORTION}", "CHECKPOINTS_INVALID")
    try:
        found = [Anchor(one["number"], one["hash"], str(one["witness"])[:100]) for one in checkpoints]
    except (KeyError, TypeError) as error:
        raise InvalidInput("a checkpoint has number, hash and witness", "CHECKPOINTS_INVALID") from error
    if not all(type(one.number) is int and one.number > 0 and _SHA256.fullmatch(str(one.hash)) for one in found):
        raise InvalidInput("a checkpoint has a number from 1 and a SHA-256", "CHECKPOINTS_INVALID")
    return found
