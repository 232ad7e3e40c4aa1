"""Records: what peers tell about packages, instances and keys, checked and merged.

Whatever the order of arrival, and however often, the same records come to the same view. A record that cannot be accepted is
told to the caller and does not keep the others of its batch.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.storage.domain.facts import KeptMeta, Overruled, facts_of, merged, overruled
from services.storage.domain.package import Package, PackageState
from services.storage.handlers.settling import Round, Settler
from services.storage.handlers.telling import fact_events
from services.storage.ports import Catalogue, Changes, Clock, FeedRow, KeptCharter, KeptRotation, Signer
from shared.contracts import events
from shared.core.charter import Charter
from shared.core.clock import Stamp
from shared.core.errors import ManifestInvalid, OdstError, RecordInvalid, RecordRefused
from shared.core.identity import InstanceId
from shared.core.manifest import Manifest
from shared.core.trust import Trust
from shared.runtime.logging import correlation_id, get_logger

log = get_logger(__name__)
MAX_META = 1000
"""Records about one package that are looked at in one call: more than fit into an answer of a peer."""
_AT_ONCE = 200
_CONTESTED = "contested"
"""Flag: all that one key was rotated to, once that is more than one."""
_MOST_RIVALS = 8
"""Whoever has a key can sign any number of rotations; beyond this nobody is told of one more."""


@dataclass
class Refusals:
    """What of a batch was not accepted."""

    items: list[dict[str, str]] = field(default_factory=list)

    def add(self, kind: str, record_id: str, error: OdstError) -> None:
        """Note one."""
        self.items.append({"kind": kind, "id": record_id, "code": error.code, "reason": str(error)[:300]})
        log.warning("record_refused", kind=kind, record_id=record_id, code=error.code, reason=str(error)[:300])


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a peer tells about a package; the signatures are checked, nothing else is."""

    package_id: str
    manifest: Manifest | None = None
    """None if we may no longer see it."""
    envelope: bytes | None = None
    meta: Sequence[KeptMeta] = ()


@dataclass
class RecordHandlers:
    """Everything about records that come from peers."""

    catalogue: Catalogue
    signer: Signer
    clock: Clock
    settler: Settler
    trust_changed: Callable[[], None]
    """Called after charters or rotations changed who may write about whose packages."""

    def offer(
        self, packages: Sequence[dict[str, Any]], charters: Sequence[str], rotations: Sequence[str], peer_id: str | None
    ) -> dict[str, Any]:
        """Take what a peer relays, or, without one, what was kept beside the database; which records were refused, and why."""
        refusals = Refusals()
        if charters or rotations:
            self._offer_relations(charters, rotations, peer_id, refusals)
        read = [one for document in packages if (one := self._read_package(document, peer_id, refusals))]
        if read:
            with self.catalogue.changing() as changes, self.settler.round(changes, peer_id) as round_:
                trust = changes.trust()
                changes.expect([one.package_id for one in read], {one.manifest.name.text for one in read if one.manifest})
                for incoming in read:
                    self._offer_package(round_, trust, incoming, refusals)
        return {"refused": refusals.items}

    def offer_manifest(self, envelope: str, peer_id: str) -> dict[str, Any]:
        """Take one manifest, as peers of the first protocol version relay it; the package's state here.

        Raises:
            ManifestInvalid: if its origin did not sign it, or it contradicts one that is known.
            RecordRefused: if its origin was revoked.
            ClockAhead: if it was made in the future.
        """
        raw = _decoded(envelope)
        manifest = self.signer.open(raw)
        with self.catalogue.changing() as changes, self.settler.round(changes, peer_id) as round_:
            package = self._merge_package(round_, changes.trust(), Incoming(manifest.package_id, manifest, raw), Refusals())
        return {"package_id": package.package_id, "state": package.state.value}

    # Packages and what is said about them

    def _read_package(self, document: dict[str, Any], peer_id: str | None, refusals: Refusals) -> Incoming | None:
        """Check signatures; it is done before the transaction begins, as it takes the most time."""
        package_id = str(document.get("id"))[:60]
        try:
            text = document.get("manifest")
            envelope = None if text is None else _decoded(text)
            manifest = None if envelope is None else self.signer.open(envelope)
            if manifest is not None and manifest.package_id != package_id:
                raise ManifestInvalid("the manifest is that of another package")
            return Incoming(package_id, manifest, envelope, self._readable(document.get("meta") or [], package_id, peer_id, refusals))
        except OdstError as error:
            refusals.add("package", package_id, error)
            return None

    def _offer_package(self, round_: Round, trust: Trust, incoming: Incoming, refusals: Refusals) -> None:
        try:
            self._merge_package(round_, trust, incoming, refusals)
        except OdstError as error:
            refusals.add("package", incoming.package_id, error)

    def _readable(self, envelopes: Sequence[str], package_id: str, peer_id: str | None, refusals: Refusals) -> list[KeptMeta]:
        found = []
        for text in envelopes[:MAX_META]:
            try:
                found.append(self._read_meta(text, package_id, peer_id))
            except OdstError as error:
                refusals.add("meta", package_id, error)
        return found

    def _read_meta(self, text: str, package_id: str, peer_id: str | None) -> KeptMeta:
        envelope = _decoded(text)
        record = self.signer.open_meta(envelope)
        if record.package_id != package_id:
            raise RecordInvalid("the record is about another package")
        self._check_time(record.stamp, record.author, peer_id)
        return KeptMeta(record, envelope, hashlib.sha256(envelope).hexdigest())

    def _check_time(self, stamp: Stamp, author: InstanceId, peer_id: str | None) -> None:
        """Nothing from the future, but for what was taken before already, and our own: the sweep writes that again, with the right time."""
        if peer_id is not None and author not in self.settler.house().ids:
            stamp.check_not_ahead(self.clock())

    def _merge_package(self, round_: Round, trust: Trust, incoming: Incoming, refusals: Refusals) -> Package:
        changes = round_.changes
        known = changes.package(incoming.package_id)
        package = self._with_manifest(known, incoming, trust, round_.received_from)
        said = changes.meta_of(package.package_id) if known else []
        before = facts_of(package.manifest, said, trust)
        entitled = _entitled(package, incoming.meta, trust, refusals)
        after = facts_of(package.manifest, merged(before.kept, entitled), trust)
        if [one.digest for one in after.kept] != [one.digest for one in said]:
            changes.replace_meta(package.package_id, after.kept)
        for lost in overruled(before, entitled, after, trust):
            changes.dispatch(_overruled(package, lost))
        updated = after.applied_to(replace(package, gone=False) if incoming.manifest else package)
        for event in fact_events(known, updated, after):
            changes.dispatch(event)
        return round_.apply(package.name, [updated])[package.package_id]

    def _with_manifest(self, known: Package | None, incoming: Incoming, trust: Trust, peer_id: str | None) -> Package:
        manifest, envelope = incoming.manifest, incoming.envelope
        if manifest is None or envelope is None:
            if known is None:
                raise RecordInvalid("records about a package of which the manifest is not known")
            return known
        if known is None:
            self._check_origin(manifest, trust, peer_id)
            return Package(manifest, envelope, PackageState.WANTED, correlation_id(), self.clock(), received_from=peer_id, ever=frozenset())
        _check_same(known, manifest)
        digest = hashlib.sha256(envelope).hexdigest()
        if (manifest.revision, digest) <= (known.manifest.revision, known.manifest_digest):
            return known
        self._check_origin(manifest, trust, peer_id)
        return replace(known, manifest=manifest, envelope=envelope)

    def _check_origin(self, manifest: Manifest, trust: Trust, peer_id: str | None) -> None:
        made = Stamp.of(manifest.created)
        self._check_time(made, manifest.origin, peer_id)
        if trust.was_rotated_away(manifest.origin, made):
            raise RecordRefused("its origin signs with another key since before it was made")
        ours = InstanceId(self.signer.identity[0])
        if trust.is_revoked(manifest.origin, made, trust.stewards_of(ours, made)):
            raise RecordRefused("its origin was revoked before it was made")

    # Charters and rotations

    def _offer_relations(self, charters: Sequence[str], rotations: Sequence[str], peer_id: str | None, refusals: Refusals) -> None:
        with self.catalogue.changing() as changes:
            before = changes.trust()
            turned = [
                self._guarded("rotation", text, refusals, lambda raw: self._take_rotation(changes, raw, peer_id)) for text in rotations
            ]
            chartered = [self._guarded("charter", text, refusals, lambda raw: self._take_charter(changes, raw)) for text in charters]
            if any(turned) or any(chartered):
                changes.dispatch(events.CatalogueChangedV1(received_from=peer_id))
            after = changes.trust()
            changed = any(turned) or _relations(before) != _relations(after)
            if any(turned) or _changed_their_mind(before, after):
                changes.dispatch(events.TrustChangedV1(received_from=peer_id))
            for event in self._new_revocations(before, after):
                changes.dispatch(event)
        if changed:
            self.trust_changed()

    def _guarded(self, kind: str, text: str, refusals: Refusals, take: Callable[[bytes], bool]) -> bool:
        try:
            return take(_decoded(text))
        except OdstError as error:
            refusals.add(kind, _claimed_id(text), error)
            return False

    def _take_charter(self, changes: Changes, envelope: bytes) -> bool:
        charter = self.signer.open_charter(envelope)
        charter.stamp.check_not_ahead(self.clock())
        known = changes.charter(charter.instance_id)
        if known and known.charter.stamp >= charter.stamp:
            return False
        trust = changes.trust()
        if trust.was_rotated_away(charter.instance_id, charter.stamp):
            raise RecordRefused("its author signs with another key since before it was issued")
        changes.save_charter(KeptCharter(charter, envelope))
        changes.stamp(charter_row(charter, envelope))
        return True

    def _take_rotation(self, changes: Changes, envelope: bytes, peer_id: str | None) -> bool:
        rotation = self.signer.open_rotation(envelope)
        self._check_time(rotation.stamp, rotation.new, peer_id)
        known = changes.rotation(rotation.old)
        if known and known.rotation == rotation:
            return False
        if peer_id is not None and rotation.old in self.settler.house().ids:
            self._tell_contest(changes, rotation.old, known.rotation.new if known else rotation.old, rotation.new)
            raise RecordRefused("this is a key of ours, and we did not rotate it to that one: somebody has it")
        if known and (known.rotation.stamp, known.rotation.new.text) <= (rotation.stamp, rotation.new.text):
            self._tell_contest(changes, rotation.old, known.rotation.new, rotation.new)
            raise RecordRefused("this key was rotated to another one before")
        if known:
            self._tell_contest(changes, rotation.old, rotation.new, known.rotation.new)
        kept = KeptRotation(rotation, envelope)
        changes.save_rotation(kept)
        changes.stamp(rotation_row(kept))
        new_key = base64.b64encode(rotation.new_key).decode()
        changes.dispatch(events.InstanceRotatedV1(old_id=str(rotation.old), new_id=str(rotation.new), new_key=new_key))
        return True

    def _tell_contest(self, changes: Changes, old: InstanceId, counts: InstanceId, rival: InstanceId) -> None:
        """Two have the same old key. The records cannot say who is who, so people must: they are told, once of each rival."""
        known = set(changes.flag_value(_CONTESTED, old.text).split())
        seen = known | {counts.text, rival.text}
        if counts == rival or seen == known or len(seen) > _MOST_RIVALS:
            return
        changes.flag(_CONTESTED, old.text, " ".join(sorted(seen)))
        changes.dispatch(events.InstanceContestedV1(old_id=str(old), new_id=str(counts), rival_id=str(rival)))
        log.error("instance_contested", old_id=str(old), new_id=str(counts), rival_id=str(rival))

    def _new_revocations(self, before: Trust, after: Trust) -> list[events.InstanceRevokedV1]:
        """Whom our stewards revoked just now: our own registration of it is to end too."""
        ours = InstanceId(self.signer.identity[0])
        now = Stamp.of(self.clock())
        found = []
        for steward in after.stewards_of(ours, now) - {after.present(ours)}:
            charter, old = after.charter_of(steward), before.charter_of(steward)
            known = {one for one, _ in old.revoked} if old else set()
            found += [
                events.InstanceRevokedV1(instance_id=str(one), revoked_by=str(steward))
                for one, _ in (charter.revoked if charter else ())
                if one not in known
            ]
        return found

    def reconsider(self) -> None:
        """After a change of trust: what counts about each package that anybody wrote about. Only what changes is written."""
        charters, rotations = self.catalogue.charters(), self.catalogue.rotations()
        trust = Trust.of((one.charter for one in charters), (one.rotation for one in rotations))
        written_about = self.catalogue.packages_with_meta()
        for start in range(0, len(written_about), _AT_ONCE):
            part = written_about[start : start + _AT_ONCE]
            said = self.catalogue.meta(part)
            for package in self.catalogue.packages(part):
                if facts_of(package.manifest, said.get(package.package_id, ()), trust).applied_to(package) != package:
                    self._reconsider(package.package_id)

    def _reconsider(self, package_id: str) -> None:
        with self.catalogue.changing() as changes, self.settler.round(changes) as round_:
            package = changes.package(package_id)
            if package is None:
                return
            after = facts_of(package.manifest, changes.meta_of(package_id), changes.trust())
            changes.replace_meta(package_id, after.kept)
            round_.apply(package.name, [after.applied_to(package)])


def charter_row(charter: Charter, envelope: bytes) -> FeedRow:
    """A charter's row of the change feed."""
    return FeedRow(0, "charter", str(charter.instance_id), 0, hashlib.sha256(envelope).hexdigest(), str(charter.stamp))


def rotation_row(kept: KeptRotation) -> FeedRow:
    """A rotation's row of the change feed."""
    return FeedRow(0, "rotation", str(kept.rotation.old), 0, hashlib.sha256(kept.envelope).hexdigest(), str(kept.rotation.stamp))


def _relations(trust: Trust) -> frozenset[object]:
    return frozenset(charter.relations for charter in trust.charters.values()) | frozenset(trust.rotations.values())


def _changed_their_mind(before: Trust, after: Trust) -> bool:
    """True if an instance that was known trusts others than before. What is refused for want of a charter is tried again anyway."""
    return any(after.charters[one].relations != charter.relations for one, charter in before.charters.items())


def _entitled(package: Package, incoming: Iterable[KeptMeta], trust: Trust, refusals: Refusals) -> list[KeptMeta]:
    found = []
    for one in incoming:
        if trust.may_steward(one.record.author, package.manifest.origin, one.record.stamp):
            found.append(one)
        else:
            error = RecordRefused(f"{one.record.author} may not write about packages of {package.manifest.origin}")
            refusals.add("meta", package.package_id, error)
    return found


def _overruled(package: Package, pair: Overruled) -> events.MetaOverruledV1:
    lost, won = pair.lost, pair.won
    return events.MetaOverruledV1(
        package_id=package.package_id,
        field=lost.field.value,
        lost_value=_text(lost.value),
        lost_author=str(lost.author),
        lost_stamp=str(lost.stamp),
        lost_person=lost.person,
        won_value=_text(won.value),
        won_author=str(won.author),
        won_stamp=str(won.stamp),
    )


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value).lower()


def _check_same(known: Package, manifest: Manifest) -> None:
    same = known.manifest.sha256 == manifest.sha256 and known.manifest.sha1 == manifest.sha1 and known.manifest.size == manifest.size
    if not same or known.manifest.origin != manifest.origin or known.name != manifest.name.text:
        raise ManifestInvalid(f"package {manifest.package_id} is known with other bytes, name or origin")


def _claimed_id(text: str) -> str:
    """Whom a charter or a rotation says to be about: under this id the caller asked for it. Nothing is verified; junk has a digest."""
    try:
        fields = json.loads(base64.b64decode(json.loads(_decoded(text))["payload"]))
        return str(fields.get("instance_id") or fields["old"])[:60]
    except (OdstError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return hashlib.sha256(str(text).encode()).hexdigest()[:52]


def _decoded(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RecordInvalid("the envelope is no base64") from error
