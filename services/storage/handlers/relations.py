"""Relations between instances: our own charter and key, and what the charters of others tell and keep silent about."""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.storage.handlers.records import PEERS, charter_row, rotation_row
from services.storage.ports import Catalogue, Changes, Clock, KeptCharter, KeptRotation, RecordFiles, Signer
from shared.contracts import events
from shared.core.charter import Census, Charter, Rotation
from shared.core.clock import MAX_AHEAD, Stamp, next_stamp
from shared.core.errors import Conflict
from shared.core.identity import InstanceId
from shared.core.staging import Tags
from shared.core.times import rfc3339
from shared.core.trust import Trust
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_OUTRUN = "outrun"
"""Flag: the stamp of a charter of ours that was issued with a clock ahead of the present one. Peers may go by it until that time."""
_STALE_AFTER = 3
"""Charters that an instance may leave out before it counts as away, or withheld."""
_DOUBTED_AFTER = 2
"""Charters in a row that must contradict what arrived: one may be on the way while records are."""


@dataclass
class RelationHandlers:
    """Charters, rotations, and alarms about either."""

    catalogue: Catalogue
    signer: Signer
    clock: Clock
    files: RecordFiles
    instance_name: str
    tags: Tags
    charter_every: dt.timedelta
    trust_changed: Callable[[], None]
    _fitting: dict[InstanceId, Stamp] = field(default_factory=dict, init=False)
    """Charters of which everything has arrived: once is enough, and looking costs as much as the author wrote."""

    def declare_peers(
        self, stewards: Sequence[dict[str, Any]], revoked: Sequence[dict[str, Any]], registered: Sequence[dict[str, Any]]
    ) -> None:
        """Replication says whom we let steward our packages, whom we revoked, and since when active peers are registered.

        A new charter follows if that is news. What it is silent about stays as our charter has it: its database may be an older one.
        """
        with self.catalogue.changing() as changes:
            changes.flag(PEERS, "", " ".join(sorted(InstanceId.parse(one["instance_id"]).text for one in registered)) or None)
        known, trust = self._own(), self._trust()
        named = {InstanceId.parse(one["instance_id"]): _stamp_or_none(one["until"]) for one in stewards}
        gone = {InstanceId.parse(one["instance_id"]): Stamp.parse(one["since"]) for one in revoked}
        if known is not None:
            named = _kept_stewards(known, named, trust) | named
            gone |= _kept_revocations(known, gone, _admissions(registered, trust), trust)
        relations = tuple(sorted(named.items(), key=_by_id)), tuple(sorted(gone.items(), key=_by_id))
        if known is None or (known.stewards, known.revoked) != relations:
            self._issue(*relations)
            self.trust_changed()

    def sweep(self) -> None:
        """Finish a rotation that was interrupted, issue the charter anew when it is time, look at those of others.

        The first charter waits for `declare_peers`: one without stewards would undo, everywhere, what they wrote.
        """
        self._finish_rotation()
        known = self._own()
        if known is not None and self._is_due(known):
            self._issue(known.stewards, known.revoked)
        self._watch()

    def _own(self) -> Charter | None:
        """Our charter; while the present key has issued none, that of the key before."""
        own = InstanceId(self.signer.identity[0])
        with self.catalogue.changing() as changes:
            kept = changes.charter(own)
            return kept.charter if kept else changes.trust().charter_of(own)

    def _is_due(self, charter: Charter) -> bool:
        now = self.clock()
        with self.catalogue.changing() as changes:
            outrun = _outrun(changes, charter.instance_id)
        changed = (str(charter.instance_id), charter.name, charter.tags) != (self.signer.identity[0], self.instance_name, self.tags)
        ahead = charter.stamp.time - now
        return changed or -ahead > self.charter_every or ahead > MAX_AHEAD or (outrun is not None and outrun.time <= now)

    def _issue(self, stewards: tuple[tuple[InstanceId, Stamp | None], ...], revoked: tuple[tuple[InstanceId, Stamp], ...]) -> None:
        own, key = self.signer.identity
        with self.catalogue.changing() as changes:
            seen = _charter_stamps(changes, InstanceId(own))
            stamp = next_stamp(self.clock(), (one for one in seen if one.time <= self.clock() + MAX_AHEAD))
            changes.flag(_OUTRUN, own, str(max(seen)) if seen and max(seen) > stamp else None)
            census = self.catalogue.census(InstanceId(own), stamp)
            charter = Charter(InstanceId(own), key, self.instance_name, self.tags, stewards, revoked, census, stamp)
            envelope = self.signer.sign_charter(charter)
            before = changes.charter(charter.instance_id)
            if before is not None and before.charter.relations != charter.relations:
                changes.dispatch(events.TrustChangedV1())
            changes.save_charter(KeptCharter(charter, envelope))
            changes.stamp(charter_row(charter, envelope))
            changes.dispatch(events.CatalogueChangedV1())
        log.info("charter_issued", stamp=str(stamp), stewards=len(stewards), revoked=len(revoked))

    def revoked_among(self, instance_ids: Sequence[str]) -> dict[str, Any]:
        """Which of these instances our stewards have revoked, under any of their ids, and who did. Our own word is no part of it.

        A steward's clock may be a little ahead: what it revoked counts at once all the same.
        """
        own, now, trust = InstanceId(self.signer.identity[0]), self.clock(), self._trust()
        judges = trust.stewards_of(own, Stamp.of(now)) - {trust.present(own)}
        found = {one: trust.revoker_of(InstanceId.parse(one), Stamp.of(now + MAX_AHEAD), judges) for one in instance_ids}
        return {"revoked": {one: str(revoker) for one, revoker in found.items() if revoker is not None}}

    # Watching others

    def _watch(self) -> None:
        own, now = InstanceId(self.signer.identity[0]), self.clock()
        trust = self._trust()
        ours = trust.present(own)
        for kept in self.catalogue.charters():
            charter = kept.charter
            if trust.present(charter.instance_id) == ours or trust.present(charter.instance_id) != charter.instance_id:
                continue
            if trust.is_revoked(charter.instance_id, Stamp.of(now), trust.stewards_of(own, Stamp.of(now))):
                continue
            self._check_age(charter, now)
            self._check_census(charter)

    def _trust(self) -> Trust:
        charters = (one.charter for one in self.catalogue.charters())
        return Trust.of(charters, (one.rotation for one in self.catalogue.rotations()))

    def _check_age(self, charter: Charter, now: dt.datetime) -> None:
        stale = now - charter.stamp.time > _STALE_AFTER * self.charter_every
        with self.catalogue.changing() as changes:
            if not changes.flag("stale", str(charter.instance_id), "yes" if stale else None) or not stale:
                return
            told = events.InstanceStaleV1(instance_id=str(charter.instance_id), name=charter.name, issued=charter.stamp.time)
            changes.dispatch(told)
        log.error("instance_stale", instance_id=str(charter.instance_id), name=charter.name, issued=charter.stamp.time.isoformat())

    def _check_census(self, charter: Charter) -> None:
        """What an instance says that it wrote must have arrived, unless it wrote it anew since; two charters in a row settle that."""
        if self._fitting.get(charter.instance_id) == charter.stamp:
            return
        about, found = str(charter.instance_id), self.catalogue.census(charter.instance_id, charter.stamp)
        with self.catalogue.changing() as changes:
            if found == charter.census:
                self._fitting[charter.instance_id] = charter.stamp
                changes.flag("doubt", about, None)
                changes.flag("census", about, None)
                return
            doubts = _doubts(changes, about, charter)
            if doubts < _DOUBTED_AFTER or not changes.flag("census", about, "differs"):
                return
            changes.dispatch(_differed(charter, found))
        log.error("census_differed", instance_id=about, written=charter.census.count, arrived=found.count)

    # Our own key

    def rotate(self, person: str) -> dict[str, str]:
        """Sign with a new key from now on; the old one vouches for it and is forgotten. The id of this instance changes.

        Raises:
            Conflict: CLOCK_WAS_AHEAD, if the old key signed something with a time that others do not accept yet.
        """
        old = self.signer.identity[0]
        with self.catalogue.changing() as changes:
            pending = changes.rotation(InstanceId(old))
            kept = pending or self.signer.prepare_rotation(self._rotation_stamp(changes, InstanceId(old)))
            if pending is None:
                self._keep(kept)
                changes.save_rotation(kept)
                changes.stamp(rotation_row(kept))
                changes.dispatch(_rotated(kept.rotation, person))
                changes.dispatch(events.CatalogueChangedV1())
        log.warning("key_rotated", old=old, new=str(kept.rotation.new), person=person)
        self._finish_rotation()
        return {"old": old, "new": str(kept.rotation.new)}

    def _keep(self, kept: KeptRotation) -> None:
        """Beside the database too: without the rotation, nobody could know any more that the new key is ours."""
        document = {"rotation": base64.b64encode(kept.envelope).decode()}
        self.files.keep(str(uuid.uuid5(uuid.NAMESPACE_OID, kept.rotation.old.text)), json.dumps(document).encode())

    def _rotation_stamp(self, changes: Changes, own: InstanceId) -> Stamp:
        """Later than all that the old key signed: what it signs after this counts nowhere."""
        now = self.clock()
        seen = _charter_stamps(changes, own)
        seen += [one.record.stamp for one in self.catalogue.meta_ahead(own, Stamp.of(now))]
        seen += [Stamp.of(one.manifest.created) for one in self.catalogue.manifests_ahead(own, now)]
        stamp = next_stamp(now, seen)
        if stamp.time > now + MAX_AHEAD:
            raise Conflict(
                "the clock of this instance was ahead: what it signed is signed anew within a minute, rotate after that", "CLOCK_WAS_AHEAD"
            )
        return stamp

    def _finish_rotation(self) -> None:
        """The new key takes its place, with a charter that says what the old one said."""
        old = InstanceId(self.signer.identity[0])
        with self.catalogue.changing() as changes:
            kept, known = changes.rotation(old), changes.charter(old)
        if kept is None:
            return
        self.signer.complete_rotation(kept.rotation)
        self._issue(known.charter.stewards if known else (), known.charter.revoked if known else ())
        self.trust_changed()

    def former_keys(self) -> dict[str, Any]:
        """The rotations that lead to our present key, oldest first: for whoever knows us by an earlier one."""
        own, trust = InstanceId(self.signer.identity[0]), self._trust()
        ours = [one.envelope for one in self.catalogue.rotations() if trust.present(one.rotation.old) == own]
        return {"rotations": [base64.b64encode(envelope).decode() for envelope in ours]}

    def instances(self) -> dict[str, Any]:
        """Every instance that is known by a charter."""
        own, now, trust = InstanceId(self.signer.identity[0]), self.clock(), self._trust()
        return {"items": [self._describe(one.charter, trust, own, now) for one in self.catalogue.charters()]}

    def _describe(self, charter: Charter, trust: Trust, own: InstanceId, now: dt.datetime) -> dict[str, Any]:
        return {
            "instance_id": str(charter.instance_id),
            "present_id": str(trust.present(charter.instance_id)),
            "name": charter.name,
            "tags": sorted(charter.tags),
            "issued": rfc3339(charter.stamp.time),
            "stale": now - charter.stamp.time > _STALE_AFTER * self.charter_every,
            "stewards": [str(one) for one, until in charter.stewards if until is None],
            "revoked": [str(one) for one, _ in charter.revoked],
            "is_self": trust.present(charter.instance_id) == trust.present(own),
        }


def _charter_stamps(changes: Changes, own: InstanceId) -> list[Stamp]:
    """Of our present charter, and of the one that it did not get past."""
    known, outrun = changes.charter(own), _outrun(changes, own)
    return ([known.charter.stamp] if known else []) + ([outrun] if outrun else [])


def _outrun(changes: Changes, own: InstanceId) -> Stamp | None:
    text = changes.flag_value(_OUTRUN, str(own))
    return Stamp.parse(text) if text else None


def _doubts(changes: Changes, about: str, charter: Charter) -> int:
    """How many different charters in a row contradicted what arrived: kept as the stamps seen."""
    stamps = changes.flag_value("doubt", about).split()
    if str(charter.stamp) not in stamps:
        stamps = [*stamps, str(charter.stamp)][-_DOUBTED_AFTER:]
        changes.flag("doubt", about, " ".join(stamps))
    return len(stamps)


def _differed(charter: Charter, found: Census) -> events.CensusDifferedV1:
    about = str(charter.instance_id)
    return events.CensusDifferedV1(instance_id=about, name=charter.name, written=charter.census.count, arrived=found.count)


def _rotated(rotation: Rotation, person: str) -> events.InstanceRotatedV1:
    new_key = base64.b64encode(rotation.new_key).decode()
    return events.InstanceRotatedV1(old_id=str(rotation.old), new_id=str(rotation.new), new_key=new_key, person=person)


def _admissions(registered: Iterable[dict[str, Any]], trust: Trust) -> dict[InstanceId, Stamp]:
    """When each instance was let in last, by its present id."""
    found: dict[InstanceId, Stamp] = {}
    for one in registered:
        present, since = trust.present(InstanceId.parse(one["instance_id"])), Stamp.parse(one["since"])
        found[present] = max(since, found.get(present, since))
    return found


def _kept_stewards(charter: Charter, named: Iterable[InstanceId], trust: Trust) -> dict[InstanceId, Stamp | None]:
    """Whoever was a steward is named for ever, dismissed or not, so silence about one is no dismissal."""
    spoken_of = {trust.present(one) for one in named}
    return {one: until for one, until in charter.stewards if trust.present(one) not in spoken_of}


def _kept_revocations(
    charter: Charter, gone: Mapping[InstanceId, Stamp], admitted: Mapping[InstanceId, Stamp], trust: Trust
) -> dict[InstanceId, Stamp]:
    """A revocation ends when its instance is let in again after it. Of two of one instance the earlier stays."""
    kept = {one: min(since, gone.get(one, since)) for one, since in charter.revoked}
    return {one: since for one, since in kept.items() if since >= admitted.get(trust.present(one), Stamp(0))}


def _stamp_or_none(text: str | None) -> Stamp | None:
    return None if text is None else Stamp.parse(text)


def _by_id(pair: tuple[InstanceId, Any]) -> str:
    return pair[0].text
