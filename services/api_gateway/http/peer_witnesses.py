"""Witnessing of audit logs between instances: an addition to the second version of the peer protocol that a peer may leave out."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, g
from pydantic import StringConstraints

from services.api_gateway.http.bodies import read
from services.api_gateway.http.peer_door import PeerBody, PeerDoor
from services.api_gateway.ports import Services


class CheckpointWish(PeerBody):
    """Body of `POST /witnesses`."""

    checkpoint: Annotated[str, StringConstraints(min_length=1, max_length=24_000)]


def add_doors(api: Blueprint, services: Services, door: PeerDoor) -> None:
    """Both of them."""

    @api.post("/witnesses")
    @door.peers_only
    def witness() -> Response:
        told = read(CheckpointWish).checkpoint
        return door.signed(services.call("replication", "witness_checkpoint", peer_id=g.peer_id, envelope=told))

    @api.get("/witnesses")
    @door.peers_only
    def witnesses() -> Response:
        return door.signed(services.call("replication", "list_witnessed", peer_id=g.peer_id))
