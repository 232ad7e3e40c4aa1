"""The matrix: which package is at which instance. Peers are asked side by side; who does not answer in time is guessed from its feed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from services.replication.domain.catalogue import Holding, Told
from services.replication.domain.peer import Peer, PeerState
from services.replication.domain.records import portions
from services.replication.ports import PeerClient, Peers, Signatures, StorageService, Together, Transfers
from shared.core.errors import InvalidInput
from shared.core.staging import Tags

_SECONDS = 5.0
"""Longest wait for all peers together."""
_PORTION, _MOST = 200, 1000
_SECOND = 2
_MOVES = "on_its_way"


def ask_peer(client: PeerClient, peer: Peer, package_ids: Sequence[str]) -> Told:
    """What a peer has of any number of packages, and, if it leaves some out, which of them it would have shown us."""
    found: dict[str, Holding] = {}
    for portion in portions(package_ids, _PORTION):
        found |= client.holdings(peer, portion)
    return Told(found, client.view_tags(peer) if len(found) < len(package_ids) else frozenset())


@dataclass
class SurveyingHandlers:
    """Looks around in the mesh."""

    peers: Peers
    transfers: Transfers
    client: PeerClient
    storage: StorageService
    signatures: Signatures
    together: Together
    instance_name: str

    def matrix(self, package_ids: list[str]) -> dict[str, Any]:
        """Each package at this instance and at each active peer.

        Raises:
            InvalidInput: TOO_MANY, if more than 1000 are asked for.
        """
        if len(package_ids) > _MOST:
            raise InvalidInput(f"a matrix has at most {_MOST} packages", "TOO_MANY")
        wanted, my_id = list(dict.fromkeys(package_ids)), self.signatures.identity[0]
        active = [peer for peer in self.peers.all() if peer.state is PeerState.ACTIVE]
        answers = self.together([partial(self._ask, peer, wanted) for peer in active], _SECONDS)
        cells = {my_id: self._own_cells(wanted)}
        cells |= {str(peer.peer_id): cell for peer, cell in zip(active, self._peer_cells(active, answers, wanted), strict=True)}
        instances = [{"instance_id": my_id, "name": self.instance_name, "is_self": True, "reachable": True}]
        for peer, answer in zip(active, answers, strict=True):
            instances.append({"instance_id": str(peer.peer_id), "name": peer.name, "is_self": False, "reachable": answer is not None})
        columns = {package_id: {instance: column[package_id] for instance, column in cells.items()} for package_id in wanted}
        return {"instances": instances, "packages": columns}

    def _ask(self, peer: Peer, package_ids: Sequence[str]) -> Told:
        """What a peer says; of the first version it can only be learned that it answers."""
        if peer.protocol < _SECOND:
            self.client.status(peer)
            return Told()
        return ask_peer(self.client, peer, package_ids)

    def _own_cells(self, package_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        here: dict[str, Holding] = {}
        for portion in portions(package_ids, _PORTION):
            here |= self.storage.holdings(portion)
        progress, held = self.transfers.progress(package_ids), self.transfers.held_back(package_ids)
        return {one: _own_cell(here[one], progress.get(one), held.get(one)) if one in here else _cell("absent") for one in package_ids}

    def _peer_cells(
        self, peers: Sequence[Peer], answers: Sequence[Told | None], package_ids: Sequence[str]
    ) -> list[dict[str, dict[str, Any]]]:
        sources = self.peers.sources_among(package_ids)
        views = {peer.tags for peer in peers} | {answer.shown for answer in answers if answer is not None}
        allowed = {tags: self._entitled(package_ids, tags) for tags in views}
        columns = []
        for peer, answer in zip(peers, answers, strict=True):
            shown = allowed[answer.shown] if answer is not None and peer.protocol >= _SECOND else None
            columns.append({one: _peer_cell(peer, one, answer, allowed[peer.tags], shown, sources) for one in package_ids})
        return columns

    def _entitled(self, package_ids: Sequence[str], tags: Tags) -> set[str]:
        return {one for portion in portions(package_ids, _PORTION) for one in self.storage.holdings(portion, tags)}


def _peer_cell(  # noqa: PLR0913, PLR0917 - all that is known of one package at one peer
    peer: Peer,
    package_id: str,
    answer: Told | None,
    entitled: Collection[str],
    shown: Collection[str] | None,
    sources: Mapping[str, set[str]],
) -> dict[str, Any]:
    """`entitled` are the packages that the peer may see here, `shown` those that we may see there; None if it does not say."""
    if answer is not None and package_id in answer.holdings:
        return _cell(answer.holdings[package_id].cell, answer.holdings[package_id].percent)
    if shown is None and str(peer.peer_id) in sources.get(package_id, ()):
        return _cell("there")
    if package_id not in entitled:
        return _cell("not_entitled")
    return _cell("absent" if shown is not None and package_id in shown else "unknown")


def _own_cell(here: Holding, percent: int | None, held: str | None) -> dict[str, Any]:
    """On its way, unless somebody here decided otherwise."""
    if here.cell != _MOVES or held is None:
        return _cell(here.cell, percent)
    return {"state": held, "percent": percent if held == "paused" else None}


def _cell(state: str, percent: int | None = None) -> dict[str, Any]:
    return {"state": state, "percent": percent if state == _MOVES else None}
