"""A peer in memory: a key, a small real HTTP server, and packages of its own. The base of every evil peer.

It speaks the peer protocol as `docs/peer-protocol.md` has it, over real sockets with real signatures. A test makes it lie by
overriding a hook (`content`, `manifest`, `chunk_digests`, `changes`, `welcome`) or a field of a signature (`Signing`)::

    class Flipper(TestPeer):
        def content(self, package, start, stop):
            status, headers, blocks = super().content(package, start, stop)
            return status, headers, (bytes(byte ^ 1 for byte in block) for block in blocks)

    with Flipper("flipper") as peer:
        peer.join(instance)
        package = peer.publish("App.pkg", data)
        peer.announce(instance)
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import requests
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

from shared.core.digest import CHUNK_SIZE, ChunkDigests, Digest, chunk_count
from shared.core.errors import OdstError, Unauthenticated
from shared.core.identity import InstanceId
from shared.core.invitation import Invitation, proof
from shared.core.manifest import Manifest
from shared.core.names import PackageName
from shared.runtime import http_signatures
from shared.runtime.keys import InstanceKey
from shared.testing.instance import Instance
from shared.testing.peer_server import Asked, PeerServer, Reply

COVERED = ("@method", "@path", "@query", "ods-recipient", "content-digest")
_BLOCK = 64 * 1024
_PACKAGE = re.compile(r"/ods/v1/packages/([0-9a-f-]{36})/(manifest|chunk-digests|content|have)")


@dataclass(frozen=True)
class PeerPackage:
    """A package that a peer says it has. The parts need not fit each other."""

    manifest: Manifest
    envelope: bytes
    chunks: ChunkDigests
    data: bytes

    @property
    def package_id(self) -> str:
        """Its id."""
        return self.manifest.package_id

    @property
    def feed_item(self) -> dict[str, Any]:
        """What the feed says of it."""
        return {"kind": "package", "id": self.package_id, "rev": self.manifest.revision, "digest": str(self.manifest.sha256)}


@dataclass(frozen=True, kw_only=True)
class Signing:
    """How a request is signed: rightly, but for what is given."""

    key: InstanceKey
    key_id: str | None = None
    recipient: InstanceId | str | None = None
    created: dt.datetime | None = None
    expires: dt.datetime | None = None
    """A minute after `created`, unless given."""
    nonce: str | None = field(default_factory=lambda: secrets.token_urlsafe(18))
    tag: str | None = http_signatures.TAG
    label: str = http_signatures.LABEL
    components: tuple[str, ...] = COVERED
    algorithm: type[algorithms.HTTPSignatureAlgorithm] = algorithms.ED25519
    secret: Any = None
    """What `algorithm` signs with, if it is not the key."""

    def sign(self, message: http_signatures.Request, body: bytes) -> None:
        """Add the headers."""
        created = self.created or dt.datetime.now(dt.UTC)
        HTTPMessageSigner(signature_algorithm=self.algorithm, key_resolver=_Resolver(self.secret or self.key.private)).sign(
            message,
            key_id=str(self.key.instance_id) if self.key_id is None else self.key_id,
            created=created,
            expires=self.expires or created + dt.timedelta(seconds=http_signatures.VALID_SECONDS),
            nonce=self.nonce,
            label=self.label,
            tag=self.tag,
            covered_component_ids=self.components,
            body=body if "content-digest" in self.components else None,
        )


class TestPeer:
    """An honest peer. Its server listens from the start; `close` it, or use it as a context."""

    __test__ = False  # the name is no test, whatever pytest thinks

    def __init__(self, name: str) -> None:
        """A new key and a new address; nothing is known and nothing is owned yet."""
        self.name = name
        self.key = InstanceKey.generate()
        self.epoch = secrets.token_hex(8)
        self.packages: list[PeerPackage] = []
        self.asked: list[Asked] = []
        """Every request that came, in order."""
        self.trusted: dict[str, bytes] = {}
        """Raw public keys of the instances that may ask, by id."""
        self._invitations: dict[str, Invitation] = {}
        self._ids: dict[str, InstanceId] = {}
        self._server = PeerServer(self._answer)
        self.url = self._server.url

    @property
    def instance_id(self) -> InstanceId:
        """The id that belongs to the key."""
        return self.key.instance_id

    def close(self) -> None:
        """Gone from the network."""
        self._server.close()

    def __enter__(self) -> Self:
        """Listening already."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close."""
        self.close()

    # Registration

    def join(self, instance: Instance, invitation: str | None = None) -> None:
        """Register with `instance` by an invitation of its, and pin its key.

        Raises:
            AssertionError: if it refuses, or answers without knowing the secret.
        """
        given = Invitation.parse(invitation or instance.invite())
        wish = self.registration(given)
        response = self.request(instance, "POST", "/ods/v1/registrations", json.dumps(wish).encode(), recipient=given.instance_id)
        assert response.status_code == requests.codes.ok, f"{instance.name} refused {self.name}: {response.text}"
        answer = response.json()
        mirrored = proof(given.proof_key, given.instance_id, self.instance_id, wish["nonce"], joining=False)
        assert answer["proof"] == mirrored, "who answered does not know the secret"
        self.trusted[str(given.instance_id)] = base64.b64decode(answer["public_key"])

    def registration(self, invitation: Invitation, **changed: Any) -> dict[str, Any]:
        """The body of a registration by this invitation; any field may be changed."""
        nonce = secrets.token_urlsafe(18)
        return {
            **self._introduction(),
            "url": self.url,
            "nonce": nonce,
            "lookup": invitation.lookup,
            "proof": proof(invitation.proof_key, self.instance_id, invitation.instance_id, nonce, joining=True),
            **changed,
        }

    def invite(self) -> str:
        """An invitation to this peer, for an instance to paste."""
        invitation = Invitation.create(self.url, self.instance_id)
        self._invitations[invitation.lookup] = invitation
        return str(invitation)

    def welcome(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Hook: the answer to a registration here. Trusts who knows the secret of an invitation.

        Raises:
            Unauthenticated: if that is not so.
        """
        invitation = self._invitations.pop(wish["lookup"], None)
        sender = InstanceId.parse(wish["instance_id"])
        if invitation is None or wish["proof"] != proof(invitation.proof_key, sender, self.instance_id, wish["nonce"], joining=True):
            raise Unauthenticated("no such invitation, or not proved")
        self.trusted[str(sender)] = base64.b64decode(wish["public_key"])
        return self._introduction() | {"proof": proof(invitation.proof_key, self.instance_id, sender, wish["nonce"], joining=False)}

    def _introduction(self) -> dict[str, Any]:
        key = base64.b64encode(self.key.public_bytes).decode()
        return {"protocol": [1], "instance_id": str(self.instance_id), "public_key": key, "name": self.name}

    # Asking an instance

    def request(self, instance: Instance, method: str, target: str, body: bytes = b"", **overrides: Any) -> requests.Response:
        """Sign and send. `overrides` are fields of `Signing`; `headers` are set afterwards, and removed if they are None."""
        extra = overrides.pop("headers", {})
        return self.send(instance, method, target, body, self.signed(instance, method, target, body, **overrides) | extra)

    def send(self, instance: Instance, method: str, target: str, body: bytes, headers: dict[str, str | None]) -> requests.Response:
        """Send as it is: no redirects, no proxies of the environment, the target not tidied up. Headers that are None are left out."""
        kept = {name: value for name, value in headers.items() if value is not None}
        prepared = requests.Request(method, instance.url, headers=kept, data=body or None).prepare()
        prepared.url = f"{instance.url}{target}"
        with requests.Session() as session:
            return session.send(prepared, timeout=30, allow_redirects=False)

    def signed(self, instance: Instance, method: str, target: str, body: bytes = b"", **overrides: Any) -> dict[str, str | None]:
        """The headers of a signed request; `overrides` are the fields of `Signing`."""
        signing = Signing(**{"key": self.key, **overrides})
        recipient = signing.recipient or self.id_of(instance)
        message = http_signatures.Request(method, target, {http_signatures.RECIPIENT_HEADER: str(recipient)})
        signing.sign(message, body)
        return {**message.headers}

    def id_of(self, instance: Instance) -> InstanceId:
        """The id of `instance`; asked once for each address."""
        if instance.url not in self._ids:
            self._ids[instance.url] = InstanceId.parse(instance.api("GET", "/status").json()["instance"]["instance_id"])
        return self._ids[instance.url]

    def announce(self, instance: Instance) -> requests.Response:
        """Ring at `instance`: there is news."""
        body = json.dumps({"epoch": self.epoch, "seq": len(self.packages)}).encode()
        return self.request(instance, "POST", "/ods/v1/announcements", body)

    # Packages

    def publish(self, name: str, data: bytes, /, chunks: ChunkDigests | None = None, **changed: Any) -> PeerPackage:
        """Own a package, signed as its origin. Fields of the manifest may be `changed`, and `chunks` be another list than the right one.

        The manifest is signed for the list that is given, so that only the bytes contradict it.
        """
        chunks = chunks or chunk_digests_of(data)
        manifest = Manifest(
            package_id=str(uuid.uuid4()),
            revision=1,
            name=PackageName.parse(name),
            size=len(data),
            sha256=Digest("sha256", hashlib.sha256(data).hexdigest()),
            sha1=Digest("sha1", hashlib.sha1(data, usedforsecurity=False).hexdigest()),
            chunks_sha1=chunks.list_digest("sha1"),
            chunks_sha256=chunks.list_digest("sha256"),
            origin=self.instance_id,
            origin_key=self.key.public_bytes,
            created=dt.datetime.now(dt.UTC).replace(microsecond=0),
        )
        manifest = replace(manifest, **changed)
        return self.adopt(PeerPackage(manifest, self.key.sign_manifest(manifest), chunks, data))

    def adopt(self, package: PeerPackage) -> PeerPackage:
        """Have a package, this peer's own or another's, and show it in the feed."""
        self.packages.append(package)
        return package

    # Answering: the hooks

    def changes(self, epoch: str, since: int, limit: int) -> dict[str, Any]:
        """Hook: a page of the feed; from the start for a reader that knows another epoch."""
        first = since if epoch == self.epoch else 0
        page = self.packages[first : first + limit]
        items = [{"seq": seq, **package.feed_item} for seq, package in enumerate(page, first + 1)]
        following = first + len(page)
        return {"epoch": self.epoch, "items": items, "next": following, "more": following < len(self.packages)}

    def manifest(self, package: PeerPackage) -> bytes:
        """Hook: the envelope."""
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
        return {"instance_id": str(self.instance_id), "name": self.name, "protocol": [1], "time": now, "tags": [], "free_bytes": 1 << 40}

    # Answering: the server

    def _answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        try:
            self._admit(asked)
            return self._route(asked)
        except OdstError as error:
            return _plain(401, json.dumps({"code": error.code, "detail": str(error)}).encode())

    def _admit(self, asked: Asked) -> None:
        def find(key_id: str) -> bytes | None:
            joining = json.loads(asked.body) if asked.path == "/ods/v1/registrations" else {}
            introduced = base64.b64decode(joining["public_key"]) if joining.get("instance_id") == key_id else None
            return self.trusted.get(key_id, introduced)

        http_signatures.verify_request(http_signatures.Request(asked.method, asked.target, asked.headers), self.instance_id, find)
        http_signatures.check_body(asked.headers, asked.body)

    def _route(self, asked: Asked) -> Reply:
        match = _PACKAGE.fullmatch(asked.path)
        if match:
            return self._package(asked, match[1], match[2])
        answers: dict[tuple[str, str], Callable[[], dict[str, Any]]] = {
            ("POST", "/ods/v1/registrations"): lambda: self.welcome(json.loads(asked.body)),
            ("POST", "/ods/v1/announcements"): lambda: {"heard": True},
            ("GET", "/ods/v1/changes"): lambda: self.changes(asked.text("epoch"), asked.number("since", 0), asked.number("limit", 500)),
            ("GET", "/ods/v1/status"): self.status,
        }
        answer = answers.get((asked.method, asked.path))
        return self.signed_answer(asked, answer()) if answer else _plain(404, b"{}")

    def _package(self, asked: Asked, package_id: str, what: str) -> Reply:
        package = next((package for package in self.packages if package.package_id == package_id), None)
        if package is None:
            return _plain(404, b"{}")
        if what == "content":
            return self.content(package, *asked.range(len(package.data)))
        answer = {"manifest": self.manifest, "chunk-digests": self.chunk_digests, "have": self.have}[what]
        return _plain(200, answer(package))

    def signed_answer(self, asked: Asked, document: dict[str, Any]) -> Reply:
        """A JSON answer, signed for this very request."""
        body = json.dumps(document).encode()
        answer = http_signatures.Response(200, {}, http_signatures.Request(asked.method, asked.target, asked.headers))
        http_signatures.sign_response(answer, self.key, body)
        return 200, {**answer.headers, "Content-Length": str(len(body)), "Content-Type": "application/json"}, [body]


class _Resolver(HTTPSignatureKeyResolver):
    """One private key, whoever is asked for."""

    def __init__(self, private: Any) -> None:
        self._private = private

    def resolve_private_key(self, key_id: str) -> Any:  # noqa: ARG002 - the library's signature
        return self._private


def chunk_digests_of(data: bytes) -> ChunkDigests:
    """The right list for these bytes."""
    chunks = (data[at : at + CHUNK_SIZE] for at in range(0, len(data), CHUNK_SIZE))
    return ChunkDigests(b"".join(hashlib.sha1(chunk, usedforsecurity=False).digest() + hashlib.sha256(chunk).digest() for chunk in chunks))


def _plain(status: int, body: bytes) -> Reply:
    return status, {"Content-Length": str(len(body)), "Content-Type": "application/octet-stream"}, [body]
