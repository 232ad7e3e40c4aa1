"""The peer API, `/ods/v1`: what other instances ask. Every request is signed and checked. See `docs/peer-protocol.md`.

Here are the calls of the first version, which the second one keeps; `peer_records` has those that are new.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Annotated, Any

from flask import Blueprint, Response, g, request
from pydantic import Field, StringConstraints

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http import peer_records, peer_witnesses
from services.api_gateway.http.bodies import read, read_small, whole_number
from services.api_gateway.http.peer_door import PeerBody, PeerDoor
from services.api_gateway.http.problems import problem
from services.api_gateway.http.sending import Representation, Sending
from services.api_gateway.ports import Services
from shared.core.digest import Digest, chunk_count
from shared.core.errors import Forbidden, InvalidInput, NotFound, OdstError, PeerLied, Unauthenticated
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.keys import InstanceKey

_PAGE, _MOST = 500, 1000
_SECOND = 2
_FIRST_FIELDS = ("seq", "kind", "id", "rev", "digest")


class Ring(PeerBody):
    """Body of `POST /announcements`."""

    epoch: Annotated[str, StringConstraints(max_length=64)]
    seq: Annotated[int, Field(ge=0, lt=1 << 60)]


def doors(services: Services, store: FilesystemByteStore, key: InstanceKey, settings: ApiGatewaySettings) -> Blueprint:
    """Every call of the versions of the peer protocol that are spoken here."""
    api = Blueprint("peers", __name__, url_prefix="/ods/v1")
    door = PeerDoor(services, key)
    _registrations(api, services, door)
    _conversation(api, services, settings, door)
    _about(api, store, key, settings, door)
    _packages(api, services, store, Sending(store, settings.accel_prefix), door)
    if _SECOND in settings.peer_protocols:
        peer_records.add_doors(api, services, door)
        peer_witnesses.add_doors(api, services, door)
    return api


def _registrations(api: Blueprint, services: Services, door: PeerDoor) -> None:
    @api.post("/registrations")
    def register() -> Response:
        try:
            body = read_small().decode()
            public_key = _public_key_in(body)
            seen = door.seen() | {"body": body}
            answer = services.call("replication", "accept_registration", public_key=public_key, request=seen)
        except Forbidden as error:
            return problem(403, error.code, error.message, {"Connection": "close"})
        except (Unauthenticated, InvalidInput, PeerLied, UnicodeDecodeError) as error:
            return door.refuse(error if isinstance(error, OdstError) else Unauthenticated("the body is no text"))
        return door.signed(answer)


def _public_key_in(body: str) -> str:
    try:
        key = json.loads(body)["public_key"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput("the registration is no JSON object with a public key", "BODY_INVALID") from error
    if not isinstance(key, str):
        raise InvalidInput("the public key is no text", "BODY_INVALID")
    return key


def _conversation(api: Blueprint, services: Services, settings: ApiGatewaySettings, door: PeerDoor) -> None:
    newest = max(settings.peer_protocols)

    @api.post("/announcements")
    @door.peers_only
    def announce() -> Response:
        ring = read(Ring)
        services.call("replication", "hear_announcement", peer_id=g.peer_id, epoch=ring.epoch, seq=ring.seq)
        return door.signed({"heard": True})

    @api.get("/changes")
    @door.peers_only
    def changes() -> Response:
        since = whole_number("since", 0, 0, 1 << 60)
        limit = whole_number("limit", _PAGE, 1, _MOST)
        page = services.call("storage", "read_changes", epoch=request.args.get("epoch"), since=since, limit=limit, view=g.view)
        return door.signed(page | {"protocol": newest} if newest >= _SECOND else _of_first_version(page))


def _of_first_version(page: dict[str, Any]) -> dict[str, Any]:
    """The page as an instance sends it that knows the first version only."""
    shown = [{name: item[name] for name in _FIRST_FIELDS} for item in page["items"] if item["kind"] == "package"]
    return {"epoch": page["epoch"], "items": shown, "next": page["next"], "more": page["more"]}


def _about(api: Blueprint, store: FilesystemByteStore, key: InstanceKey, settings: ApiGatewaySettings, door: PeerDoor) -> None:
    @api.get("/status")
    @door.peers_only
    def status() -> Response:
        second = _SECOND in settings.peer_protocols
        said = {
            "instance_id": str(key.instance_id),
            "name": settings.instance_name,
            "protocol": sorted(settings.peer_protocols),
            "time": dt.datetime.now(dt.UTC).isoformat(),
            "tags": sorted(settings.staging_tags) if second else [],
            "free_bytes": store.free_bytes(),
        }
        return door.signed(said | {"view_tags": sorted(g.view["tags"])} if second else said)


def _packages(api: Blueprint, services: Services, store: FilesystemByteStore, sending: Sending, door: PeerDoor) -> None:
    def located(package_id: str) -> dict[str, Any]:
        found: dict[str, Any] = services.call("storage", "locate_blob", package_id=package_id, tags=g.view["tags"])
        return found

    @api.get("/packages/<package_id>/manifest")
    @door.peers_only
    def manifest(package_id: str) -> Response:
        envelope = services.call("storage", "read_manifest", package_id=package_id, tags=g.view["tags"])["envelope"]
        return Response(base64.b64decode(envelope), mimetype="application/vnd.odst.manifest+json")

    @api.get("/packages/<package_id>/chunk-digests")
    @door.peers_only
    def chunk_digests(package_id: str) -> Response:
        chunks = store.read_blob_chunks(Digest("sha256", located(package_id)["sha256"]))
        if chunks is None:
            raise NotFound("the chunk digests of this package are not here")
        return Response(chunks.packed, mimetype="application/octet-stream")

    @api.get("/packages/<package_id>/content")
    @door.peers_only
    def content(package_id: str) -> Response:
        package = located(package_id)
        created = dt.datetime.fromisoformat(package["created"])
        return sending.answer(Representation(Digest("sha256", package["sha256"]), package["size"], created))

    @api.get("/packages/<package_id>/have")
    @door.peers_only
    def have(package_id: str) -> Response:
        count = chunk_count(located(package_id)["size"])
        return Response(_bitmap(count), headers={"Ods-Chunk-Count": str(count)}, mimetype="application/octet-stream")


def _bitmap(count: int) -> bytes:
    """`count` ones, most significant bit first, padded with zeros to whole bytes."""
    full, rest = divmod(count, 8)
    return b"\xff" * full + (bytes([0xFF << (8 - rest) & 0xFF]) if rest else b"")
