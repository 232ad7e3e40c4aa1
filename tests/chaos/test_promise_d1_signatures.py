"""Promise D1: whoever is no peer, or asks what it did not sign, is told 401 and nothing else."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from http_message_signatures import algorithms

from shared.runtime import http_signatures
from shared.runtime.broker import PrivateBroker
from shared.runtime.keys import InstanceKey
from shared.testing import raw_http
from shared.testing.instance import Instance
from shared.testing.peer import COVERED, TestPeer

pytestmark = pytest.mark.promise("D1")

TARGET = "/ods/v1/changes?epoch=&since=0&limit=10"
RING = "/ods/v1/announcements"
BODY = json.dumps({"epoch": "e", "seq": 1}).encode()
CORRELATION = {"Ods-Correlation-Id": "the-same-for-all"}
SIGNED_HEADERS = ("Signature", "Signature-Input", "Content-Digest", "Ods-Recipient")
Headers = dict[str, str | None]


@dataclass(frozen=True)
class Scene:
    """An instance, a peer of it, one that was revoked, and one that never was."""

    instance: Instance
    peer: TestPeer
    revoked: TestPeer
    stranger: TestPeer

    def signed(self, method: str = "GET", target: str = TARGET, body: bytes = b"", **overrides: Any) -> Headers:
        """Headers that the peer signs, rightly but for `overrides`."""
        return self.peer.signed(self.instance, method, target, body, **overrides)

    def send(self, headers: Headers, method: str = "GET", target: str = TARGET, body: bytes = b"") -> requests.Response:
        """Send as it is."""
        return self.peer.send(self.instance, method, target, body, headers | CORRELATION)

    def ask(self, **overrides: Any) -> requests.Response:
        """Read the feed, rightly signed but for `overrides`."""
        return self.send(self.signed(**overrides))


@pytest.fixture(scope="module")
def scene(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One instance for the whole matrix."""
    instance = Instance("D", tmp_path_factory.mktemp("d1") / "D", broker.uri(next(vhost_names)))
    with contextlib.closing(instance), TestPeer("peer") as peer, TestPeer("revoked") as revoked, TestPeer("stranger") as stranger:
        instance.start().wait_ready()
        peer.join(instance)
        revoked.join(instance)
        assert revoked.request(instance, "GET", TARGET).status_code == 200
        instance.api("DELETE", f"/peers/{revoked.instance_id}", expect=204)
        yield Scene(instance, peer, revoked, stranger)


@pytest.fixture(autouse=True)
def _unharmed(scene: Scene) -> Iterator[None]:
    """Whatever is sent, nothing unexpected happened in the gateway, and the peer is answered as before."""
    yield
    assert not scene.instance.log_events("services.api_gateway", "request_failed")
    assert scene.ask().status_code == 200


@pytest.fixture(scope="module")
def refusal(scene: Scene) -> bytes:
    """The body of the one answer to everything that is not acceptable."""
    response = scene.send({})
    assert response.status_code == 401
    assert response.json()["code"] == "UNAUTHENTICATED"
    return response.content


def _hmac_with_the_public_key(scene: Scene) -> Headers:
    return scene.signed(algorithm=algorithms.HMAC_SHA256, secret=scene.peer.key.public_bytes)


class _Shouted(algorithms.ED25519):
    algorithm_id = "ED25519"


class _None(algorithms.ED25519):
    algorithm_id = "none"


def _edited(headers: Headers, name: str, edit: Callable[[str], str | None]) -> Headers:
    return headers | {name: edit(str(headers[name]))}


def _both(first: Headers, second: Headers) -> Headers:
    return first | {name: f"{first[name]}, {second[name]}" for name in ("Signature", "Signature-Input")}


def _from_another(scene: Scene, **overrides: Any) -> Headers:
    return scene.signed(key=scene.stranger.key, **overrides)


NOT_SIGNED_SO: dict[str, Callable[[Scene], Headers]] = {
    "unsigned": lambda _: {},
    "unsigned, with a recipient": lambda scene: {"Ods-Recipient": str(scene.peer.id_of(scene.instance))},
    "wrong key": lambda scene: _from_another(scene, key_id=str(scene.peer.instance_id)),
    "unknown key": _from_another,
    "revoked key": lambda scene: scene.signed(key=scene.revoked.key),
    "own key of the instance's id": lambda scene: _from_another(scene, key_id=str(scene.peer.id_of(scene.instance))),
    "no key of that name": lambda scene: scene.signed(key_id=""),
    "key id with a path": lambda scene: scene.signed(key_id="../../../etc/passwd"),
    "key id in lower case": lambda scene: scene.signed(key_id=str(scene.peer.instance_id).lower()),
    "key id in groups": lambda scene: scene.signed(key_id=scene.peer.instance_id.grouped()),
    "meant for another": lambda scene: scene.signed(recipient=scene.stranger.instance_id),
    "recipient changed": lambda scene: (
        scene.signed(recipient=scene.stranger.instance_id) | {"Ods-Recipient": str(scene.peer.id_of(scene.instance))}
    ),
    "recipient removed": lambda scene: scene.signed() | {"Ods-Recipient": None},
    "recipient empty": lambda scene: scene.signed() | {"Ods-Recipient": ""},
    "digest removed": lambda scene: scene.signed() | {"Content-Digest": None},
    "valid for a day": lambda scene: scene.signed(expires=dt.datetime.now(dt.UTC) + dt.timedelta(days=1)),
    "no nonce": lambda scene: scene.signed(nonce=None),
    "empty nonce": lambda scene: scene.signed(nonce=""),
    "short nonce": lambda scene: scene.signed(nonce="1234567"),
    "giant nonce": lambda scene: scene.signed(nonce="n" * 129),
    "wrong tag": lambda scene: scene.signed(tag="ods-peer-v2"),
    "tag in capitals": lambda scene: scene.signed(tag="ODS-PEER-V1"),
    "no tag": lambda scene: scene.signed(tag=None),
    **{
        f"{missing} not covered": lambda scene, missing=missing: scene.signed(components=tuple(c for c in COVERED if c != missing))
        for missing in COVERED
    },
    "nothing covered": lambda scene: scene.signed(components=()),
    "HMAC with the public key": _hmac_with_the_public_key,
    "another curve": lambda scene: scene.signed(algorithm=algorithms.ECDSA_P256_SHA256, secret=ec.generate_private_key(ec.SECP256R1())),
    "algorithm in capitals": lambda scene: scene.signed(algorithm=_Shouted),
    "algorithm none": lambda scene: scene.signed(algorithm=_None),
    "duplicate label": lambda scene: _both(headers := scene.signed(), headers),
    "two signatures": lambda scene: _both(scene.signed(), scene.signed(label="ods2")),
    "two signatures, one of a stranger": lambda scene: _both(scene.signed(), _from_another(scene, label="ods2")),
    "a stranger's first": lambda scene: _both(_from_another(scene), scene.signed(label="ods2")),
    "labels differ": lambda scene: _edited(scene.signed(), "Signature", lambda text: text.replace("ods=", "sdo=")),
    "signature removed": lambda scene: scene.signed() | {"Signature": None},
    "parameters removed": lambda scene: scene.signed() | {"Signature-Input": None},
    "signature empty": lambda scene: scene.signed() | {"Signature": "ods=::"},
    "signature cut": lambda scene: scene.signed() | {"Signature": "ods=:YWJj:"},
    "signature no bytes": lambda scene: scene.signed() | {"Signature": 'ods="abc"'},
    "signature of zeros": lambda scene: scene.signed() | {"Signature": f"ods=:{'A' * 86}==:"},
    "nonce changed": lambda scene: _edited(scene.signed(nonce="nonce-1"), "Signature-Input", lambda text: text.replace("-1", "-2")),
    "expiry changed": lambda scene: _edited(scene.signed(), "Signature-Input", lambda text: text.replace(";nonce", "0;nonce")),
    "parameter added": lambda scene: _edited(scene.signed(), "Signature-Input", lambda text: text + ";admin=?1"),
    "old and forged": lambda scene: _from_another(
        scene, key_id=str(scene.peer.instance_id), created=dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    ),
}


@pytest.mark.parametrize("case", NOT_SIGNED_SO)
def test_what_is_not_properly_signed_is_refused(scene: Scene, refusal: bytes, case: str) -> None:
    """D1: every fault of a signature is one and the same 401, which tells nothing about the reason."""
    response = scene.send(NOT_SIGNED_SO[case](scene))

    assert response.status_code == 401
    assert response.content == refusal
    assert response.headers["Content-Type"] == "application/problem+json"


RAW_SPELLINGS = [
    TARGET.replace("/changes", "/%63hanges"),
    TARGET.replace("limit=10", "limit=%310"),
    TARGET.replace("?", "?&"),
    f"/{TARGET}",
]
ANOTHER_URL = [
    TARGET.replace("10", "1000"),
    TARGET.replace("since=0&limit=10", "limit=10&since=0"),
    f"{TARGET}&x=1",
    "/ods/v1/changes",
    "/ods/v1/status",
]


@pytest.mark.parametrize("target", [*ANOTHER_URL, *RAW_SPELLINGS])
def test_another_url_than_the_signed_one_is_refused(scene: Scene, refusal: bytes, target: str) -> None:
    """D1: a signature is for one path and query, as they were written."""
    response = scene.send(scene.signed(), target=target)

    assert (response.status_code, response.content) == (401, refusal)


def test_another_method_than_the_signed_one_is_refused(scene: Scene, refusal: bytes) -> None:
    """D1: a signature is for one method."""
    assert scene.send(scene.signed(), method="HEAD").status_code == 401
    assert scene.send(scene.signed("HEAD")).content == refusal
    assert scene.send(scene.signed("GET", RING), "POST", RING).content == refusal


def test_another_body_than_the_signed_one_is_refused(scene: Scene, refusal: bytes) -> None:
    """D1: a body that was changed, added or removed is refused, also if its own digest comes with it."""
    other = BODY.replace(b"1", b"2")
    headers = scene.signed("POST", RING, BODY)
    refitted = headers | {"Content-Digest": scene.signed("POST", RING, other)["Content-Digest"]}

    answers = [
        scene.send(headers, "POST", RING, other),
        scene.send(scene.signed("POST", RING, BODY), "POST", RING, b""),
        scene.send(scene.signed(), body=b"{}"),
        scene.send(refitted, "POST", RING, other),
    ]

    assert [(answer.status_code, answer.content) for answer in answers] == [(401, refusal)] * 4
    assert scene.send(scene.signed("POST", RING, BODY), "POST", RING, BODY).status_code == 200


def test_a_replay_is_refused_also_after_a_restart(scene: Scene, refusal: bytes) -> None:
    """D1: a request counts once, and the instance remembers that when all its processes were started anew."""
    first, second = scene.signed(), scene.signed("POST", RING, BODY)
    assert scene.send(first).status_code == 200
    assert scene.send(second, "POST", RING, BODY).status_code == 200
    assert scene.send(first).content == refusal
    assert scene.send(second, "POST", RING, BODY).content == refusal

    scene.instance.stop()
    scene.instance.start().wait_ready()

    assert scene.send(first).content == refusal
    assert scene.send(second, "POST", RING, BODY).content == refusal


def test_a_nonce_counts_once_for_each_peer(scene: Scene, refusal: bytes) -> None:
    """D1: the same nonce in another request of the same peer is a replay; another peer's nonces are its own."""
    assert scene.ask(nonce="the-same-nonce").status_code == 200
    assert scene.send(scene.signed("GET", "/ods/v1/status", nonce="the-same-nonce"), target="/ods/v1/status").content == refusal
    with TestPeer("second") as second:
        second.join(scene.instance)
        assert second.request(scene.instance, "GET", TARGET, nonce="the-same-nonce").status_code == 200


@pytest.mark.parametrize("hours", [-1, 1], ids=["expired", "from the future"])
def test_a_wrong_clock_is_told(scene: Scene, refusal: bytes, hours: int) -> None:
    """D1: a request of a peer whose clock is wrong is refused with CLOCK_SKEW and our Date; to others nothing is told."""
    created = dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)

    told = scene.ask(created=created)
    others = [_from_another(scene, created=created), scene.signed(key=scene.revoked.key, created=created)]

    assert (told.status_code, told.json()["code"]) == (401, "CLOCK_SKEW")
    assert abs(parsedate_to_datetime(told.headers["Date"]) - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    assert [scene.send(headers).content for headers in others] == [refusal] * 2


JUNK = [
    "",
    " ",
    "=",
    "(",
    ":::",
    '"',
    "ä",
    "{}",
    "ods",
    "ods=",
    "ods=1",
    "ods=()",
    "ods=?1",
    "ods=::",
    "ods=();created=x",
    "ods=(1 2 3)",
    'ods=("@method" "@method")',
    'ods=("@status")',
    'ods=("@method");created=99999999999999999999',
    'ods=("@method");created=-999999999999999',
    'ods=("@method");created=999999999999999',
    'ods=("@method");created=1.5;tag="ods-peer-v1"',
    'ods=("@method";req);tag="ods-peer-v1"',
    'ods=("@query-param";name="limit");tag="ods-peer-v1"',
    'ods=("content-digest";key="sha-256");tag="ods-peer-v1"',
    'ods=("content-digest";bs;sf);tag="ods-peer-v1"',
    "sha-256=:YWJj:",
    "md5=:YWJj:",
    "a=(" * 300,
    "ods=1;" * 300,
    "\t,\t,",
    "@" * 2000,
    "x" * 3000,
]


@pytest.mark.parametrize("name", SIGNED_HEADERS)
def test_junk_in_a_header_is_refused(scene: Scene, refusal: bytes, name: str) -> None:
    """D1: no text in any header that signatures use leads to anything but the same refusal."""
    for junk in JUNK:
        lines = [f"{header}: {value}" for header, value in (scene.signed() | CORRELATION | {name: junk}).items()]
        answer = raw_http.exchange(scene.instance.port, raw_http.head("GET", TARGET, *lines))
        assert (answer.status, answer.body) == (401, refusal), junk[:60]


def test_a_header_twice_is_refused(scene: Scene, refusal: bytes) -> None:
    """D1: a second line of a header that is signed makes it another value."""
    for name in SIGNED_HEADERS:
        headers = scene.signed() | CORRELATION
        lines = [f"{header}: {value}" for header, value in [*headers.items(), (name, headers[name])]]
        answer = raw_http.exchange(scene.instance.port, raw_http.head("GET", TARGET, *lines))
        assert (answer.status, answer.body) == (401, refusal), name


def test_giant_headers_are_refused(scene: Scene) -> None:
    """D1: what is beyond the limits of the HTTP server is refused by it, in whatever header it comes."""
    for name in (*SIGNED_HEADERS, "X-Other"):
        answer = raw_http.exchange(scene.instance.port, raw_http.head("GET", TARGET, f"{name}: {'x' * 20_000}"))
        assert answer.status in (400, 431), name
    many = [f"X-{number}: y" for number in range(200)]
    assert raw_http.exchange(scene.instance.port, raw_http.head("GET", TARGET, *many)).status in (400, 431)
    assert raw_http.exchange(scene.instance.port, raw_http.head("GET", TARGET + "x" * 20_000)).status in (400, 414, 431)


@pytest.mark.parametrize("lines", [["Transfer-Encoding: chunked"], ["Content-Length: 100000"], ["Content-Length: 50"]], ids=str)
def test_a_bad_body_is_refused(scene: Scene, lines: list[str]) -> None:
    """D1: malformed chunks, a body beyond the limit or a short one are refused before anything is made of them."""
    for target in (RING, "/ods/v1/registrations"):
        with raw_http.connection(scene.instance.port) as opened:
            signed = [f"{name}: {value}" for name, value in scene.signed("POST", target, BODY).items()]
            opened.sendall(raw_http.head("POST", target, *lines, *signed) + b"zz\r\n")
            opened.shutdown(1)
            assert raw_http.read_answer(opened).status in (400, 401, 413), target


PACKAGE = "/ods/v1/packages/00000000-0000-4000-8000-000000000000"
PEER_CALLS = [
    ("GET", "/ods/v1/changes"),
    ("GET", "/ods/v1/status"),
    ("POST", RING),
    ("POST", "/ods/v1/registrations"),
    *(("GET", f"{PACKAGE}/{what}") for what in ("manifest", "chunk-digests", "content", "have")),
]


@pytest.mark.parametrize(("method", "target"), PEER_CALLS, ids=str)
def test_every_call_is_guarded(scene: Scene, refusal: bytes, method: str, target: str) -> None:
    """D1: no call of the peer protocol answers an unsigned request, a stranger's or a revoked peer's."""
    for headers in ({}, _from_another(scene, method=method, target=target), scene.signed(method, target, key=scene.revoked.key)):
        response = scene.send(headers, method, target)
        assert (response.status_code, response.content) == (401, refusal)


def test_the_answers_are_signed_for_their_request(scene: Scene) -> None:
    """D1, the other way round: an answer proves who gave it, and to which request."""
    headers = scene.signed()
    response = scene.send(headers)

    recipient = scene.peer.id_of(scene.instance)
    key = scene.peer.trusted[str(recipient)]
    sent = http_signatures.Request("GET", TARGET, {name: str(value) for name, value in headers.items()})
    answer = http_signatures.Response(200, dict(response.headers), sent)
    http_signatures.verify_response(answer, response.content, recipient, key)
    for wrong_body, wrong_key in ((response.content + b" ", key), (response.content, InstanceKey.generate().public_bytes)):
        with pytest.raises(http_signatures.Unauthenticated):
            http_signatures.verify_response(answer, wrong_body, recipient, wrong_key)
    other = http_signatures.Request("GET", TARGET, {name: str(value) for name, value in scene.signed().items()})
    with pytest.raises(http_signatures.Unauthenticated):
        http_signatures.verify_response(http_signatures.Response(200, dict(response.headers), other), response.content, recipient, key)
