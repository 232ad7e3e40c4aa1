"""A peer in memory: a key, a small real HTTP server, and packages of its own. The base of every evil peer.

It speaks the peer protocol as `docs/peer-protocol.md` has it, over real sockets with real signatures: both versions, or those that
it is told to. A test makes it lie by overriding a hook (`content`, `manifest`, `chunk_digests`, `changes`, `records`, `welcome`; all
of them are in `peer_answers`), by changing its `catalogue`, or by a field of a signature (`http_signatures.Signing`)::

    class Flipper(TestPeer):
        def content(self, package, start, stop):
            status, headers, blocks = super().content(package, start, stop)
            return status, headers, (bytes(byte ^ 1 for byte in block) for block in blocks)

    with Flipper("flipper") as peer:
        peer.join(instance)
        package = peer.publish("App.pkg", data)
        peer.tell(package, MetaField.DELETED, value=True)
        peer.announce(instance)
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Self

import requests

from shared.core.charter import Census, Charter
from shared.core.clock import Stamp
from shared.core.digest import ChunkDigests, Digest
from shared.core.errors import Forbidden, OdstError, Unauthenticated
from shared.core.identity import InstanceId
from shared.core.invitation import Invitation, proof
from shared.core.manifest import Manifest, mint_id, new_mint
from shared.core.meta import MetaField, MetaRecord
from shared.core.names import PackageName
from shared.runtime import http_signatures
from shared.runtime.keys import InstanceKey
from shared.testing.instance import Instance
from shared.testing.peer_answers import AnsweringPeer
from shared.testing.peer_catalogue import PeerPackage, chunk_digests_of
from shared.testing.peer_server import PeerServer

__all__ = ["COVERED", "PeerPackage", "TestPeer", "chunk_digests_of"]

COVERED = http_signatures.REQUEST_COMPONENTS


class TestPeer(AnsweringPeer):
    """An honest peer. Its server listens from the start; `close` it, or use it as a context."""

    __test__ = False  # the name is no test, whatever pytest thinks

    def __init__(self, name: str, *, speaks: tuple[int, ...] = (1, 2)) -> None:
        """A new key and a new address; nothing is known and nothing is owned yet."""
        super().__init__(name, speaks)
        self._invitations: dict[str, Invitation] = {}
        self._ids: dict[str, InstanceId] = {}
        self._server = PeerServer(self.answer)
        self.url = self._server.url

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
            Unauthenticated: if it is malformed.
            Forbidden: if it is not proved.
        """
        sender, key = _introduced(wish, self.speaks)
        invitation = self._invitations.pop(str(wish.get("lookup")), None)
        if invitation is None or wish["proof"] != proof(invitation.proof_key, sender, self.instance_id, wish["nonce"], joining=True):
            raise Forbidden("no such invitation, or not proved", "INVITATION_REFUSED")
        self.trusted[str(sender)] = key
        return self._introduction() | {"proof": proof(invitation.proof_key, self.instance_id, sender, wish["nonce"], joining=False)}

    def _introduction(self) -> dict[str, Any]:
        key = base64.b64encode(self.key.public_bytes).decode()
        return {"protocol": list(self.speaks), "instance_id": str(self.instance_id), "public_key": key, "name": self.name}

    # Asking an instance

    def request(self, instance: Instance, method: str, target: str, body: bytes = b"", **overrides: Any) -> requests.Response:
        """Sign and send. `overrides` are those of `signed`; `headers` are set afterwards, and removed if they are None."""
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
        """The headers of a signed request; `overrides` are the `recipient`, and fields of `http_signatures.Signing`."""
        recipient = overrides.pop("recipient", None) or self.id_of(instance)
        signing = http_signatures.Signing(**{"key": self.key, **overrides})
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
        body = json.dumps({"epoch": self.catalogue.epoch, "seq": len(self.catalogue.rows())}).encode()
        return self.request(instance, "POST", "/ods/v1/announcements", body)

    # Packages

    def publish(self, name: str, data: bytes, /, chunks: ChunkDigests | None = None, **changed: Any) -> PeerPackage:
        """Own a package, signed as its origin. Fields of the manifest may be `changed`, and `chunks` be another list than the right one.

        The manifest is signed for the list that is given, so that only the bytes contradict it.
        """
        chunks, mint = chunks or chunk_digests_of(data), new_mint()
        manifest = Manifest(
            package_id=mint_id(self.key.public_bytes, mint),
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
            mint=mint,
        )
        manifest = replace(manifest, **changed)
        return self.adopt(PeerPackage(manifest, self.key.sign_manifest(manifest), chunks, data))

    def adopt(self, package: PeerPackage) -> PeerPackage:
        """Have a package, this peer's own or another's, and show it in the feed."""
        self.packages.append(package)
        return package

    # Records

    def tell(
        self, package: PeerPackage, field: MetaField, *, value: tuple[str, ...] | bool, author: InstanceKey | None = None, **changed: Any
    ) -> MetaRecord:
        """Write about a package, and show it in the feed; `author` is this peer unless said otherwise. Fields may be `changed`."""
        key = author or self.key
        now = Stamp.of(dt.datetime.now(dt.UTC))
        record = replace(MetaRecord(package.package_id, field, value, now, key.instance_id, key.public_bytes, "a test"), **changed)
        self.packages[:] = [
            replace(one, meta=(*one.meta, key.sign_meta(record))) if one.package_id == package.package_id else one for one in self.packages
        ]
        return record

    def charter(self, stewards: Iterable[InstanceId] = (), *, author: InstanceKey | None = None, **changed: Any) -> Charter:
        """Issue a charter, this peer's unless said otherwise, and show it in the feed in place of the one before."""
        key = author or self.key
        now = Stamp.of(dt.datetime.now(dt.UTC))
        named = tuple((one, None) for one in stewards)
        charter = replace(Charter(key.instance_id, key.public_bytes, self.name, frozenset(), named, (), Census(), now), **changed)
        self.catalogue.replace_charter(str(charter.instance_id), key.sign_charter(charter))
        return charter


def _introduced(wish: dict[str, Any], speaks: tuple[int, ...]) -> tuple[InstanceId, bytes]:
    """Id and key in a registration.

    Raises:
        Unauthenticated: if they do not fit, or no version is common.
    """
    try:
        sender, key = InstanceId.parse(wish["instance_id"]), base64.b64decode(wish["public_key"])
        common = set(wish["protocol"]) & set(speaks)
    except (KeyError, TypeError, ValueError, OdstError) as error:
        raise Unauthenticated(f"the registration is malformed: {error}") from error
    if not sender.belongs_to(key) or not common:
        raise Unauthenticated("another's key, or no common version")
    return sender, key
