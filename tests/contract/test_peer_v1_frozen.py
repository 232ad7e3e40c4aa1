"""Claims that the first version of the peer protocol is still read and written as it was: its messages are kept as they were."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import signatures

import shared.contracts
from services.api_gateway.http.peers import Ring
from services.replication.adapters.http_peers import HttpPeers
from services.replication.adapters.signatures import KeySignatures
from services.replication.domain.peer import OpenInvitation
from services.replication.handlers.registration import RegistrationHandlers
from services.replication.handlers.relations import RelationsHandlers
from shared.core.digest import ChunkDigests
from shared.core.identity import InstanceId
from shared.core.invitation import Invitation, proof
from shared.core.manifest import Manifest
from shared.core.staging import Stages
from shared.runtime import http_signatures
from shared.runtime.keys import InstanceKey, open_manifest
from shared.testing.builders import a_peer, chunk_digests
from shared.testing.fakes.peer_client import FakePeerClient
from shared.testing.fakes.peers import FakePeers
from shared.testing.fakes.storage_service import FakeStorageService
from shared.testing.peer_server import Asked, PeerServer, Reply

FROZEN = Path(shared.contracts.__file__).parent / "peer" / "v1"
DIGESTS = {
    "announcement.json": "de2b70e7bb1104a872f991262946d9ab8b662a9e65abf022464e83298eb15c3d",
    "changes.json": "3b4ed484503311cae982fe2ea1714775a2e2f3f80d5a3b608bdeb19d16819538",
    "chunk_list.json": "5ada5961a8c8324698cec9baf3aedaf378c523df4f930c3d06f5d7809efe4e9c",
    "keys.json": "9100b32564d16e7e59abf8e2323939ddadefa9e10724892a50a81614b397710e",
    "manifest.json": "272500bb887182260f24448cb1e03aa06253219fc5ae6b68dc2623f58876be71",
    "registration.json": "de989579be2b40cc5c3e73807ea211485813cadea3c913db327fd2c336245b4f",
    "status.json": "ed99aaa37c64dfbe480cd3090dc9a9eff691186d876d65e61796ede2195e65e4",
}
EXCHANGES = ("announcement", "changes", "registration", "status")
MADE = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
NONCE = "bm9uY2Utb2YtZXhhbXBsZS0x"


def frozen(name: str) -> dict[str, Any]:
    """One of the files."""
    document: dict[str, Any] = json.loads((FROZEN / f"{name}.json").read_text(encoding="utf-8"))
    return document


def key_of(name: str) -> InstanceKey:
    """A or B."""
    return InstanceKey(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(frozen("keys")[name]["private_hex"])))


A, B = key_of("A"), key_of("B")


@pytest.fixture
def back_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock and the dice of the day when the examples were made."""

    class Then(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return MADE.astimezone(tz)

    clock = SimpleNamespace(datetime=Then, timedelta=dt.timedelta, timezone=dt.timezone, UTC=dt.UTC)
    monkeypatch.setattr(http_signatures, "dt", clock)
    monkeypatch.setattr(signatures, "datetime", clock)
    monkeypatch.setattr(http_signatures.secrets, "token_urlsafe", lambda _size: NONCE)


def request_of(exchange: dict[str, Any]) -> http_signatures.Request:
    """The request of an example."""
    sent = exchange["request"]
    return http_signatures.Request(sent["method"], sent["target"], dict(sent["headers"]))


def test_nobody_edits_what_is_frozen() -> None:
    """Every file is as it was, and there is no other."""
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FROZEN.glob("*.json")} == DIGESTS


@pytest.mark.parametrize("name", ["A", "B"])
def test_ids_follow_from_keys_as_they_did(name: str) -> None:
    """Plain and in groups."""
    was = frozen("keys")[name]

    assert base64.b64encode(key_of(name).public_bytes).decode() == was["public_key"]
    assert str(key_of(name).instance_id) == was["instance_id"]
    assert InstanceId.parse(was["grouped"]).grouped() == was["grouped"] == key_of(name).instance_id.grouped()


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.usefixtures("back_then")
def test_requests_are_signed_as_they_were(name: str) -> None:
    """The same headers, to the last byte."""
    exchange = frozen(name)
    message = http_signatures.Request(exchange["request"]["method"], exchange["request"]["target"], {})

    http_signatures.sign_request(message, B, A.instance_id, exchange["request"]["body"].encode())

    assert message.headers == exchange["request"]["headers"]


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.usefixtures("back_then")
def test_answers_are_signed_as_they_were(name: str) -> None:
    """The same headers, to the last byte."""
    exchange = frozen(name)
    answer = http_signatures.Response(200, {}, request_of(exchange))

    http_signatures.sign_response(answer, A, exchange["answer"]["body"].encode())

    assert answer.headers == exchange["answer"]["headers"]


@pytest.mark.parametrize("name", EXCHANGES)
@pytest.mark.usefixtures("back_then")
def test_what_was_signed_then_is_accepted_now(name: str) -> None:
    """Requests by who is asked, answers by who asked."""
    exchange = frozen(name)
    message = request_of(exchange)
    answer = http_signatures.Response(200, exchange["answer"]["headers"], message)

    verified = http_signatures.verify_request(message, A.instance_id, {str(B.instance_id): B.public_bytes}.get)
    http_signatures.check_body(message.headers, exchange["request"]["body"].encode())
    http_signatures.verify_response(answer, exchange["answer"]["body"].encode(), A.instance_id, A.public_bytes)

    assert (verified.sender, verified.nonce) == (B.instance_id, NONCE)


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_signature_is_over_the_base_that_was_written_down(name: str) -> None:
    """So that the files are enough to write a peer by."""
    exchange = frozen(name)
    for part, signer in (("request", B), ("answer", A)):
        signature = base64.b64decode(exchange[part]["headers"]["Signature"].removeprefix("ods=:").removesuffix(":"))
        signer.private.public_key().verify(signature, exchange[part]["signature_base"].encode())


def test_both_proofs_of_a_registration_follow_from_the_invitation() -> None:
    """As they did."""
    was = frozen("registration")
    invitation, wish = Invitation.parse(was["invitation"]), json.loads(was["request"]["body"])

    assert (invitation.lookup, invitation.proof_key.hex()) == (was["lookup"], was["proof_key"])
    assert wish["lookup"] == was["lookup"]
    assert wish["proof"] == proof(invitation.proof_key, B.instance_id, A.instance_id, wish["nonce"], joining=True)
    answered = json.loads(was["answer"]["body"])["proof"]
    assert answered == proof(invitation.proof_key, A.instance_id, B.instance_id, wish["nonce"], joining=False)


@pytest.mark.usefixtures("back_then")
def test_a_registration_of_then_is_accepted() -> None:
    """And answered as it was, but for the versions that are spoken now."""
    was = frozen("registration")
    invitation, peers, sent = Invitation.parse(was["invitation"]), FakePeers(), was["request"]
    relations = RelationsHandlers(peers, FakeStorageService(), lambda: MADE, Stages(()), lambda: None)
    desk = RegistrationHandlers(peers, FakePeerClient(), KeySignatures(A), lambda: MADE, relations, "A", "https://a.example.org")
    with peers.changing() as changes:
        changes.save_invitation(OpenInvitation(invitation.lookup, invitation.proof_key, "admin", MADE + dt.timedelta(hours=1)))

    answer = desk.accept_registration(frozen("keys")["B"]["public_key"], sent)

    assert answer | {"protocol": [1]} == json.loads(was["answer"]["body"])
    pinned = peers.get(str(B.instance_id))
    assert pinned is not None
    assert (pinned.public_key, pinned.url, pinned.protocol) == (B.public_bytes, "https://b.example.org", 1)


def test_a_manifest_is_read_and_written_as_it_was() -> None:
    """The same payload, the same envelope."""
    was = frozen("manifest")

    manifest = open_manifest(was["envelope"].encode())

    assert manifest.payload().decode() == was["payload"]
    assert A.sign_manifest(Manifest.parse(was["payload"].encode())).decode() == was["envelope"]
    assert (manifest.tags, manifest.mint, manifest.revision) == (frozenset(), None, 1)


def test_a_chunk_list_is_read_and_written_as_it_was() -> None:
    """The same records, and the manifest's digests fit them."""
    was, package = frozen("chunk_list"), frozen("manifest")
    data = package["bytes"]["line"].encode() * package["bytes"]["times"]

    packed = ChunkDigests(bytes.fromhex(was["packed_hex"]))

    assert chunk_digests(data).packed == packed.packed
    assert was["packed_hex"] == "".join(record["sha1"] + record["sha256"] for record in was["records"])
    open_manifest(package["envelope"].encode()).check_chunk_list(packed)


def test_a_ring_of_then_is_understood() -> None:
    """By the door of now."""
    ring = Ring.model_validate_json(frozen("announcement")["request"]["body"])

    assert (ring.epoch, ring.seq) == ("00112233445566778899aabbccddeeff", 7)


class OldInstance:
    """A, as it was: answers with the bodies of the examples, freshly signed, and keeps what it was asked."""

    def __init__(self) -> None:
        """Listens at once."""
        self.asked: list[Asked] = []
        self._server = PeerServer(self._answer)
        self.url = self._server.url

    def close(self) -> None:
        """Gone."""
        self._server.close()

    def _answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        exchange = next(exchange for exchange in map(frozen, EXCHANGES) if exchange["request"]["target"].partition("?")[0] == asked.path)
        body = exchange["answer"]["body"].encode()
        answer = http_signatures.Response(200, {}, http_signatures.Request(asked.method, asked.target, asked.headers))
        http_signatures.sign_response(answer, A, body)
        return 200, {**answer.headers, "Content-Length": str(len(body))}, [body]


@pytest.fixture
def old() -> Iterator[OldInstance]:
    """A, on the loopback."""
    instance = OldInstance()
    yield instance
    instance.close()


def test_we_ring_as_we_did(old: OldInstance) -> None:
    """The same body, and the answer of then is enough."""
    was = frozen("announcement")["request"]
    client = HttpPeers(B, connect_seconds=5, read_seconds=5)

    client.announce(a_peer("A", A, url=old.url), "00112233445566778899aabbccddeeff", 7)

    assert [(asked.method, asked.target, asked.body.decode()) for asked in old.asked] == [(was["method"], was["target"], was["body"])]


def test_we_read_a_page_as_we_did(old: OldInstance) -> None:
    """The same question, and the page of then."""
    was = frozen("changes")
    client = HttpPeers(B, connect_seconds=5, read_seconds=5)

    page = client.changes(a_peer("A", A, url=old.url), None, 0)

    item = json.loads(was["answer"]["body"])["items"][0]
    assert [(asked.method, asked.target) for asked in old.asked] == [("GET", was["request"]["target"])]
    assert (page.epoch, page.next, page.more) == ("db9f085f77f28f30f5f714693d5fe2b4", 1, False)
    assert item["id"] in str(page)


def test_the_answer_to_a_registration_of_then_is_understood(old: OldInstance) -> None:
    """It is signed by whom the invitation names."""
    was = frozen("registration")
    invitation = Invitation(old.url, A.instance_id, Invitation.parse(was["invitation"]).secret)
    client = HttpPeers(B, connect_seconds=5, read_seconds=5)

    answer = client.register(invitation, json.loads(was["request"]["body"]))

    assert answer == json.loads(was["answer"]["body"])
    assert old.asked[0].body.decode() == was["request"]["body"]
