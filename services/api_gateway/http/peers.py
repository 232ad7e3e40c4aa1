"""The peer API, `/ods/v1`: what other instances ask. Every request is signed and checked. See `docs/peer-protocol.md`."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import json
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, g, request

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http.bodies import read_small, whole_number
from services.api_gateway.http.problems import problem
from services.api_gateway.http.sending import Representation, Sending
from services.api_gateway.ports import Services
from shared.core.digest import Digest, chunk_count
from shared.core.errors import Forbidden, InvalidInput, NotFound, OdstError, PeerLied, Unauthenticated
from shared.runtime import http_signatures
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.keys import InstanceKey
from shared.runtime.logging import get_logger

log = get_logger(__name__)
PROTOCOL_VERSIONS = [1]
_PAGE, _MOST = 500, 1000


class PeerDoor:
    """Checks requests and signs answers."""

    def __init__(self, services: Services, key: InstanceKey) -> None:
        """`services` reaches replication, which owns the peers."""
        self._services, self._key = services, key

    def peers_only(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator: only an active peer may pass, once with each request. `g.peer_id` is which."""

        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                body = read_small()
                g.peer_id = self._services.call("replication", "authenticate", request=self.seen())["peer_id"]
                http_signatures.check_body(dict(request.headers), body)
            except (Unauthenticated, InvalidInput) as error:
                return refuse(error)
            return view(*args, **kwargs)

        return guarded

    def seen(self) -> dict[str, Any]:
        """What a signature is about: the raw target as it came, and only headers that can be signed."""
        target = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path
        wanted = {"signature", "signature-input", "content-digest", http_signatures.RECIPIENT_HEADER.lower()}
        headers = {name: value for name, value in request.headers.items() if name.lower() in wanted}
        return {"method": request.method, "target": target, "headers": headers}

    def signed(self, document: dict[str, Any]) -> Response:
        """A JSON answer, signed for this very request."""
        body = json.dumps(document).encode()
        seen = self.seen()
        answer = http_signatures.Response(200, {}, http_signatures.Request(seen["method"], seen["target"], seen["headers"]))
        http_signatures.sign_response(answer, self._key, body)
        return Response(body, 200, answer.headers, mimetype="application/json")


def refuse(error: OdstError) -> Response:
    """A constant 401: the reason is in the log. Only a wrong clock is told, so that an administrator can see it."""
    log.warning("peer_refused", code=error.code, reason=str(error), remote=request.remote_addr)
    if error.code == http_signatures.ClockSkew.default_code:
        return problem(401, "CLOCK_SKEW", "the clocks of the two instances differ by more than a minute; see Date", {"Connection": "close"})
    return problem(401, "UNAUTHENTICATED", "the request is not acceptable", {"Connection": "close"})


def doors(services: Services, store: FilesystemByteStore, key: InstanceKey, settings: ApiGatewaySettings) -> Blueprint:
    """Every call of the peer protocol."""
    api = Blueprint("peers", __name__, url_prefix="/ods/v1")
    door = PeerDoor(services, key)
    _registrations(api, services, door)
    _conversation(api, services, door)
    _about(api, store, key, settings, door)
    _packages(api, services, store, Sending(store, settings.accel_prefix), door)
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
            return refuse(error if isinstance(error, OdstError) else Unauthenticated("the body is no text"))
        return door.signed(answer)


def _conversation(api: Blueprint, services: Services, door: PeerDoor) -> None:
    @api.post("/announcements")
    @door.peers_only
    def announce() -> Response:
        ring = _json_object(read_small())
        epoch, seq = ring.get("epoch"), ring.get("seq")
        if not isinstance(epoch, str) or len(epoch) > 64 or type(seq) is not int or not 0 <= seq < 1 << 60:  # noqa: PLR2004
            raise InvalidInput("an announcement is {epoch, seq}", "BODY_INVALID")
        services.call("replication", "hear_announcement", peer_id=g.peer_id, epoch=epoch, seq=seq)
        return door.signed({"heard": True})

    @api.get("/changes")
    @door.peers_only
    def changes() -> Response:
        since = whole_number("since", 0, 0, 1 << 60)
        limit = whole_number("limit", _PAGE, 1, _MOST)
        return door.signed(services.call("storage", "read_changes", epoch=request.args.get("epoch"), since=since, limit=limit))


def _about(api: Blueprint, store: FilesystemByteStore, key: InstanceKey, settings: ApiGatewaySettings, door: PeerDoor) -> None:
    @api.get("/status")
    @door.peers_only
    def status() -> Response:
        return door.signed(
            {
                "instance_id": str(key.instance_id),
                "name": settings.instance_name,
                "protocol": PROTOCOL_VERSIONS,
                "time": dt.datetime.now(dt.UTC).isoformat(),
                "tags": [],
                "free_bytes": store.free_bytes(),
            }
        )


def _packages(api: Blueprint, services: Services, store: FilesystemByteStore, sending: Sending, door: PeerDoor) -> None:
    @api.get("/packages/<package_id>/manifest")
    @door.peers_only
    def manifest(package_id: str) -> Response:
        envelope = services.call("storage", "read_manifest", package_id=package_id)["envelope"]
        return Response(base64.b64decode(envelope), mimetype="application/vnd.odst.manifest+json")

    @api.get("/packages/<package_id>/chunk-digests")
    @door.peers_only
    def chunk_digests(package_id: str) -> Response:
        package = services.call("storage", "locate_blob", package_id=package_id)
        chunks = store.read_blob_chunks(Digest("sha256", package["sha256"]))
        if chunks is None:
            raise NotFound("the chunk digests of this package are not here")
        return Response(chunks.packed, mimetype="application/octet-stream")

    @api.get("/packages/<package_id>/content")
    @door.peers_only
    def content(package_id: str) -> Response:
        package = services.call("storage", "locate_blob", package_id=package_id)
        created = dt.datetime.fromisoformat(package["created"])
        return sending.answer(Representation(Digest("sha256", package["sha256"]), package["size"], created))

    @api.get("/packages/<package_id>/have")
    @door.peers_only
    def have(package_id: str) -> Response:
        count = chunk_count(services.call("storage", "locate_blob", package_id=package_id)["size"])
        return Response(_bitmap(count), headers={"Ods-Chunk-Count": str(count)}, mimetype="application/octet-stream")


def _bitmap(count: int) -> bytes:
    """`count` ones, most significant bit first, padded with zeros to whole bytes."""
    full, rest = divmod(count, 8)
    return b"\xff" * full + (bytes([0xFF << (8 - rest) & 0xFF]) if rest else b"")


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("the body is no JSON", "BODY_INVALID") from error
    if not isinstance(document, dict):
        raise InvalidInput("the body is no JSON object", "BODY_INVALID")
    return document


def _public_key_in(body: str) -> str:
    key = _json_object(body.encode()).get("public_key")
    if not isinstance(key, str):
        raise InvalidInput("the registration has no public key", "BODY_INVALID")
    return key
