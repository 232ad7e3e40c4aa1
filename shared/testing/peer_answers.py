"""The answering side of a peer in memory: a second, small writing of docs/peer-protocol.md. Every answer is a hook."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Callable
from email.utils import format_datetime
from typing import Any

from shared.core.digest import chunk_count
from shared.core.errors import Forbidden, InvalidInput, NotFound, OdstError, TooLarge, Unauthenticated
from shared.core.identity import InstanceId
from shared.runtime import http_signatures
from shared.runtime.keys import InstanceKey, open_rotation
from shared.testing.peer_catalogue import PeerCatalogue, PeerPackage, payload_of
from shared.testing.peer_server import Asked, Reply

MAX_BODY_BYTES = 64 * 1024
_BLOCK = 64 * 1024
_MOST_ASKED = 200
_MOST_TAGS = 32
_LONGEST_EPOCH = 64
_PACKAGE = re.compile(r"/ods/v1/packages/([^/]*)/(manifest|chunk-digests|content|have)")
_BUCKET = re.compile(r"/ods/v1/buckets/([^/]*)")
_TAG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}|\*")
_PACKAGE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_INSTANCE_ID = re.compile(r"[A-Z2-7]{52}")
_SELF_PROVING = ("/ods/v1/registrations", "/ods/v1/rotations")
_SECOND_ONLY = ("/ods/v1/records", "/ods/v1/holdings", "/ods/v1/buckets", "/ods/v1/rotations")
_FIRST_FIELDS = ("seq", "kind", "id", "rev", "digest")
_STATUS = {TooLarge: 413, InvalidInput: 400, Unauthenticated: 401, Forbidden: 403, NotFound: 404}


class AnsweringPeer:
    """Answers as an instance would. Everybody may see everything."""

    def __init__(self, name: str, speaks: tuple[int, ...]) -> None:
        """A new key; nothing is known and nothing is owned yet."""
        self.name, self.speaks = name, speaks
        self.key = InstanceKey.generate()
        self.catalogue = PeerCatalogue()
        self.asked: list[Asked] = []
        """Every request that came, in order."""
        self.trusted: dict[str, bytes] = {}
        """Raw public keys of the instances that may ask, by id."""
        self._nonces: set[tuple[str, str]] = set()

    @property
    def instance_id(self) -> InstanceId:
        """The id that belongs to the key."""
        return self.key.instance_id

    @property
    def packages(self) -> list[PeerPackage]:
        """What this peer says it has."""
        return self.catalogue.packages

    # The hooks

    def welcome(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Hook: the answer to a registration here.

        Raises:
            Forbidden: if it is not proved.
        """
        raise NotImplementedError

    def heard(self, ring: dict[str, Any]) -> dict[str, Any]:
        """Hook: the answer to an announcement.

        Raises:
            InvalidInput: if it is none.
        """
        epoch, seq = ring.get("epoch"), ring.get("seq")
        if not isinstance(epoch, str) or len(epoch) > _LONGEST_EPOCH or type(seq) is not int or seq < 0:
            raise InvalidInput("an announcement is {epoch, seq}", "BODY_INVALID")
        return {"heard": True}

    def changes(self, epoch: str, since: int, limit: int) -> dict[str, Any]:
        """Hook: a page of the feed, as the newest version that is spoken has it."""
        page = self.catalogue.page(epoch, since, limit)
        if 2 in self.speaks:  # noqa: PLR2004
            return page | {"protocol": 2}
        return page | {"items": [{name: item[name] for name in _FIRST_FIELDS} for item in page["items"] if item["kind"] == "package"]}

    def manifest(self, package: PeerPackage) -> bytes:
        """Hook: the envelope, also within records."""
        return package.envelope

    def chunk_digests(self, package: PeerPackage) -> bytes:
        """Hook: the packed list."""
        return package.chunks.packed

    def content(self, package: PeerPackage, start: int, stop: int) -> Reply:
        """Hook: status, headers and bytes for bytes `start` to `stop`; the whole is 200."""
        size = len(package.data)
        headers = {"Content-Length": str(stop - start), "Content-Type": "application/octet-stream"}
        blocks = (package.data[at : min(stop, at + _BLOCK)] for at in range(start, stop, _BLOCK))
        if (start, stop) == (0, size):
            return 200, headers, blocks
        return 206, headers | {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}, blocks

    def have(self, package: PeerPackage) -> bytes:
        """Hook: the bitmap of chunks that can be had."""
        count = chunk_count(package.manifest.size)
        return ((1 << count) - 1 << -count % 8).to_bytes(-(-count // 8), "big")

    def status(self) -> dict[str, Any]:
        """Hook: what this peer says of itself."""
        now = dt.datetime.now(dt.UTC).isoformat()
        said = {"instance_id": str(self.instance_id), "name": self.name, "protocol": list(self.speaks), "time": now}
        return said | {"tags": [], "free_bytes": 1 << 40} | ({"view_tags": ["*"]} if 2 in self.speaks else {})  # noqa: PLR2004

    def records(self, packages: list[str], charters: list[str], rotations: list[str]) -> dict[str, Any]:
        """Hook: those of these records that are here."""
        found = [package for package in self.packages if package.package_id in packages and package.package_id not in self.catalogue.gone]
        return {
            "packages": [{"id": one.package_id, "manifest": text(self.manifest(one)), "meta": list(map(text, one.meta))} for one in found],
            "charters": [text(one) for one in self.catalogue.charters if _named(one, "instance_id", charters)],
            "rotations": [text(one) for one in self.catalogue.rotations if _named(one, "old", rotations)],
        }

    def holdings(self, package_ids: list[str]) -> dict[str, Any]:
        """Hook: what is here of these packages."""
        found = (one for one in self.packages if one.package_id in package_ids and one.package_id not in self.catalogue.gone)
        held = {one.package_id: {"state": "published" if one.offered else "wanted", "bytes_here": one.offered} for one in found}
        return {"packages": {package_id: holding | {"percent": None} for package_id, holding in held.items()}}

    def buckets(self, tags: list[str]) -> dict[str, Any]:  # noqa: ARG002 - for hooks that look at them
        """Hook: the drift check."""
        return {"epoch": self.catalogue.epoch, "tags": ["*"], "buckets": self.catalogue.buckets()}

    def bucket(self, number: int, tags: list[str]) -> dict[str, Any]:  # noqa: ARG002 - as above
        """Hook: the packages of one bucket."""
        return {"items": self.catalogue.bucket(number)}

    def rotated(self, sender: str, envelope: bytes) -> dict[str, Any]:
        """Hook: a peer has another key.

        Raises:
            OdstError: if that is not proved.
        """
        rotation = open_rotation(envelope)
        if str(rotation.new) != sender or self.trusted.get(str(rotation.old)) != rotation.old_key:
            raise Unauthenticated("this is no rotation of a peer's")
        self.trusted[sender] = rotation.new_key
        del self.trusted[str(rotation.old)]
        return {}

    # From a request to a hook

    def answer(self, asked: Asked) -> Reply:
        """Whatever is asked."""
        self.asked.append(asked)
        try:
            if len(asked.body) > MAX_BODY_BYTES:
                raise TooLarge("the body is too long", "BODY_TOO_LARGE")
            if 2 not in self.speaks and asked.path.startswith(_SECOND_ONLY):  # noqa: PLR2004
                raise NotFound("there is no such call")
            self._admit(asked)
            return self._route(asked)
        except OdstError as error:
            return problem(asked, error)

    def _admit(self, asked: Asked) -> None:
        def find(key_id: str) -> bytes | None:
            return self.trusted.get(key_id, _introduced(asked, key_id))

        message = http_signatures.Request(asked.method, asked.target, asked.headers)
        verified = http_signatures.verify_request(message, self.instance_id, find)
        http_signatures.check_body(asked.headers, asked.body)
        seen = str(verified.sender), verified.nonce
        if seen in self._nonces:
            raise Unauthenticated("the nonce was seen before")
        self._nonces.add(seen)

    def _route(self, asked: Asked) -> Reply:
        package, bucket = _PACKAGE.fullmatch(asked.path), _BUCKET.fullmatch(asked.path)
        if package:
            return self._package(asked, package[1], package[2])
        answers: dict[tuple[str, str], Callable[[], dict[str, Any]]] = {
            ("POST", "/ods/v1/registrations"): lambda: self.welcome(asked.object()),
            ("POST", "/ods/v1/rotations"): lambda: self._rotate(asked),
            ("POST", "/ods/v1/announcements"): lambda: self.heard(asked.object()),
            ("GET", "/ods/v1/changes"): lambda: self.changes(
                asked.text("epoch"), asked.number("since", 0, 0, 1 << 60), asked.number("limit", 500, 1, 1000)
            ),
            ("POST", "/ods/v1/records"): lambda: self.records(*_asked_records(asked.object())),
            ("POST", "/ods/v1/holdings"): lambda: self.holdings(_ids(asked.object(), "packages", _PACKAGE_ID)),
            ("GET", "/ods/v1/buckets"): lambda: self.buckets(_tags(asked)),
            ("GET", "/ods/v1/status"): self.status,
        }
        found = answers.get((asked.method, asked.path))
        if bucket:
            return self.signed_answer(asked, self.bucket(_bucket_number(bucket[1]), _tags(asked)))
        if found is None:
            raise NotFound("there is no such call")
        return self.signed_answer(asked, found())

    def _rotate(self, asked: Asked) -> dict[str, Any]:
        try:
            envelope = base64.b64decode(str(asked.object().get("rotation")), validate=True)
            return self.rotated(str(payload_of(envelope).get("new")), envelope)
        except (OdstError, ValueError, KeyError, TypeError) as error:
            raise Unauthenticated(str(error)) from error

    def _package(self, asked: Asked, package_id: str, what: str) -> Reply:
        package = self.catalogue.package(package_id)
        if package_id in self.catalogue.gone:
            raise Forbidden("this package is no longer for you", "NOT_ENTITLED")
        if package is None or (what != "manifest" and not package.offered):
            raise NotFound("there is no such package here")
        if what == "content":
            start, stop = asked.range(len(package.data))
            if start >= stop and package.data:
                return problem(asked, InvalidInput("the range begins after the end", "RANGE_NOT_SATISFIABLE"), 416)
            return self.content(package, start, stop)
        answer = {"manifest": self.manifest, "chunk-digests": self.chunk_digests, "have": self.have}[what](package)
        kind = "application/vnd.odst.manifest+json" if what == "manifest" else "application/octet-stream"
        headers = {"Ods-Chunk-Count": str(chunk_count(package.manifest.size))} if what == "have" else {}
        return 200, {**headers, "Content-Length": str(len(answer)), "Content-Type": kind}, [answer]

    def signed_answer(self, asked: Asked, document: dict[str, Any]) -> Reply:
        """A JSON answer, signed for this very request."""
        body = json.dumps(document).encode()
        answer = http_signatures.Response(200, {}, http_signatures.Request(asked.method, asked.target, asked.headers))
        http_signatures.sign_response(answer, self.key, body)
        return 200, {**answer.headers, "Content-Length": str(len(body)), "Content-Type": "application/json"}, [body]


def problem(asked: Asked, error: OdstError, status: int | None = None) -> Reply:
    """A refusal; of one that could not be authenticated the reason is not told."""
    status = status or next((one for kind, one in _STATUS.items() if isinstance(error, kind)), 500)
    skewed = error.code == http_signatures.ClockSkew.default_code
    code = error.code if status != 401 or skewed else "UNAUTHENTICATED"  # noqa: PLR2004
    detail = "refused" if status == 401 else str(error)  # noqa: PLR2004
    document = {"type": f"urn:odst:error:{code}", "title": code, "status": status, "code": code, "detail": detail}
    body = json.dumps(document | {"correlation_id": asked.headers.get("ods-correlation-id", "")}).encode()
    headers = {"Content-Length": str(len(body)), "Content-Type": "application/problem+json"}
    return status, headers | {"Date": format_datetime(dt.datetime.now(dt.UTC), usegmt=True)}, [body]


def text(envelope: bytes) -> str:
    """An envelope as it stands in JSON."""
    return base64.b64encode(envelope).decode()


def _introduced(asked: Asked, key_id: str) -> bytes | None:
    """The key that a registration or a rotation brings with it."""
    if asked.path not in _SELF_PROVING:
        return None
    try:
        document = json.loads(asked.body)
        if asked.path == "/ods/v1/registrations":
            return base64.b64decode(document["public_key"]) if document["instance_id"] == key_id else None
        rotation = payload_of(base64.b64decode(document["rotation"]))
        return base64.b64decode(rotation["new_key"]) if rotation["new"] == key_id else None
    except (ValueError, KeyError, TypeError):
        return None


def _asked_records(wish: dict[str, Any]) -> tuple[list[str], list[str], list[str]]:
    kinds = {"packages": _PACKAGE_ID, "charters": _INSTANCE_ID, "rotations": _INSTANCE_ID}
    all_of = {name for name in ("charters", "rotations") if wish.get(name) == ["*"]}
    packages, charters, rotations = (["*"] if name in all_of else _ids(wish, name, kind, []) for name, kind in kinds.items())
    if len(packages) + len(charters) + len(rotations) > _MOST_ASKED:
        raise InvalidInput("too many records are asked for", "BODY_INVALID")
    return packages, charters, rotations


def _ids(wish: dict[str, Any], name: str, kind: re.Pattern[str], default: list[str] | None = None) -> list[str]:
    values = wish.get(name, default)
    if not isinstance(values, list) or len(values) > _MOST_ASKED or not all(isinstance(one, str) and kind.fullmatch(one) for one in values):
        raise InvalidInput(f"{name} must be a list of ids", "BODY_INVALID")
    return values


def _named(envelope: bytes, subject: str, ids: list[str]) -> bool:
    return ids == ["*"] or payload_of(envelope)[subject] in ids


def _tags(asked: Asked) -> list[str]:
    tags = [tag for tag in asked.text("tags").split(",") if tag]
    if len(tags) > _MOST_TAGS or not all(_TAG.fullmatch(tag) for tag in tags):
        raise InvalidInput("these are no tags", "QUERY_INVALID")
    return tags


def _bucket_number(given: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,2}", given) or int(given) > 255:  # noqa: PLR2004
        raise NotFound("there is no such bucket")
    return int(given)
