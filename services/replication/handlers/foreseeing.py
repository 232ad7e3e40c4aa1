"""The plan: what will move, to here and to each peer, and why; or what would, if a package had other staging tags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from services.replication.domain.catalogue import PUBLISHED, WANTED, Outline, Told, WhoIsWho
from services.replication.domain.peer import Peer, PeerState
from services.replication.handlers.surveying import ask_peer
from services.replication.ports import PeerClient, Peers, StorageService, Together, Transfers
from shared.core.errors import InvalidInput
from shared.core.staging import EVERY_TAG, Stages, Tags, entitled

_SECONDS = 5.0
_MOST = 1000
_MOST_ASKED = 2000
"""Packages that each peer is asked for; beyond that, its feed is believed."""
_SECOND = 2
_CANCELLED = "its transfer was cancelled here: nothing is fetched until somebody resumes it"


@dataclass
class _Plan:
    items: list[dict[str, Any]] = field(default_factory=list)
    withdrawals: list[dict[str, Any]] = field(default_factory=list)
    unknown: list[dict[str, Any]] = field(default_factory=list)
    bytes: int = 0
    left_out: int = 0

    def move(self, package: Outline, origin: str, to: str, why: str) -> None:
        self.bytes += package.size
        about = {"package_id": package.package_id, "name": package.name, "size": package.size}
        self._note(self.items, about | {"from": origin, "to": to, "bytes": package.size, "why": why})

    def withdraw(self, package: Outline, to: str, why: str) -> None:
        self.withdrawals.append({"package_id": package.package_id, "name": package.name, "to": to, "why": why})

    def doubt(self, package: Outline, to: str) -> None:
        why = "that peer does not let us see packages with these staging tags: it may be there or not"
        self._note(self.unknown, {"package_id": package.package_id, "name": package.name, "to": to, "why": why})

    def _note(self, entries: list[dict[str, Any]], entry: dict[str, Any]) -> None:
        if len(entries) >= _MOST:
            self.left_out += 1
        else:
            entries.append(entry)

    @property
    def document(self) -> dict[str, Any]:
        lists = {"items": self.items, "withdrawals": self.withdrawals, "unknown": self.unknown}
        return lists | {"bytes": self.bytes, "left_out": self.left_out}


@dataclass
class ForeseeingHandlers:
    """Says before it happens what will move."""

    peers: Peers
    transfers: Transfers
    client: PeerClient
    storage: StorageService
    together: Together
    stages: Stages
    instance_name: str
    own_tags: Tags
    own_id: Callable[[], str]

    def plan(self, package_id: str | None, tags: object) -> dict[str, Any]:
        """What will move: of one package or of all. With a package and `tags`: what would if it were retagged so.

        Raises:
            NotFound: if there is no such package.
            InvalidInput: STAGE_UNKNOWN, TAG_INVALID, or PACKAGE_MISSING if there are tags and no package.
        """
        plan = _Plan()
        if tags is not None:
            if package_id is None:
                raise InvalidInput("tags without a package: say which package would get them", "PACKAGE_MISSING")
            self._what_if(plan, self.storage.show(package_id), self.stages.check(tags))
            return plan.document
        targets = self._targets(self.storage.who_is_who())
        for page in self._pages(package_id):
            self._incoming(plan, [package for package in page if package.state == WANTED])
            self._note_lacking(targets, [package for package in page if package.state == PUBLISHED and package.bytes_here])
        for target, told in zip(targets, self._ask(targets), strict=True):
            for package in target.lacking:
                self._outgoing(plan, target, told, package)
        return plan.document

    def _outgoing(self, plan: _Plan, target: _Target, told: Told, package: Outline) -> None:
        holding = told.holdings.get(package.package_id)
        if not told.would_say(package):
            plan.doubt(package, target.peer.name)
        elif holding is None or not holding.is_settled:
            plan.move(package, self.instance_name, target.peer.name, _why(package.tags, target.peer.tags))

    def _pages(self, package_id: str | None) -> Iterator[Sequence[Outline]]:
        if package_id is not None:
            yield [self.storage.show(package_id)]
            return
        page, after = self.storage.outlines(None)
        yield page
        while after is not None:
            page, after = self.storage.outlines(after)
            yield page

    def _targets(self, who: WhoIsWho) -> list[_Target]:
        active = [peer for peer in self.peers.all() if peer.state is PeerState.ACTIVE]
        return [_Target(peer, who.borne.get(who.present(str(peer.peer_id)))) for peer in active]

    def _incoming(self, plan: _Plan, packages: Sequence[Outline]) -> None:
        names = {str(peer.peer_id): peer.name for peer in self.peers.all()}
        sources = self.peers.sources_among([package.package_id for package in packages])
        held = self.transfers.held_back([package.package_id for package in packages])
        for package in packages:
            if held.get(package.package_id) == "cancelled":
                plan.withdraw(package, self.instance_name, _CANCELLED)
                continue
            have = sorted(names[peer_id] for peer_id in sources[package.package_id] if peer_id in names)
            why = "it is wanted here" if have else "it is wanted here, and no peer has it yet"
            why += "; its transfer is paused" if package.package_id in held else ""
            plan.move(package, ", ".join(have), self.instance_name, why)

    def _note_lacking(self, targets: Sequence[_Target], packages: Sequence[Outline]) -> None:
        known = self.peers.sources_among([package.package_id for package in packages])
        for target in targets:
            target.lacking += [one for one in packages if target.gets(one.tags) and target.peer_id not in known[one.package_id]]

    def _ask(self, targets: Sequence[_Target]) -> list[Told]:
        """What each target says of what it seems to lack. Who does not say it in time is taken to show us what has no staging tags."""
        answers = self.together([partial(self._told, target) for target in targets], _SECONDS)
        return [answer or Told() for answer in answers]

    def _told(self, target: _Target) -> Told:
        if target.peer.protocol < _SECOND or not target.lacking:
            return Told(shown=frozenset({EVERY_TAG}))  # The first version knows no tags: its feed has everything.
        return ask_peer(self.client, target.peer, [package.package_id for package in target.lacking[:_MOST_ASKED]])

    def _what_if(self, plan: _Plan, package: Outline, tags: Tags) -> None:
        who = self.storage.who_is_who()
        self._what_if_here(plan, package, tags, who)
        known = self.peers.sources_among([package.package_id])[package.package_id]
        targets = [replace(target, lacking=[] if target.peer_id in known else [package]) for target in self._targets(who)]
        for target, told in zip(targets, self._ask(targets), strict=True):
            stays = who.present(package.origin) == who.present(target.peer_id)
            self._what_if_there(plan, target, told, package, tags, stays=stays)

    def _what_if_there(  # noqa: PLR0913 - one package, one peer, two sets of tags
        self, plan: _Plan, target: _Target, told: Told, package: Outline, tags: Tags, *, stays: bool
    ) -> None:
        holding = told.holdings.get(package.package_id)
        has = not target.lacking or (holding is not None and holding.bytes_here)
        gets, loses = target.gets(tags), not entitled(tags, target.peer.tags) and not stays
        if not has and not told.would_say(package) and target.gets(package.tags):
            if (gets and package.bytes_here) or loses:
                plan.doubt(package, target.peer.name)
        elif gets and not has and package.bytes_here and not (holding and holding.is_barred):
            plan.move(package, self.instance_name, target.peer.name, _why(tags, target.peer.tags))
        elif has and loses:
            plan.withdraw(package, target.peer.name, _why_not(tags))

    def _what_if_here(self, plan: _Plan, package: Outline, tags: Tags, who: WhoIsWho) -> None:
        if entitled(tags, self.own_tags) and not package.bytes_here:
            self._incoming(plan, [package])
        elif not entitled(tags, self.own_tags) and package.bytes_here and who.present(package.origin) != self.own_id():
            plan.withdraw(package, self.instance_name, _why_not(tags))


@dataclass
class _Target:
    """A peer, what it wants by its own word (None if that is not known), and what of ours it seems to lack."""

    peer: Peer
    borne: Collection[str] | None
    lacking: list[Outline] = field(default_factory=list)

    @property
    def peer_id(self) -> str:
        return str(self.peer.peer_id)

    def gets(self, tags: Tags) -> bool:
        """True if it may see what has these tags, and wants it."""
        return entitled(tags, self.peer.tags) and (self.borne is None or entitled(tags, self.borne))


def _why(tags: Tags, seen: Tags) -> str:
    if not tags:
        return "it has no staging tags, so it goes everywhere"
    reason = sorted(tags & seen)
    return f"its staging tag {reason[0]!r} lets it go there" if reason else "that peer sees every staging tag"


def _why_not(tags: Tags) -> str:
    return f"none of its staging tags ({', '.join(sorted(tags))}) would let it be there"
