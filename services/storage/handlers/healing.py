"""Healing: a database that was restored, a clock that was ahead, rules of the house or of trust that changed.

What has to be looked at again is looked at by the sweep, so that whoever found out need not wait for it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from services.storage.domain.facts import KeptMeta
from services.storage.domain.listing import Listing
from services.storage.domain.package import Package
from services.storage.domain.settling import House
from services.storage.ports import Catalogue, Clock, RecordFiles, Signer, ToldFile
from shared.contracts import events
from shared.core.clock import MAX_AHEAD, Stamp
from shared.core.identity import InstanceId
from shared.core.trust import Trust
from shared.runtime.logging import get_logger

if TYPE_CHECKING:
    from services.storage.handlers.records import RecordHandlers
    from services.storage.handlers.removing import RemovingHandlers
    from services.storage.handlers.settling import Settler
    from services.storage.handlers.stewarding import StewardHandlers
    from services.storage.handlers.uploads import UploadHandlers

log = get_logger(__name__)
_HOUSE = "house"
"""Flag: the rules by which everything was settled last."""
_BATCH = 100
_MANY = 500
"""Packages that are looked at in one transaction."""


@dataclass
class _Hands:
    records: RecordHandlers
    stewards: StewardHandlers
    uploads: UploadHandlers
    removing: RemovingHandlers
    settler: Settler


@dataclass
class HealingHandlers:
    """Notices what is no longer as it was, and puts it right."""

    catalogue: Catalogue
    signer: Signer
    clock: Clock
    told: ToldFile
    files: RecordFiles
    rules: House
    _hands: _Hands | None = field(default=None, init=False)
    _ids: frozenset[InstanceId] = field(default=frozenset(), init=False)
    _trust_is_new: bool = field(default=True, init=False)

    def tie(
        self, records: RecordHandlers, stewards: StewardHandlers, uploads: UploadHandlers, removing: RemovingHandlers, settler: Settler
    ) -> None:
        """Give it the hands that do the work; they need its rules, so they are made after it."""
        self._hands = _Hands(records, stewards, uploads, removing, settler)

    @property
    def _do(self) -> _Hands:
        assert self._hands is not None
        return self._hands

    def house(self) -> House:
        """The rules of this instance, with all ids that it ever had."""
        own = InstanceId(self.signer.identity[0])
        if own not in self._ids:
            trust = Trust.of((), (one.rotation for one in self.catalogue.rotations()))
            self._ids = frozenset({own, *(one for one in trust.rotations if trust.present(one) == own)})
        return replace(self.rules, ids=self._ids)

    def note_trust(self) -> None:
        """Who may write about whose packages has changed: what counts is to be found anew."""
        self._trust_is_new = True
        self._ids = frozenset()

    def start(self) -> None:
        """Before anything else: is this the database that peers know, and are the rules of the house those of the last time?"""
        fresh = self._restored()
        if fresh:
            self._do.removing.find_lost()
            self._adopt()
            self._do.removing.find_kept()
            self._resettle_all()
            self.told.tell(fresh, 0)  # the last step: a crash before it begins anew, with another epoch
        self._resettle_if_rules_changed()

    def _restored(self) -> str | None:
        """The name of the new epoch, if one was needed."""
        told, (epoch, seq) = self.told.read(), self.catalogue.feed_position()
        if told is None or (told[0] == epoch and told[1] <= seq):
            return None
        fresh = secrets.token_hex(16)
        with self.catalogue.changing() as changes:
            changes.begin_epoch(fresh)
            changes.dispatch(events.CatalogueRestoredV1(told_seq=told[1], found_seq=seq, epoch=fresh))
        log.error("catalogue_restored", told_seq=told[1], found_seq=seq, epoch=fresh)
        return fresh

    def _adopt(self) -> None:
        """Take over what lies beside the database."""
        self._do.records.offer([], [], [document["rotation"] for document in self._documents() if "rotation" in document], None)
        batch: list[dict[str, Any]] = []
        for document in self._documents():
            batch += [] if "rotation" in document else [document]
            if len(batch) == _BATCH:
                self._do.records.offer(batch, [], [], None)
                batch = []
        self._do.records.offer(batch, [], [], None)

    def _documents(self) -> Iterator[dict[str, Any]]:
        for raw in self.files.all():
            try:
                document = json.loads(raw)
            except ValueError:
                document = None
            if isinstance(document, dict):
                yield document
            else:
                log.warning("record_file_unreadable", size=len(raw))

    def _resettle_if_rules_changed(self) -> None:
        rules = f"{sorted(self.rules.tags)} {self.rules.gone_policy} {self.rules.superseded_kept} {self.rules.trash}"
        with self.catalogue.changing() as changes:
            known = changes.flag_value(_HOUSE, "")
        if known != rules:
            self._resettle_all()
            with self.catalogue.changing() as changes:
                changes.flag(_HOUSE, "", rules)

    def _resettle_all(self) -> None:
        after: str | None = None
        while True:
            found, after = self.catalogue.page(Listing(), after, _MANY)
            names = list(dict.fromkeys(package.name for package in found))
            with self.catalogue.changing() as changes, self._do.settler.round(changes) as round_:
                changes.expect((), names)
                for name in names:
                    round_.apply(name, ())
            if after is None:
                return

    def sweep(self) -> None:
        """Look again where trust changed, and where our own clock had been ahead."""
        if self._trust_is_new:
            self._trust_is_new = False
            try:
                self._do.records.reconsider()
            except BaseException:
                self._trust_is_new = True
                raise
        self._restamp()

    def _restamp(self) -> None:
        """What we wrote with a clock that was ahead is refused by others: write it again with the right time, in the same order."""
        latest, own = self.clock() + MAX_AHEAD, InstanceId(self.signer.identity[0])
        ahead: list[tuple[Stamp, KeptMeta | Package]] = []
        ahead += [(one.record.stamp, one) for one in self.catalogue.meta_ahead(own, Stamp.of(latest))]
        ahead += [(Stamp.of(one.manifest.created), one) for one in self.catalogue.manifests_ahead(own, latest)]
        for _, one in sorted(ahead, key=lambda pair: pair[0]):
            if isinstance(one, Package):
                self._do.uploads.restamp(one)
            else:
                self._do.stewards.restamp(one)
