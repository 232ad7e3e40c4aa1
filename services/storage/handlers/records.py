"""Records: what peers tell about packages, instances and keys, checked and merged.

Whatever the order of arrival, and however often, the same records come to the same view. A record that cannot be accepted is
told to the caller and does not keep the others of its batch.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.storage.domain.facts import Facts, KeptMeta, Overruled, facts_of, fault_of, merged, overruled
from services.storage.domain.package import UNTAGGED, Package, PackageState
from services.storage.domain.strangers import Strangers
from services.storage.handlers.incoming import Incoming, Refusals, check_same, claimed_id, decoded, ever_in
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
PEERS = "peers"
"""Flag: ids of our active peers, with spaces between."""
NOT_DELIVERED = "NOT_DELIVERED"
"""Code of a package whose manifest the peer did not give: replication asks again, and reports nobody."""
_AT_ONCE = 200
_CONTESTED = "contested"
"""Flag: all that one key was rotated to, once that is more than one."""
_MOST_RIVALS = 8
"""Whoever has a key can sign any number of rotations; beyond this nobody is told of one more."""


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
        raw = decoded(envelope)
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
            envelope = None if text is None else decoded(text)
            manifest = None if envelope is None else self.signer.open(envelope)
            if manifest is not None and manifest.package_id != package_id:
                raise ManifestInvalid("the manifest is that of another package")
            said = self._readable(document.get("meta") or [], package_id, peer_id, refusals)
            return Incoming(package_id, manifest, envelope, said, ever_in(document) if peer_id is None else frozenset())
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
        envelope = decoded(text)
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
        package = replace(package, ever=package.ever | incoming.ever, gone=package.gone and incoming.manifest is None)
        updated = self._judged(package, after, trust)
        for event in fact_events(known, updated, after):
            changes.dispatch(event)
        return round_.apply(package.name, [updated])[package.package_id]

    def _with_manifest(self, known: Package | None, incoming: Incoming, trust: Trust, peer_id: str | None) -> Package:
        manifest, envelope = incoming.manifest, incoming.envelope
        if manifest is None or envelope is None:
            if known is None:
                # Between the feed and this answer the peer was told to show us less: it is no fault of its, and may pass.
                raise RecordRefused("the peer gave no manifest of this package, and none is known here", NOT_DELIVERED)
            return known
        fault = self._fault(manifest, trust)
        if known is not None and self._fault(known.manifest, trust) is None:
            return self._with_revision(known, manifest, envelope, fault, peer_id)
        self._check_counts(manifest, fault, peer_id)
        if known is not None and known.name != manifest.name.text:
            raise RecordRefused("it is known here by another name, by a manifest that does not count: that one stays refused")
        ever = (known.ever if known else frozenset()) | (manifest.tags or {UNTAGGED})
        return Package(manifest, envelope, PackageState.WANTED, correlation_id(), self.clock(), received_from=peer_id, ever=ever)

    def _with_revision(self, known: Package, manifest: Manifest, envelope: bytes, fault: str | None, peer_id: str | None) -> Package:
        """Of several revisions that count, the greatest."""
        check_same(known, manifest)
        digest = hashlib.sha256(envelope).hexdigest()
        if (manifest.revision, digest) <= (known.manifest.revision, known.manifest_digest):
            return known
        self._check_counts(manifest, fault, peer_id)
        return replace(known, manifest=manifest, envelope=envelope)

    def _check_counts(self, manifest: Manifest, fault: str | None, peer_id: str | None) -> None:
        self._check_time(Stamp.of(manifest.created), manifest.origin, peer_id)
        if fault is not None:
            raise RecordRefused(fault)

    def _fault(self, manifest: Manifest, trust: Trust) -> str | None:
        return fault_of(manifest, trust, InstanceId(self.signer.identity[0]))

    def _judged(self, package: Package, facts: Facts, trust: Trust) -> Package:
        return facts.applied_to(package).judged(self._fault(package.manifest, trust))

    # Charters and rotations

    def _offer_relations(self, charters: Sequence[str], rotations: Sequence[str], peer_id: str | None, refusals: Refusals) -> None:
        with self.catalogue.changing() as changes:
            before = changes.trust()
            strangers = Strangers(before, lambda: self._concerned(changes))
            turned = [
                self._guarded("rotation", text, refusals, lambda raw: self._take_rotation(changes, raw, peer_id, strangers))
                for text in rotations
            ]
            chartered = [
                self._guarded("charter", text, refusals, lambda raw: self._take_charter(changes, raw, strangers)) for text in charters
            ]
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
            return take(decoded(text))
        except OdstError as error:
            refusals.add(kind, claimed_id(text), error)
            return False

    def _concerned(self, changes: Changes) -> list[InstanceId]:
        peers = [InstanceId.parse(one) for one in changes.flag_value(PEERS, "").split()]
        return [*self.settler.house().ids, *peers, *self.catalogue.origins()]

    def _take_charter(self, changes: Changes, envelope: bytes, strangers: Strangers) -> bool:
        charter = self.signer.open_charter(envelope)
        charter.stamp.check_not_ahead(self.clock())
        known, kept = changes.charter(charter.instance_id), KeptCharter(charter, envelope)
        if known and known.order >= kept.order:
            return False
        turned = changes.rotation(charter.instance_id)
        if turned and charter.stamp > turned.rotation.stamp:
            raise RecordRefused("its author signs with another key since before it was issued")
        if known is None:
            strangers.admit(charter.instance_id)
        if known and known.charter.stamp == charter.stamp:
            log.error("charter_contradicted", instance_id=str(charter.instance_id), stamp=str(charter.stamp))
        changes.save_charter(kept)
        changes.stamp(charter_row(charter, envelope))
        return True

    def _take_rotation(self, changes: Changes, envelope: bytes, peer_id: str | None, strangers: Strangers) -> bool:
        rotation = self.signer.open_rotation(envelope)
        self._check_time(rotation.stamp, rotation.new, peer_id)
        if peer_id is not None and changes.rotation(rotation.old) is None:
            strangers.admit(rotation.old, rotation.new)
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
        """After a change of trust: what counts about each package that it may concern, and whether the package itself does.

        Only what changes is written.
        """
        charters, rotations = self.catalogue.charters(), self.catalogue.rotations()
        trust = Trust.of((one.charter for one in charters), (one.rotation for one in rotations))
        concerned = self.catalogue.to_reconsider(_doubted(self.catalogue.origins(), trust))
        for start in range(0, len(concerned), _AT_ONCE):
            part = concerned[start : start + _AT_ONCE]
            said = self.catalogue.meta(part)
            for package in self.catalogue.packages(part):
                facts = facts_of(package.manifest, said.get(package.package_id, ()), trust)
                if self._judged(package, facts, trust) != package:
                    self._reconsider(package.package_id)

    def _reconsider(self, package_id: str) -> None:
        with self.catalogue.changing() as changes, self.settler.round(changes) as round_:
            package = changes.package(package_id)
            if package is None:
                return
            trust = changes.trust()
            after = facts_of(package.manifest, changes.meta_of(package_id), trust)
            changes.replace_meta(package_id, after.kept)
            judged = self._judged(package, after, trust)
            round_.apply(package.name, [judged])
        if judged.is_refused and not package.is_refused:
            log.error("package_refused", package_id=package_id, name=package.name, reason=judged.error_reason)


def charter_row(charter: Charter, envelope: bytes) -> FeedRow:
    """A charter's row of the change feed."""
    return FeedRow(0, "charter", str(charter.instance_id), 0, hashlib.sha256(envelope).hexdigest(), str(charter.stamp))


def rotation_row(kept: KeptRotation) -> FeedRow:
    """A rotation's row of the change feed."""
    return FeedRow(0, "rotation", str(kept.rotation.old), 0, hashlib.sha256(kept.envelope).hexdigest(), str(kept.rotation.stamp))


def _doubted(origins: Iterable[InstanceId], trust: Trust) -> list[InstanceId]:
    """Those of whom not everything may count: their key was rotated away, or somebody revoked them under one of their ids."""
    revoked = {trust.present(one) for charter in trust.charters.values() for one, _ in charter.revoked}
    return [one for one in origins if one in trust.rotations or trust.present(one) in revoked]


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
