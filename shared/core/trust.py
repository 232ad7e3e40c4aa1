"""Who may write about whose packages: decided from charters and rotations alone, so the same on every instance that has them.

An author may steward the packages of an origin if it is the origin, or could be reached from it over `stewards` at the moment of
writing, and if none of those who could be reached had revoked it by then. That holds for the origin too: by naming a steward it
puts itself under that steward's judgement, until it dismisses or revokes it. Two that revoked each other no longer reach each
other, so each is left with its own packages. A key that was rotated away speaks for nobody after the rotation. Dismissing or
revoking does not undo what was written before.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from shared.core.charter import Charter, Rotation
from shared.core.clock import Stamp
from shared.core.identity import InstanceId

_MOST_REMEMBERED = 10_000
"""Answers of `stewards_of` that are kept: what one needs is soon found again, and who may write decides how many there could be."""


@dataclass(frozen=True)
class Trust:
    """All charters and rotations that an instance knows."""

    charters: Mapping[InstanceId, Charter]
    rotations: Mapping[InstanceId, Rotation]
    """By the old id. Of several, the earliest counts, as their stamps say: the same everywhere. Whoever has the key chooses its stamp."""
    _turns: tuple[Stamp, ...] = ()
    """When anybody was dismissed or revoked: between two of these, who may do what does not change."""
    _reach: dict[tuple[InstanceId, int], frozenset[InstanceId]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, charters: Iterable[Charter], rotations: Iterable[Rotation] = ()) -> Trust:
        """From charters, of which the latest of each instance counts, and rotations, in any order."""
        by_id: dict[InstanceId, Charter] = {}
        for charter in charters:
            known = by_id.get(charter.instance_id)
            if known is None or (charter.stamp, charter.payload()) > (known.stamp, known.payload()):
                by_id[charter.instance_id] = charter
        first: dict[InstanceId, Rotation] = {}
        for rotation in sorted(rotations, key=lambda one: (one.stamp, one.new.text)):
            first.setdefault(rotation.old, rotation)
        turns = {until for charter in by_id.values() for _, until in charter.stewards if until}
        turns |= {since for charter in by_id.values() for _, since in charter.revoked}
        return cls(by_id, first, tuple(sorted(turns)))

    def present(self, instance_id: InstanceId) -> InstanceId:
        """The id by which an instance goes now, after all its rotations."""
        seen = {instance_id}
        while instance_id in self.rotations and self.rotations[instance_id].new not in seen:
            instance_id = self.rotations[instance_id].new
            seen.add(instance_id)
        return instance_id

    def may_steward(self, author: InstanceId, origin: InstanceId, stamp: Stamp) -> bool:
        """True if what `author` wrote at `stamp` about a package of `origin` counts."""
        stewards = self.stewards_of(origin, stamp)
        return (
            not self.was_rotated_away(author, stamp) and self.present(author) in stewards and not self.is_revoked(author, stamp, stewards)
        )

    def stewards_of(self, origin: InstanceId, stamp: Stamp) -> frozenset[InstanceId]:
        """Present ids of the origin and of all that it let steward its packages at that time, over any number of steps."""
        key = self.present(origin), bisect_left(self._turns, stamp)
        reached = self._reach.get(key)
        if reached is None:
            found, waiting = {key[0]}, [key[0]]
            while waiting:
                new = self._named_by(waiting.pop(), stamp) - found
                found |= new
                waiting.extend(new)
            if len(self._reach) >= _MOST_REMEMBERED:
                self._reach.clear()
            reached = self._reach[key] = frozenset(found)
        return reached

    def _named_by(self, instance_id: InstanceId, stamp: Stamp) -> set[InstanceId]:
        charter = self.charter_of(instance_id)
        if charter is None:
            return set()
        revoked = {self.present(one) for one, since in charter.revoked if stamp > since}
        named = {self.present(one) for one, until in charter.stewards if until is None or stamp <= until}
        return named - revoked

    def charter_of(self, instance_id: InstanceId) -> Charter | None:
        """The charter of an instance: its own, or, while its new key has issued none, that of the key before."""
        return self._speaking.get(self.present(instance_id))

    def is_revoked(self, instance_id: InstanceId, stamp: Stamp, by: Iterable[InstanceId]) -> bool:
        """True if one of `by`, present ids, had revoked an instance, under any of its ids, before `stamp`."""
        return self.revoker_of(instance_id, stamp, by) is not None

    def revoker_of(self, instance_id: InstanceId, stamp: Stamp, by: Iterable[InstanceId]) -> InstanceId | None:
        """Which of `by`, present ids, had revoked an instance, under any of its ids, before `stamp`; None if nobody had."""
        present, judges = self.present(instance_id), frozenset(by)
        found = (one for one, since in self._revocations.get(present, ()) if one in judges and one != present and stamp > since)
        return min(found, key=lambda one: one.text, default=None)

    def was_rotated_away(self, instance_id: InstanceId, stamp: Stamp) -> bool:
        """True if this key had been replaced when something was signed with it."""
        rotation = self.rotations.get(instance_id)
        return rotation is not None and stamp > rotation.stamp

    @cached_property
    def _speaking(self) -> Mapping[InstanceId, Charter]:
        """The charter that counts of each instance, by its present id. What a key says after it was rotated away never counts."""
        found: dict[InstanceId, Charter] = {}
        # The id decides where two keys that became one spoke at the same moment: the order in which charters came must not.
        in_turn = sorted(self.charters.values(), key=lambda one: (one.stamp, one.instance_id not in self.rotations, one.instance_id.text))
        for charter in in_turn:
            if not self.was_rotated_away(charter.instance_id, charter.stamp):
                found[self.present(charter.instance_id)] = charter
        return found

    @cached_property
    def _revocations(self) -> Mapping[InstanceId, list[tuple[InstanceId, Stamp]]]:
        """Who revoked an instance, and since when; all by their present ids."""
        found: dict[InstanceId, list[tuple[InstanceId, Stamp]]] = {}
        for revoker, charter in self._speaking.items():
            for one, since in charter.revoked:
                found.setdefault(self.present(one), []).append((revoker, since))
        return found
