"""The calls that the second version of the peer protocol added: records, holdings, buckets, rotations."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from flask import Blueprint, Response, g, request
from pydantic import Field, StringConstraints, model_validator

from services.api_gateway.http.bodies import read, read_small
from services.api_gateway.http.peer_door import PeerBody, PeerDoor
from services.api_gateway.ports import Services
from shared.core.errors import InvalidInput, NotFound, OdstError, PermanentError, Unauthenticated
from shared.core.staging import read_tags

MAX_ASKED = 200
"""Records, or packages, that one request may name."""
_BUCKET = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)
_BUCKETS = 256

PackageIdText = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
InstanceIdText = Annotated[str, StringConstraints(pattern=r"^[A-Z2-7]{52}$")]
Instances = list[InstanceIdText] | Annotated[list[Literal["*"]], Field(min_length=1, max_length=1)]
"""Those of these instances; `["*"]`: of all that are known."""


class RecordsWish(PeerBody):
    """Body of `POST /records`."""

    packages: list[PackageIdText] = Field(default_factory=list)
    charters: Instances = Field(default_factory=list)
    rotations: Instances = Field(default_factory=list)

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        if len(self.packages) + len(self.charters) + len(self.rotations) > MAX_ASKED:
            raise ValueError(f"at most {MAX_ASKED} records are asked for at once")
        return self


class HoldingsWish(PeerBody):
    """Body of `POST /holdings`."""

    packages: Annotated[list[PackageIdText], Field(max_length=MAX_ASKED)]


def add_doors(api: Blueprint, services: Services, door: PeerDoor) -> None:
    """All of them."""
    _records(api, services, door)
    _buckets(api, services, door)
    _rotations(api, services, door)


def _records(api: Blueprint, services: Services, door: PeerDoor) -> None:
    @api.post("/records")
    @door.peers_only
    def records() -> Response:
        wish = read(RecordsWish)
        return door.signed(services.call("storage", "read_records", **wish.model_dump(), view=g.view))

    @api.post("/holdings")
    @door.peers_only
    def holdings() -> Response:
        asked = read(HoldingsWish).packages
        held = services.call("storage", "read_holdings", package_ids=asked, tags=g.view["tags"])["packages"]
        return door.signed({"packages": _with_percent(services, held)})


def _with_percent(services: Services, held: dict[str, Any]) -> dict[str, Any]:
    """Holdings with how much is here of what is not here as a whole; null where nothing moves."""
    waiting = [package_id for package_id, holding in held.items() if not holding["bytes_here"]]
    moving = services.call("replication", "transfer_progress", package_ids=waiting) if waiting else {}
    return {package_id: holding | {"percent": moving.get(package_id)} for package_id, holding in held.items()}


def _buckets(api: Blueprint, services: Services, door: PeerDoor) -> None:
    @api.get("/buckets")
    @door.peers_only
    def buckets() -> Response:
        made = services.call("storage", "digest_buckets", shown=g.view["tags"], seen=_tags_asked())
        epoch = f"{made['epoch']}.{g.view['number']}" if g.view["number"] else made["epoch"]
        return door.signed({"epoch": epoch, "tags": sorted(g.view["tags"]), "buckets": made["buckets"]})

    @api.get("/buckets/<number>")
    @door.peers_only
    def bucket(number: str) -> Response:
        if not _BUCKET.fullmatch(number) or int(number) >= _BUCKETS:
            raise NotFound(f"there are buckets from 0 to {_BUCKETS - 1}")
        items = services.call("storage", "list_bucket", bucket=int(number), shown=g.view["tags"], seen=_tags_asked())["items"]
        return door.signed({"items": items})


def _tags_asked() -> list[str]:
    text = request.args.get("tags", "")
    try:
        return sorted(read_tags([tag for tag in text.split(",") if tag], bearer=True))
    except InvalidInput as error:
        raise InvalidInput(f"tags: {error}", "QUERY_INVALID") from error


def _rotations(api: Blueprint, services: Services, door: PeerDoor) -> None:
    @api.post("/rotations")
    def rotate() -> Response:
        try:
            answer = services.call("replication", "accept_rotation", request=door.seen() | {"body": read_small().decode()})
        except (PermanentError, UnicodeDecodeError) as error:
            return door.refuse(error if isinstance(error, OdstError) else Unauthenticated("the body is no text"))
        return door.signed(answer or {})
