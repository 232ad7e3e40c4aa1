"""Promise D2: an invitation makes two instances trust each other once, in time, and nobody else ever."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from shared.core.identity import InstanceId
from shared.core.invitation import MAX_WRONG_PROOFS, Invitation, proof
from shared.runtime.broker import PrivateBroker
from shared.runtime.keys import InstanceKey
from shared.testing.instance import Instance, free_port
from shared.testing.peer import TestPeer
from shared.testing.peer_server import Asked, Reply
from shared.testing.waiting import wait_for

pytestmark = pytest.mark.promise("D2")

Pair = tuple[Instance, Instance]
REGISTER = "/ods/v1/registrations"


@pytest.fixture(scope="module")
def pair(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two instances that do not know each other yet."""
    folder = tmp_path_factory.mktemp("d2")
    with contextlib.ExitStack() as stack:
        a, b = (stack.enter_context(contextlib.closing(Instance(name, folder / name, broker.uri(next(vhost_names))))) for name in "AB")
        for instance in (a.start(), b.start()):
            instance.wait_ready()
        yield a, b


@pytest.fixture(scope="module")
def a(pair: Pair) -> Instance:
    """The one that invites, in most tests."""
    return pair[0]


@pytest.fixture
def peer() -> Iterator[TestPeer]:
    """Somebody who may be invited."""
    with TestPeer("guest") as made:
        yield made


@pytest.fixture
def other() -> Iterator[TestPeer]:
    """Somebody else."""
    with TestPeer("other") as made:
        yield made


@pytest.fixture(autouse=True)
def _unharmed(pair: Pair) -> Iterator[None]:
    """Nothing unexpected happened in either gateway."""
    yield
    assert not [line for instance in pair for line in instance.log_events("services.api_gateway", "request_failed")]


def register(peer: TestPeer, instance: Instance, invitation: Invitation, **changed: Any) -> requests.Response:
    """Ask to be registered, with the invitation's proof unless that is changed."""
    body = json.dumps(peer.registration(invitation, **changed)).encode()
    return peer.request(instance, "POST", REGISTER, body, recipient=invitation.instance_id)


def known(instance: Instance) -> dict[str, str]:
    """State of every peer of an instance, by id."""
    return {item["peer_id"]: item["state"] for item in instance.api("GET", "/peers").json()["items"]}


def refused(response: requests.Response) -> bool:
    """True if this is the one answer to every invitation that does not hold."""
    return response.status_code == 403 and response.json()["code"] == "INVITATION_REFUSED"


def test_an_invitation_is_for_one_time(a: Instance, peer: TestPeer, other: TestPeer) -> None:
    """D2: once used, an invitation is refused to anybody, also to who used it."""
    invitation = Invitation.parse(a.invite())
    assert register(peer, a, invitation).status_code == 200

    assert refused(register(other, a, invitation))
    assert refused(register(peer, a, invitation))
    assert known(a)[str(peer.instance_id)] == "active"
    assert str(other.instance_id) not in known(a)


def test_of_many_at_once_one_is_let_in(a: Instance) -> None:
    """D2: four who use one invitation in the same moment do not all get in."""
    invitation = Invitation.parse(a.invite())
    with contextlib.ExitStack() as stack:
        guests = [stack.enter_context(TestPeer(f"guest {number}")) for number in range(4)]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda guest: register(guest, a, invitation), guests))

    assert sorted(answer.status_code for answer in answers) == [200, 403, 403, 403]
    assert sum(str(guest.instance_id) in known(a) for guest in guests) == 1


def test_an_invitation_expires(a: Instance, peer: TestPeer) -> None:
    """D2: after its time an invitation is refused, with the right proof too."""
    given = a.api("POST", "/invitations", json={"valid_seconds": 1}, expect=201).json()
    end = dt.datetime.fromisoformat(given["expires"]) + dt.timedelta(seconds=1)
    wait_for(lambda: dt.datetime.now(dt.UTC) > end, "the invitation has expired", deadline_seconds=10)

    assert refused(register(peer, a, Invitation.parse(given["invitation"])))
    assert str(peer.instance_id) not in known(a)


@pytest.mark.parametrize("seconds", [0, -1, 31 * 24 * 3600, 10**30, "1", 1.5, True])
def test_an_invitation_is_valid_for_a_sensible_time(a: Instance, seconds: object) -> None:
    """D2: no invitation without end, nor with a time that is no number of seconds."""
    response = a.api("POST", "/invitations", json={"valid_seconds": seconds}, expect=None)

    assert response.status_code == 400
    assert response.json()["code"] in ("BODY_INVALID", "VALIDITY_INVALID")


def test_guessing_burns_an_invitation(a: Instance, peer: TestPeer, other: TestPeer) -> None:
    """D2: five wrong proofs, and the invitation is worth nothing to the right holder either."""
    invitation = Invitation.parse(a.invite())
    for _ in range(MAX_WRONG_PROOFS):
        assert refused(register(other, a, invitation, proof=secrets.token_hex(32)))

    assert refused(register(peer, a, invitation))
    assert not {str(peer.instance_id), str(other.instance_id)} & set(known(a))


def test_fewer_wrong_guesses_do_not(a: Instance, peer: TestPeer, other: TestPeer) -> None:
    """D2: after four wrong proofs the right holder still gets in."""
    invitation = Invitation.parse(a.invite())
    for _ in range(MAX_WRONG_PROOFS - 1):
        assert refused(register(other, a, invitation, proof=secrets.token_hex(32)))

    assert register(peer, a, invitation).status_code == 200


def test_a_proof_is_for_one_guest_and_one_direction(a: Instance, peer: TestPeer, other: TestPeer) -> None:
    """D2: a proof that was seen on its way helps nobody else: not with another key, another nonce, mirrored, or at another instance."""
    seen = peer.registration(invitation := Invitation.parse(a.invite()))
    elsewhere = proof(invitation.proof_key, other.instance_id, peer.instance_id, seen["nonce"], joining=True)
    mirrored = proof(invitation.proof_key, invitation.instance_id, other.instance_id, seen["nonce"], joining=False)

    assert refused(register(other, a, invitation, proof=seen["proof"], nonce=seen["nonce"]))
    assert refused(register(other, a, invitation, proof=elsewhere, nonce=seen["nonce"]))
    assert refused(register(other, a, invitation, proof=mirrored, nonce=seen["nonce"]))
    assert refused(register(peer, a, invitation, proof=seen["proof"]))
    assert register(peer, a, invitation, proof=seen["proof"], nonce=seen["nonce"]).status_code == 200


def test_an_unknown_invitation_looks_like_a_wrong_one(a: Instance, peer: TestPeer) -> None:
    """D2: the answer does not tell whether there is such an invitation."""
    real = Invitation.parse(a.invite())
    unknown = Invitation.create(a.url, real.instance_id)
    fixed = {"Ods-Correlation-Id": "the-same"}

    def body(invitation: Invitation) -> bytes:
        wish = json.dumps(peer.registration(invitation, proof="0" * 64)).encode()
        return peer.request(a, "POST", REGISTER, wish, headers=fixed).content

    assert body(real) == body(unknown)


MALFORMED: dict[str, dict[str, Any]] = {
    "no nonce": {"nonce": None},
    "a short nonce": {"nonce": "x"},
    "a nonce that is no text": {"nonce": {"a": 1}},
    "a giant nonce": {"nonce": "n" * 10_000},
    "no lookup": {"lookup": None},
    "another id": {"instance_id": str(InstanceKey.generate().instance_id)},
    "an id that is none": {"instance_id": 5},
    "another key": {"public_key": base64.b64encode(InstanceKey.generate().public_bytes).decode()},
    "a key that is none": {"public_key": "x"},
    "a key of another length": {"public_key": base64.b64encode(b"x" * 31).decode()},
    "a key that is a number": {"public_key": 5},
    "no protocol of ours": {"protocol": [99]},
    "a protocol that is no list": {"protocol": 1},
    "a protocol of lists": {"protocol": [[1]]},
    "no URL": {"url": None},
    "an empty URL": {"url": "http://"},
    "a URL of a file": {"url": "file:///etc/passwd"},
    "a URL with a query": {"url": "http://127.0.0.1/?x="},
    "a URL with a line end": {"url": "http://127.0.0.1/\r\nX: y"},
    "a giant URL": {"url": "http://" + "x" * 1000},
    "no name": {"name": None},
    "an empty name": {"name": ""},
    "a name with an escape": {"name": "\x1b]0;evil\x07"},
    "a name that turns the line": {"name": "x\u202egnp"},
    "a name with markup": {"name": "<script>"},
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_registration_is_refused(a: Instance, peer: TestPeer, case: str) -> None:
    """D2: who holds a good invitation and proves it must still say sensibly who it is; nothing is pinned, and the invitation lives on."""
    invitation = Invitation.parse(a.invite())
    changed = MALFORMED[case]
    nonce = str(changed.get("nonce", "a-good-nonce"))
    proven = proof(invitation.proof_key, peer.instance_id, invitation.instance_id, nonce, joining=True)

    response = register(peer, a, invitation, **{"proof": proven, "nonce": nonce, **changed})

    assert response.status_code in (401, 403), response.text
    assert response.json()["code"] in ("UNAUTHENTICATED", "INVITATION_REFUSED")
    assert str(peer.instance_id) not in known(a)
    assert register(peer, a, invitation).status_code == 200


def test_crossed_invitations_make_one_peer_each(pair: Pair) -> None:
    """D2: A invites B while B invites A, and both join at once: one row each, active, and packages flow both ways."""
    a, b = pair
    invitations = {b: a.invite(), a: b.invite()}
    with ThreadPoolExecutor(2) as pool:
        joined = list(pool.map(lambda one: one.api("POST", "/peers", json={"invitation": invitations[one]}, expect=201), (a, b)))

    ids = [str(Invitation.parse(invitations[one]).instance_id) for one in (a, b)]
    assert [response.json()["peer_id"] for response in joined] == ids
    for instance, peer_id in zip(pair, ids, strict=True):
        rows = [item for item in instance.api("GET", "/peers").json()["items"] if item["peer_id"] == peer_id]
        assert [row["state"] for row in rows] == ["active"]
    for giver, taker in (pair, pair[::-1]):
        data = os.urandom(1000)
        giver.uploaded(giver.upload(f"from {giver.name}.pkg", data))
        taker.published(f"from {giver.name}.pkg")


def test_an_own_invitation_is_not_for_oneself(a: Instance) -> None:
    """D2: pasting an invitation where it was made is a mistake that is explained."""
    response = a.api("POST", "/peers", json={"invitation": a.invite()}, expect=None)

    assert (response.status_code, response.json()["code"]) == (400, "INVITATION_IS_OWN")


def test_a_damaged_invitation_is_refused(a: Instance, other: TestPeer) -> None:
    """D2: an invitation that is cut or mistyped is refused before anybody is asked."""
    whole = other.invite()
    _, secret = whole.rsplit(":", 1)
    identity = str(other.instance_id)
    damaged = [whole[:-1], whole[1:], whole.replace(identity, identity[:-1]), whole.replace(secret, "x" * 40), "odst1:", "", "x" * 900]
    damaged += [whole.replace("http://", "file://"), whole.replace(other.url, f"{other.url}/?x="), whole.replace(other.url, "http://")]

    for text in damaged:
        response = a.api("POST", "/peers", json={"invitation": text}, expect=None)
        assert (response.status_code, response.json()["code"]) == (400, "INVITATION_INVALID"), text
    assert not other.asked


class _Impostor(TestPeer):
    """Listens at the address of an invitation that another made, and knows all but the secret."""

    claims: TestPeer | None = None

    def welcome(self, wish: dict[str, Any]) -> dict[str, Any]:
        claimed = self.claims or self
        key = base64.b64encode(claimed.key.public_bytes).decode()
        return {"protocol": [1], "instance_id": str(claimed.instance_id), "public_key": key, "name": "A", "proof": wish["proof"]}

    def _admit(self, asked: Asked) -> None:
        """Everybody is welcome."""


class _Unsigned(_Impostor):
    """Does not sign its answers."""

    def signed_answer(self, asked: Asked, document: dict[str, Any]) -> Reply:
        status, headers, blocks = super().signed_answer(asked, document)
        return status, {name: value for name, value in headers.items() if not name.startswith("Signature")}, blocks


class _Rambling(_Impostor):
    """Answers with something else."""

    reply: Reply = 200, {}, [b""]

    def signed_answer(self, asked: Asked, document: dict[str, Any]) -> Reply:  # noqa: ARG002 - the hook's signature
        return self.reply


def join_fails(instance: Instance, invitation: Invitation) -> dict[str, Any]:
    """Try to join; the problem. Nothing may be pinned."""
    before = known(instance)
    response = instance.api("POST", "/peers", json={"invitation": str(invitation)}, expect=None)
    assert response.status_code == 502, response.text
    assert known(instance) == before
    problem: dict[str, Any] = response.json()
    return problem


def test_an_impostor_at_the_address_is_not_pinned(a: Instance, other: TestPeer) -> None:
    """D2: who answers at an invitation's address must have the invited key: another key will not do, nor that key without its signature."""
    secret = Invitation.parse(other.invite()).secret
    for kind, claims in ((_Impostor, None), (_Impostor, other), (_Unsigned, other), (_Unsigned, None)):
        with kind("impostor") as impostor:
            impostor.claims = claims
            problem = join_fails(a, Invitation(impostor.url, other.instance_id, secret))
            assert problem["code"] == "PEER_LIED"
            assert secret not in str([asked.body for asked in impostor.asked])


def test_an_inviter_who_does_not_know_the_secret_is_not_pinned(a: Instance) -> None:
    """D2: the right key is not enough: the answer must prove the secret, and a reflected proof does not."""
    with _Impostor("inviter") as inviter:
        problem = join_fails(a, Invitation.create(inviter.url, inviter.instance_id))

        assert problem["code"] == "PEER_LIED"


RAMBLINGS: dict[str, Reply] = {
    "no JSON": (200, {}, [b"<html>"]),
    "a list": (200, {}, [b"[]"]),
    "deeply nested": (200, {}, [b"[" * 100_000]),
    "endless": (200, {}, iter(lambda: b"x" * 65536, b"")),
    "no key": (200, {}, [b"{}"]),
    "a redirect": (302, {"Location": "http://127.0.0.1:1/", "Content-Length": "0"}, []),
    "an error": (500, {"Content-Length": "2"}, [b"{}"]),
}


@pytest.mark.parametrize("case", RAMBLINGS)
def test_a_rambling_answer_pins_nothing(a: Instance, case: str) -> None:
    """D2: whatever comes back, joining ends with a clear error."""
    with _Rambling("rambler") as rambler:
        rambler.reply = RAMBLINGS[case]
        problem = join_fails(a, Invitation.create(rambler.url, rambler.instance_id))

        assert problem["code"] in ("PEER_LIED", "PEER_UNREACHABLE")


def test_nobody_at_the_address_is_told(a: Instance) -> None:
    """D2: an invitation to where nobody listens is PEER_UNREACHABLE."""
    invitation = Invitation.create(f"http://127.0.0.1:{free_port()}", InstanceId.of_key(b"x" * 32))

    assert join_fails(a, invitation)["code"] == "PEER_UNREACHABLE"


def test_a_revoked_peer_needs_a_new_invitation(a: Instance, peer: TestPeer) -> None:
    """D2: revoking holds against the old invitation; a new one lets the peer in again, as one row."""
    first = Invitation.parse(a.invite())
    assert register(peer, a, first).status_code == 200
    a.api("DELETE", f"/peers/{peer.instance_id}", expect=204)

    assert refused(register(peer, a, first))
    assert known(a)[str(peer.instance_id)] == "revoked"
    peer.join(a)
    assert known(a)[str(peer.instance_id)] == "active"
    assert peer.announce(a).status_code == 200
