"""What the meta records of a package come to: a pure function of the records and of who may write them, whatever their order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from services.storage.domain.package import UNTAGGED, Package
from shared.core.clock import MAX_AHEAD, Stamp
from shared.core.identity import InstanceId
from shared.core.manifest import Manifest
from shared.core.meta import MetaField, MetaRecord, digest_of
from shared.core.trust import Trust


@dataclass(frozen=True, slots=True)
class KeptMeta:
    """A meta record with the signed bytes that prove it, and their digest."""

    record: MetaRecord
    envelope: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class Overruled:
    """Of two writes about one field, made side by side, the one that lost and the one that counts."""

    lost: MetaRecord
    won: MetaRecord


@dataclass(frozen=True, slots=True)
class Facts:
    """The record that counts for each field of one package, and the records that are kept."""

    winners: dict[MetaField, KeptMeta]
    kept: tuple[KeptMeta, ...]

    def word(self, field: MetaField) -> MetaRecord | None:
        """What counts about a field."""
        kept = self.winners.get(field)
        return kept.record if kept else None

    def applied_to(self, package: Package) -> Package:
        """The package as these facts have it."""
        tagged, deleted, raised = (self.word(field) for field in MetaField)
        tags = tagged.tags if tagged else package.manifest.tags
        return replace(
            package,
            tags=tags,
            ever=package.ever | (tags or {UNTAGGED}),
            deleted=deleted.stamp if deleted and deleted.value else None,
            raised=raised.stamp if raised else None,
            meta_digest=digest_of(one.digest for one in self.kept),
        )


def facts_of(manifest: Manifest, known: Iterable[KeptMeta], trust: Trust) -> Facts:
    """Keep what may be said of this package, and find what counts."""
    kept = tuple(one for one in known if trust.may_steward(one.record.author, manifest.origin, one.record.stamp))
    winners: dict[MetaField, KeptMeta] = {}
    for one in kept:
        rival = winners.get(one.record.field)
        if rival is None or one.record.order > rival.record.order:
            winners[one.record.field] = one
    return Facts(winners, kept)


def fault_of(manifest: Manifest, trust: Trust, ours: InstanceId) -> str | None:
    """Why a manifest does not count, by all that is known of its origin's key; None if it does.

    Rotations are the same everywhere. Of revocations only our own count, and those of whom we let steward our packages; what we
    made ourselves is ours whoever revoked us.
    """
    made = Stamp.of(manifest.created)
    if trust.was_rotated_away(manifest.origin, made):
        return "its origin signs with another key since before it was made"
    is_ours = trust.present(manifest.origin) == trust.present(ours)
    if not is_ours and trust.is_revoked(manifest.origin, made, trust.stewards_of(ours, made)):
        return "its origin was revoked before it was made"
    return None


def merged(known: Sequence[KeptMeta], incoming: Iterable[KeptMeta]) -> list[KeptMeta]:
    """The latest word of each author on each field. Of two with one stamp, the greater digest: the same on every instance."""
    latest = {one.record.key: one for one in known}
    for one in incoming:
        rival = latest.get(one.record.key)
        if rival is None or (one.record.stamp, one.digest) > (rival.record.stamp, rival.digest):
            latest[one.record.key] = one
    return list(latest.values())


def overruled(before: Facts, incoming: Sequence[KeptMeta], after: Facts, trust: Trust) -> list[Overruled]:
    """Writes that lost against another instance's which did not know of them: the new against the old, or the old against the new.

    Who writes over what it has seen names it (`replaces`), so that is no conflict. What was known before is not found again.
    """
    replaced = {one.record.replaces for one in incoming} | {one.record.replaces for one in after.kept}
    known = {one.digest for one in before.kept}
    pairs = []
    for one in (one for one in after.kept if one.digest not in known):
        won, had = after.winners.get(one.record.field), before.winners.get(one.record.field)
        pairs += [(lost, won) for lost in ((one, had) if won is one else (one,))]
    return [
        Overruled(lost.record, won.record)
        for lost, won in pairs
        if lost and won and lost.digest not in replaced and _rivals(lost.record, won.record, trust)
    ]


def _rivals(one: MetaRecord, other: MetaRecord, trust: Trust) -> bool:
    return one.value != other.value and trust.present(one.author) != trust.present(other.author)


def latest_stamps(known: Iterable[KeptMeta], field: MetaField) -> list[Stamp]:
    """Stamps of everything that was said about a field: what is written next is later."""
    return [one.record.stamp for one in known if one.record.field is field]


def horizon(packages: Iterable[Package], said: Iterable[KeptMeta], own: InstanceId, now: dt.datetime) -> dt.datetime:
    """Until when what `own` wrote about packages of a name is not from the future.

    Words of others were accepted when our clock was right: if they are later than its present, it is behind now, and so is not ahead.
    """
    others = [one.manifest.created for one in packages if one.manifest.origin != own]
    others += [one.record.stamp.time for one in said if one.record.author != own]
    return max([now, *others]) + MAX_AHEAD


def moments(packages: Iterable[Package], until: dt.datetime) -> list[Stamp]:
    """When these were made and raised, but for what is later than `until`."""
    every = (stamp for one in packages for stamp in (Stamp.of(one.manifest.created), one.raised))
    return [stamp for stamp in every if stamp is not None and stamp.time <= until]
