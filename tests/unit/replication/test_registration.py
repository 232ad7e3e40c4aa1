"""Claims about registration (promise D2): one invitation, one peer, and nobody in between."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from services.replication.adapters.signatures import KeySignatures
from services.replication.domain.peer import Peer, PeerState
from services.replication.handlers.authenticating import AuthenticatingHandlers
from services.replication.handlers.registration import RegistrationHandlers
from services.replication.handlers.relations import RelationsHandlers
from shared.core.errors import Forbidden, InvalidInput, NotFound, PeerLied, Unauthenticated
from shared.runtime import http_signatures
from shared.runtime.keys import InstanceKey
from shared.testing.fakes.clock import FakeClock
from shared.testing.fakes.peer_client import FakePeerClient
from shared.testing.fakes.peers import FakePeers
from shared.testing.fakes.storage_service import FakeStorageService
from tests.unit.replication.replication_bench import STAGES


class Site:
    """One instance's registration desk, with a real key."""

    def __init__(self, name: str) -> None:
        self.key, self.clock, self.peers, self.client = InstanceKey.generate(), FakeClock(), FakePeers(), FakePeerClient()
        url = f"http://{name.lower()}.example"
        self.storage, signatures = FakeStorageService(), KeySignatures(self.key)
        self.relations = RelationsHandlers(self.peers, self.storage, self.clock, STAGES, lambda: None)
        self.desk = RegistrationHandlers(self.peers, self.client, signatures, self.clock, self.relations, name, url)
        self.door = AuthenticatingHandlers(self.peers, signatures, self.clock)

    @property
    def peer_id(self) -> str:
        """Its instance id."""
        return str(self.key.instance_id)

    def invite(self, valid_seconds: int | None = None, tags: list[str] | None = None, *, steward: bool = False) -> str:
        """A new invitation."""
        return str(self.desk.create_invitation("admin", valid_seconds, tags, steward)["invitation"])

    def peer(self, other: Site) -> Peer:
        """The other one as it is known here."""
        found = self.peers.get(other.peer_id)
        assert found is not None
        return found

    def signed(self, document: dict[str, Any], recipient: Site) -> dict[str, Any]:
        """A request as the recipient's door hands it on."""
        body = json.dumps(document).encode()
        request = http_signatures.Request("POST", "/ods/v1/registrations", {})
        http_signatures.sign_request(request, self.key, recipient.key.instance_id, body)
        return {"method": request.method, "target": request.target, "headers": request.headers, "body": body.decode()}

    def knows(self, other: Site) -> bool:
        """True if the other one is an active peer, with its key pinned."""
        peer = self.peers.get(other.peer_id)
        return peer is not None and peer.state is PeerState.ACTIVE and peer.public_key == other.key.public_bytes


def connect(joining: Site, answering: Site, **changes: Any) -> None:
    """Requests of one site reach the other one, changed on the way as given."""

    def deliver(document: dict[str, Any]) -> dict[str, Any]:
        public_key = document["public_key"]
        return answering.desk.accept_registration(public_key, joining.signed(document | changes, answering))

    joining.client.registrar = deliver


@pytest.fixture
def sites() -> tuple[Site, Site]:
    """A invites, B joins."""
    a, b = Site("A"), Site("B")
    connect(b, a)
    return a, b


def test_joining_pins_both_keys(sites: tuple[Site, Site]) -> None:
    """And each says so to its own people; both read the other's feed at once."""
    a, b = sites

    joined = b.desk.join(a.invite())

    assert (joined["peer_id"], joined["name"], joined["state"]) == (a.peer_id, "A", "active")
    assert a.knows(b)
    assert b.knows(a)
    for site, other in ((a, b), (b, a)):
        assert [(event.type, event.peer_id) for event in site.peers.dispatched] == [("peer.registered.v1", other.peer_id)]
        assert [str(peer.peer_id) for peer in site.peers.due_for_poll(site.clock())] == [other.peer_id]


def test_the_secret_never_crosses_the_wire(sites: tuple[Site, Site]) -> None:
    """Nor is it kept by who invited."""
    a, b = sites
    invitation, seen = a.invite(), list[str]()
    deliver = b.client.registrar
    assert deliver is not None
    b.client.registrar = lambda document: seen.append(json.dumps(document)) or deliver(document)  # type: ignore[func-returns-value]

    b.desk.join(invitation)

    assert invitation.rsplit(":", 1)[1] not in seen[0]


def test_an_invitation_is_for_one(sites: tuple[Site, Site]) -> None:
    """The second is refused with the same words as for any other reason."""
    a, b = sites
    invitation = a.invite()
    b.desk.join(invitation)
    c = Site("C")
    connect(c, a)

    with pytest.raises(Forbidden) as caught:
        c.desk.join(invitation)

    assert caught.value.code == "INVITATION_REFUSED"
    assert not a.knows(c)
    assert not c.knows(a)


def test_an_invitation_expires(sites: tuple[Site, Site]) -> None:
    """At its time."""
    a, b = sites
    invitation = a.invite(60)
    a.clock.pass_seconds(60)

    with pytest.raises(Forbidden):
        b.desk.join(invitation)

    assert not a.knows(b)


def test_guessing_burns_an_invitation(sites: tuple[Site, Site]) -> None:
    """After five wrong proofs not even the right one helps."""
    a, b = sites
    invitation = a.invite()
    connect(b, a, proof="0" * 64)
    for _ in range(5):
        with pytest.raises(Forbidden):
            b.desk.join(invitation)
    connect(b, a)

    with pytest.raises(Forbidden):
        b.desk.join(invitation)

    assert not a.knows(b)


def test_four_wrong_guesses_do_not(sites: tuple[Site, Site]) -> None:
    """People mistype."""
    a, b = sites
    invitation = a.invite()
    connect(b, a, proof="0" * 64)
    for _ in range(4):
        with pytest.raises(Forbidden):
            b.desk.join(invitation)
    connect(b, a)

    b.desk.join(invitation)

    assert a.knows(b)


def test_an_impostor_in_the_middle_is_found_out(sites: tuple[Site, Site]) -> None:
    """Who answers without knowing the secret, or under another key, is not pinned."""
    a, b = sites
    deliver = b.client.registrar
    assert deliver is not None
    impostor = Site("X")
    answers: list[dict[str, Any]] = [{"proof": "0" * 64}, {"instance_id": impostor.peer_id}, {"public_key": "AAAA"}, {"protocol": [3]}]

    for change in answers:
        b.client.registrar = lambda document, change=change: deliver(document) | change
        with pytest.raises((PeerLied, Unauthenticated)):
            b.desk.join(a.invite())

    assert not b.knows(a)


@pytest.mark.parametrize(
    "changes",
    [
        {"instance_id": "A" * 52},
        {"url": "javascript:alert(1)"},
        {"url": "http://a b"},
        {"protocol": [99]},
        {"protocol": None},
        {"name": ...},
    ],
)
def test_a_registration_with_anything_wrong_is_refused(sites: tuple[Site, Site], changes: dict[str, Any]) -> None:
    """And pins nothing."""
    a, b = sites
    connect(b, a, **{key: value for key, value in changes.items() if value is not ...})
    if ... in changes.values():
        b.client.registrar = lambda document: a.desk.accept_registration(
            document["public_key"], b.signed({key: value for key, value in document.items() if key not in changes}, a)
        )

    with pytest.raises((PeerLied, Unauthenticated, InvalidInput)):
        b.desk.join(a.invite())

    assert a.peers.all() == []


def test_a_registration_seen_twice_is_refused(sites: tuple[Site, Site]) -> None:
    """The recorded request is of no use to who recorded it."""
    a, b = sites
    requests = list[tuple[str, dict[str, Any]]]()

    def record(document: dict[str, Any]) -> dict[str, Any]:
        requests.append((document["public_key"], b.signed(document, a)))
        return a.desk.accept_registration(*requests[-1])

    b.client.registrar = record
    b.desk.join(a.invite())

    with pytest.raises(Unauthenticated, match="seen before"):
        a.desk.accept_registration(*requests[0])


def test_an_instance_does_not_join_itself(sites: tuple[Site, Site]) -> None:
    """The sentence says what was meant."""
    a, _ = sites

    with pytest.raises(InvalidInput) as caught:
        a.desk.join(a.invite())

    assert caught.value.code == "INVITATION_IS_OWN"


@pytest.mark.parametrize("seconds", [0, -1, 31 * 24 * 3600])
def test_an_invitation_is_valid_for_a_sensible_time(sites: tuple[Site, Site], seconds: int) -> None:
    """Neither never nor for ever."""
    with pytest.raises(InvalidInput):
        sites[0].desk.create_invitation("admin", seconds)


def test_a_request_counts_once_and_only_from_an_active_peer(sites: tuple[Site, Site]) -> None:
    """Replayed, or after the peer was revoked: refused."""
    a, b = sites
    b.desk.join(a.invite())
    request = b.signed({}, a)

    assert a.door.authenticate(request) == {"peer_id": b.peer_id, "view": {"tags": [], "ever": ["."], "number": 0}}
    with pytest.raises(Unauthenticated, match="seen before"):
        a.door.authenticate(request)
    a.relations.revoke(b.peer_id, "admin")
    with pytest.raises(Unauthenticated):
        a.door.authenticate(b.signed({}, a))


def test_a_revoked_peer_may_be_invited_again(sites: tuple[Site, Site]) -> None:
    """What was read of its feed is kept; strikes and bans are forgiven."""
    a, b = sites
    b.desk.join(a.invite())
    a.relations.revoke(b.peer_id, "admin")
    assert a.relations.list_peers()["items"][0]["state"] == "revoked"

    b.desk.join(a.invite())

    assert a.knows(b)
    with pytest.raises(NotFound):
        a.relations.revoke("nobody", "admin")


def test_what_is_shown_of_a_peer_has_no_secret(sites: tuple[Site, Site]) -> None:
    """Times are RFC 3339."""
    a, b = sites
    b.desk.join(a.invite())

    (shown,) = a.relations.list_peers()["items"]

    assert shown["last_contact"] == a.clock().astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {"peer_id", "name", "url", "state", "last_contact", "last_pull", "last_error", "banned_until"}
    assert set(shown) == told | {"tags", "steward", "protocol", "behind", "clock_skew_seconds"}


def test_what_a_registration_lets_see_is_each_sides_own(sites: tuple[Site, Site]) -> None:
    """The inviter says it in the invitation, the joiner when it joins; neither is told to the other."""
    a, b = sites

    b.desk.join(a.invite(tags=["production"]), ["test"])

    assert (a.peer(b).tags, b.peer(a).tags) == ({"production"}, {"test"})
    assert a.door.authenticate(b.signed({}, a))["view"] == {"tags": ["production"], "ever": [".", "production"], "number": 1}


@pytest.mark.parametrize("side", ["inviting", "joining"])
def test_an_unknown_stage_is_refused_before_anything_happens(sites: tuple[Site, Site], side: str) -> None:
    """With the stages that there are."""
    a, b = sites

    with pytest.raises(InvalidInput, match="production") as caught:
        b.desk.join(a.invite(tags=["prod"] if side == "inviting" else None), ["prod"])

    assert caught.value.code == "STAGE_UNKNOWN"
    assert a.peers.all() == b.peers.all() == []


@pytest.mark.parametrize("steward", [True, False])
def test_who_joins_makes_the_inviter_a_steward(sites: tuple[Site, Site], steward: bool) -> None:  # noqa: FBT001 - both ways
    """And is made one only if the invitation says so. Both declare it at once."""
    a, b = sites

    b.desk.join(a.invite(steward=steward))

    assert b.storage.declared[-1] == ([{"instance_id": a.peer_id, "until": None}], [])
    assert a.storage.declared[-1] == ([{"instance_id": b.peer_id, "until": None}] if steward else [], [])


def test_registering_again_keeps_what_is_not_said_anew(sites: tuple[Site, Site]) -> None:
    """Tags and stewards; a revoked peer that is invited again is trusted again."""
    a, b = sites
    b.desk.join(a.invite(tags=["test"], steward=True))
    a.relations.revoke(b.peer_id, "admin")

    b.desk.join(a.invite())

    assert (a.peer(b).tags, a.peer(b).steward) == ({"test"}, True)
    assert a.storage.declared[-1][1] == []


def test_the_greatest_common_version_is_spoken(sites: tuple[Site, Site]) -> None:
    """An instance that speaks the first one only is still a peer."""
    a, b = sites
    b.desk.protocols = (1,)

    b.desk.join(a.invite())
    assert (a.peer(b).protocol, b.peer(a).protocol) == (1, 1)

    b.desk.protocols = (1, 2)
    b.desk.join(a.invite())
    assert (a.peer(b).protocol, b.peer(a).protocol) == (2, 2)
