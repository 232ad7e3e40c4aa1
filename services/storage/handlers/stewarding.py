"""Stewarding: what an administrator of this instance says about packages, as signed records for the whole mesh."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from services.storage.domain.facts import Facts, KeptMeta, facts_of, horizon, latest_stamps, merged, moments
from services.storage.domain.narrowing import Within
from services.storage.domain.package import Package
from services.storage.handlers.describing import describe_package, find_package
from services.storage.handlers.settling import Round, Settler
from services.storage.handlers.telling import fact_events
from services.storage.ports import Catalogue, Changes, Clock, RecordFiles, Signer
from shared.core.clock import Stamp, next_stamp
from shared.core.errors import Conflict, Forbidden, NotFound
from shared.core.identity import InstanceId
from shared.core.meta import MetaField, MetaRecord, MetaValue
from shared.core.names import PackageName
from shared.core.staging import Stages
from shared.core.versions import PACKAGE, check_expected
from shared.runtime.logging import get_logger

log = get_logger(__name__)


@dataclass
class StewardHandlers:
    """Tags, deletion, history. `approval_stages` are those that only a promotion may add."""

    catalogue: Catalogue
    signer: Signer
    clock: Clock
    settler: Settler
    files: RecordFiles
    stages: Stages
    approval_stages: frozenset[str]

    def retag(self, reference: str, tags: object, person: str, within: object = None, expected: object = None) -> dict[str, Any]:
        """Replace the staging tags of a package; `within` are those that this person may add and take off, if not all.

        Here and below, one of the versions `expected` must be that of the package when it is changed, if there are some.

        Raises:
            PreconditionFailed: if it has another version.
            InvalidInput: TAG_INVALID or STAGE_UNKNOWN.
            Conflict: APPROVAL_NEEDED, if it would add a stage that a second person must approve.
            Forbidden: NOT_STEWARD, if the package's origin does not let us; OUTSIDE_GRANT.
        """
        wanted, narrow = self.stages.check(tags), Within.read(within)
        package = find_package(self.catalogue, reference)
        value = _if_expected(expected, lambda present: self._retagged(present, wanted, narrow))
        return self.write(package.package_id, MetaField.TAGS, value, person)

    def _retagged(self, package: Package, wanted: frozenset[str], narrow: Within) -> tuple[str, ...]:
        narrow.check_retag(package.tags, wanted)
        guarded = sorted((wanted - package.tags) & self.approval_stages)
        if not wanted and package.tags:
            guarded = sorted(self.approval_stages)
        if guarded:
            raise Conflict(f"{guarded[0]} needs the approval of a second person: ask for a promotion instead", "APPROVAL_NEEDED")
        return tuple(sorted(wanted))

    def delete(self, reference: str, person: str, within: object = None, expected: object = None) -> dict[str, Any]:
        """Delete a package everywhere; its bytes stay in the trash for a time. Deleting it twice is deleting it once.

        Raises:
            Forbidden: NOT_STEWARD; OUTSIDE_GRANT, if it has other tags than those `within`.
        """
        package = find_package(self.catalogue, reference)
        if package.deleted:
            check_expected(expected, describe_package(package), PACKAGE)
            return describe_package(package)
        return self.write(package.package_id, MetaField.DELETED, _if_expected(expected, _if_within(within, value=True)), person)

    def undelete(self, reference: str, person: str, within: object = None, expected: object = None) -> dict[str, Any]:
        """Bring a deleted package back, everywhere.

        Raises:
            Conflict: NOT_DELETED; or BYTES_GONE, if the time in the trash is over and the bytes are not here.
            Forbidden: as above.
        """
        package = find_package(self.catalogue, reference)
        if package.deleted is None:
            raise Conflict(f"{package.name} is not deleted", "NOT_DELETED")
        if not package.bytes_here and self.clock() > package.deleted.time + self.settler.house().trash:
            raise Conflict(f"the bytes of {package.name} are no longer in the trash: upload it again", "BYTES_GONE")
        return self.write(package.package_id, MetaField.DELETED, _if_expected(expected, _if_within(within, value=False)), person)

    def raise_(self, reference: str, person: str, within: object = None, expected: object = None) -> dict[str, Any]:
        """Make a package current for its name, whatever came after it: the way back to an earlier version, and forth again.

        Raises:
            Conflict: PACKAGE_DELETED, if it is deleted.
            Forbidden: as above.
        """
        package = find_package(self.catalogue, reference)
        if package.deleted:
            raise Conflict(f"{package.name} is deleted: undelete it first", "PACKAGE_DELETED")
        return self.write(package.package_id, MetaField.RAISED, _if_expected(expected, _if_within(within, value=True)), person)

    def history(self, name: str) -> dict[str, Any]:
        """All packages of a name, the one of greatest precedence first.

        Raises:
            NotFound: if there never was one.
        """
        found = self.catalogue.named(PackageName.parse(name).text)
        if not found:
            raise NotFound(f"there is no package {name[:80]!r} here")
        return {"items": [describe_package(one) for one in sorted(found, key=lambda one: one.precedence, reverse=True)]}

    def write(self, package_id: str, field: MetaField, value: Callable[[Package], MetaValue], person: str) -> dict[str, Any]:
        """Sign a record about one field, and let all follow; the package afterwards.

        Raises:
            Forbidden: NOT_STEWARD.
        """
        with self.catalogue.changing() as changes:
            package = self.write_within(changes, package_id, field, value, person)
        return describe_package(package)

    def write_within(
        self, changes: Changes, package_id: str, field: MetaField, value: Callable[[Package], MetaValue], person: str
    ) -> Package:
        """The same as a part of a transaction. `value` sees the package as it is in this transaction, and may refuse by raising."""
        with self.settler.round(changes) as round_:
            package = changes.package(package_id)
            if package is None:
                raise NotFound(f"there is no package {package_id[:40]!r} here")
            said = changes.meta_of(package_id)
            seen = latest_stamps(said, field)
            if field is MetaField.RAISED:
                seen += [one.precedence[0] for one in changes.named(package.name)]
            record = self._record(package_id, field, value(package), next_stamp(self.clock(), seen), person)
            package = self._apply(round_, package, [*said], record)
        log.info("meta_written", package_id=package_id, name=package.name, field=field.value, person=person)
        return package

    def _record(self, about: str, field: MetaField, value: MetaValue, stamp: Stamp, person: str) -> MetaRecord:
        author, key = self.signer.identity
        return MetaRecord(about, field, value, stamp, InstanceId(author), key, person)

    def _apply(self, round_: Round, package: Package, said: list[KeptMeta], record: MetaRecord) -> Package:
        trust = round_.changes.trust()
        if not trust.may_steward(record.author, package.manifest.origin, record.stamp):
            origin = package.manifest.origin
            raise Forbidden(f"the origin of this package, {origin}, does not let this instance steward its packages", "NOT_STEWARD")
        before = facts_of(package.manifest, said, trust)
        counted = before.winners.get(record.field)
        envelope = self.signer.sign_meta(replace(record, replaces=counted.digest if counted else None))
        kept = KeptMeta(self.signer.open_meta(envelope), envelope, hashlib.sha256(envelope).hexdigest())
        facts = facts_of(package.manifest, merged(before.kept, [kept]), trust)
        round_.changes.replace_meta(package.package_id, facts.kept)
        return self._settled(round_, package, facts)

    def _settled(self, round_: Round, package: Package, facts: Facts) -> Package:
        updated = facts.applied_to(package)
        for event in fact_events(package, updated, facts):
            round_.changes.dispatch(event)
        settled = round_.apply(package.name, [updated])[package.package_id]
        self.files.keep(package.package_id, record_document(settled, facts))
        return settled

    def restamp(self, kept: KeptMeta) -> None:
        """Write again, with the present time, what this instance wrote while its clock was ahead; others refused it.

        What only follows what others wrote stays as it is: then our clock is behind.
        """
        package_id, record = kept.record.package_id, kept.record
        with self.catalogue.changing() as changes, self.settler.round(changes) as round_:
            package = changes.package(package_id)
            said = [one for one in changes.meta_of(package_id) if one.digest != kept.digest]
            if package is None or len(said) == len(changes.meta_of(package_id)):
                return
            until = self._horizon(changes, package, record.author)
            if record.stamp.time <= until:
                return
            seen = moments(changes.named(package.name), until) if record.field is MetaField.RAISED else latest_stamps(said, record.field)
            stamp = next_stamp(self.clock(), seen)
            self._apply(round_, package, said, self._record(package_id, record.field, record.value, stamp, record.person))
        log.warning("meta_restamped", package_id=package_id, field=record.field.value, was=str(record.stamp))

    def _horizon(self, changes: Changes, package: Package, own: InstanceId) -> dt.datetime:
        named = changes.named(package.name)
        return horizon(named, [one for other in named for one in changes.meta_of(other.package_id)], own, self.clock())


def _if_expected(expected: object, value: Callable[[Package], MetaValue]) -> Callable[[Package], MetaValue]:
    """A value, for a package that has one of the expected versions in the transaction of the write."""

    def checked(package: Package) -> MetaValue:
        check_expected(expected, describe_package(package), PACKAGE)
        return value(package)

    return checked


def _if_within(within: object, *, value: bool) -> Callable[[Package], MetaValue]:
    """A value, for a package that somebody may touch: asked in the transaction of the write, for tags may change before it."""
    narrow = Within.read(within)

    def checked(package: Package) -> MetaValue:
        narrow.check_package(package.tags)
        return value

    return checked


def record_document(package: Package, facts: Facts | None) -> bytes:
    """The signed records of a package as they are kept in a file beside the database, and who may have seen it."""
    meta = [base64.b64encode(one.envelope).decode() for one in (facts.kept if facts else ())]
    document = {"id": package.package_id, "manifest": base64.b64encode(package.envelope).decode(), "meta": meta}
    return json.dumps(document | {"ever": sorted(package.ever)}).encode()
