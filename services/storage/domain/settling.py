"""Settling: what becomes of all packages of one name, as a pure function of what is known about them.

Of those that may be here, the one with the greatest precedence is the *top*. If its bytes are here it is published; if not, it
is wanted, and the greatest one whose bytes are here stays published meanwhile. Nothing below the top is ever fetched.

What is refused, because its origin's key was not good when it was made, is as if it were not there; only its bytes may be.

A tombstone keeps its place: what is below it does not come back by itself, clients would get something old in place of nothing.
Somebody raises it, or uploads anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import takewhile

from services.storage.domain.package import Package, PackageState
from shared.core.identity import InstanceId
from shared.core.staging import Tags, entitled


class GonePolicy(StrEnum):
    """What becomes of a package that is no longer for this instance."""

    KEEP = "keep"
    """It stays, and is downloadable."""
    HIDE = "hide"
    """Its bytes stay; nobody gets them."""
    REMOVE = "remove"
    """Its bytes are removed."""


@dataclass(frozen=True, slots=True)
class House:
    """The rules of this instance."""

    ids: frozenset[InstanceId]
    """Our own, past ones too."""
    tags: Tags
    """Staging tags that we bear."""
    gone_policy: GonePolicy = GonePolicy.HIDE
    superseded_kept: int = 3
    trash: dt.timedelta = dt.timedelta(days=30)

    def admits(self, package: Package) -> bool:
        """True if this package may be here: it is ours, or we are entitled to it, or it is kept although we no longer are."""
        kept = self.gone_policy is GonePolicy.KEEP and package.bytes_here and not package.is_refused
        return kept or self.concerns(package)

    def concerns(self, package: Package) -> bool:
        """True if it is ours, or we are entitled to it; what is refused is nobody's, under whatever id."""
        if package.is_refused:
            return False
        return package.manifest.origin in self.ids or (not package.gone and entitled(package.tags, self.tags))


def settle(packages: Collection[Package], house: House, now: dt.datetime) -> list[Package]:
    """The packages of one name with the states that follow, in order of precedence, greatest first."""
    ordered = sorted(packages, key=lambda one: one.precedence, reverse=True)
    live = [one for one in _above_tombstones(ordered, house) if _may_stay(one, house)]
    shown = next((one for one in live if one.bytes_here), None)
    others = [one for one in ordered if one.bytes_here and one is not shown and _may_stay(one, house)]
    kept = {one.package_id for one in others[: house.superseded_kept]}
    return [_settled(one, live, shown, kept, house, now) for one in ordered]


def _above_tombstones(ordered: Sequence[Package], house: House) -> Iterable[Package]:
    return takewhile(lambda one: one.deleted is None or not house.concerns(one), ordered)


def _may_stay(package: Package, house: House) -> bool:
    return package.deleted is None and package.state is not PackageState.QUARANTINED and house.admits(package)


def _settled(  # noqa: PLR0913, PLR0917 - the parts of one decision
    package: Package, live: Sequence[Package], shown: Package | None, kept: Collection[str], house: House, now: dt.datetime
) -> Package:
    out = _kept_out(package, house, now)
    if out is not None:
        return out
    if package is shown:
        return _in_state(replace(package, published=package.published or now), PackageState.PUBLISHED)
    if live and package is live[0]:
        return _in_state(package, PackageState.WANTED)
    if package.bytes_here:
        package = replace(package, published=package.published or now)
    due = None if package.package_id in kept else _due_since(package, PackageState.SUPERSEDED, now)
    return _in_state(package, PackageState.SUPERSEDED, due)


def _kept_out(package: Package, house: House, now: dt.datetime) -> Package | None:
    """A package that is neither to be shown nor to be had, with the state that says why; None if it may be."""
    if package.deleted is not None:
        return _in_state(package, PackageState.REFUSED if package.is_refused else PackageState.DELETED, package.deleted.time + house.trash)
    if package.state is PackageState.QUARANTINED:
        return package
    if house.admits(package):
        return None
    state = PackageState.REFUSED if package.is_refused else PackageState.WITHHELD
    return _in_state(package, state, _due_since(package, state, now) if house.gone_policy is GonePolicy.REMOVE else None)


def _due_since(package: Package, state: PackageState, now: dt.datetime) -> dt.datetime:
    return min(now, package.remove_after or now) if package.state is state else now


def _in_state(package: Package, state: PackageState, remove_after: dt.datetime | None = None) -> Package:
    due = remove_after if package.bytes_here else None
    rung = package.rung if state is PackageState.WANTED else None
    has_error = state in (PackageState.QUARANTINED, PackageState.REFUSED)
    error = (package.error_code, package.error_reason) if has_error else (None, None)
    return replace(package, state=state, remove_after=due, rung=rung, error_code=error[0], error_reason=error[1])
