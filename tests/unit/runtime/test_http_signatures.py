"""Claims about signed HTTP (promise D1): the RFC's own vector, our requests, and what is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import http_message_signatures
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver, algorithms

from shared.core.errors import Unauthenticated
from shared.core.identity import InstanceId
from shared.runtime import http_signatures
from shared.runtime.http_signatures import ClockSkew, Request, Response
from shared.runtime.keys import InstanceKey

# RFC 9421, appendices B.1.4, B.2 and B.2.6.
RFC_KEY = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
"""
RFC_COMPONENTS = ("date", "@method", "@path", "@authority", "content-type", "content-length")
RFC_CREATED = 1618884473
RFC_INPUT = 'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"'
RFC_SIGNATURE = "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"

A, B = InstanceKey.generate(), InstanceKey.generate()


class RfcKeys(HTTPSignatureKeyResolver):
    """The key of the RFC."""

    def resolve_private_key(self, _key_id: str) -> Any:
        """Private half."""
        return load_pem_private_key(RFC_KEY, None)

    def resolve_public_key(self, key_id: str) -> Any:
        """Public half."""
        assert key_id == "test-key-ed25519"
        return self.resolve_private_key(key_id).public_key()


class RfcMessage:
    """The request of the RFC."""

    method, url = "POST", "http://example.com/foo?param=Value&Pet=dog"

    def __init__(self, **headers: str) -> None:
        self.headers = {
            "Host": "example.com",
            "Date": "Tue, 20 Apr 2021 02:07:55 GMT",
            "Content-Type": "application/json",
            "Content-Length": "18",
            **headers,
        }


def test_the_library_makes_the_signature_of_the_rfc() -> None:
    """Ed25519 is deterministic: the same request gives the very signature that is printed in RFC 9421, B.2.6."""
    message = RfcMessage()
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=RfcKeys())

    signer.sign(
        message,
        key_id="test-key-ed25519",
        created=dt.datetime.fromtimestamp(RFC_CREATED, dt.UTC),
        label="sig-b26",
        include_alg=False,
        covered_component_ids=RFC_COMPONENTS,
    )

    assert message.headers["Signature-Input"] == RFC_INPUT
    assert message.headers["Signature"] == RFC_SIGNATURE


def test_the_library_accepts_the_signature_of_the_rfc_and_no_other() -> None:
    """With the date changed it is refused."""
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=RfcKeys())
    signed = {"Signature-Input": RFC_INPUT, "Signature": RFC_SIGNATURE}

    verifier.verify(RfcMessage(**signed), max_age=dt.timedelta(days=36500))
    with pytest.raises(http_message_signatures.InvalidSignature):
        verifier.verify(RfcMessage(**signed, Date="Tue, 20 Apr 2021 02:07:56 GMT"), max_age=dt.timedelta(days=36500))


def known(key_id: str) -> bytes | None:
    """B knows A."""
    return A.public_bytes if key_id == str(A.instance_id) else None


def a_request(body: bytes = b"", target: str = "/ods/v1/changes?since=1", key: InstanceKey = A) -> Request:
    """Signed by A for B."""
    request = Request("POST", target, {})
    http_signatures.sign_request(request, key, B.instance_id, body)
    return request


def test_a_signed_request_is_accepted() -> None:
    """With its sender and its nonce, by whoever it is meant for."""
    request = a_request(b"{}")

    verified = http_signatures.verify_request(request, B.instance_id, known)
    http_signatures.check_body(request.headers, b"{}")

    assert verified.sender == A.instance_id
    assert verified.nonce != http_signatures.verify_request(a_request(), B.instance_id, known).nonce


def test_header_names_may_change_their_case() -> None:
    """Proxies do that."""
    request = a_request()
    request.headers = {name.upper(): value for name, value in request.headers.items()}

    assert http_signatures.verify_request(request, B.instance_id, known).sender == A.instance_id


def _without(name: str) -> Callable[[Request], None]:
    return lambda request: request.headers.pop(name)  # type: ignore[return-value]


def _with(name: str, change: Callable[[str], str]) -> Callable[[Request], None]:
    return lambda request: request.headers.update({name: change(request.headers[name])})


FAULTS: dict[str, Callable[[Request], None]] = {
    "unsigned": _without("Signature"),
    "no input": _without("Signature-Input"),
    "no digest": _without("Content-Digest"),
    "no recipient": _without("Ods-Recipient"),
    "another recipient": _with("Ods-Recipient", lambda _: str(A.instance_id)),
    "another method": lambda request: setattr(request, "method", "DELETE"),
    "another path": lambda request: setattr(request, "target", "/ods/v1/other?since=1"),
    "another query": lambda request: setattr(request, "target", "/ods/v1/changes?since=2"),
    "no query": lambda request: setattr(request, "target", "/ods/v1/changes"),
    "another digest": _with("Content-Digest", lambda text: text.replace("sha-256=:", "sha-256=:AA")),
    "another nonce": _with("Signature-Input", lambda text: text.replace('nonce="', 'nonce="x')),
    "another tag": _with("Signature-Input", lambda text: text.replace("ods-peer-v1", "another-tag")),
    "longer life": _with("Signature-Input", lambda text: text.replace("expires=1", "expires=9")),
    "fewer components": _with("Signature-Input", lambda text: text.replace('"@path" ', "")),
    "twice the label": _with("Signature-Input", lambda text: f"{text}, {text}"),
    "two signatures": _with("Signature", lambda text: f"{text}, other=:AAAA:"),
    "giant": _with("Signature-Input", lambda text: text + ";x=" + '"' + "y" * 3000 + '"'),
    "junk": _with("Signature", lambda _: "\x00\xff junk"),
    "junk input": _with("Signature-Input", lambda _: "ods=(((((((((("),
    "wrong type of time": _with("Signature-Input", lambda text: text.replace("created=", 'created="x";was=')),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_anything_wrong_is_refused(fault: str) -> None:
    """One kind of error, never a stack."""
    request = a_request()
    FAULTS[fault](request)

    with pytest.raises(Unauthenticated):
        http_signatures.verify_request(request, B.instance_id, known)


def test_a_stranger_is_refused() -> None:
    """And so is who claims to be another."""
    stranger = InstanceKey.generate()
    request = a_request(key=stranger)
    with pytest.raises(Unauthenticated):
        http_signatures.verify_request(request, B.instance_id, known)

    request.headers["Signature-Input"] = request.headers["Signature-Input"].replace(str(stranger.instance_id), str(A.instance_id))
    with pytest.raises(Unauthenticated):
        http_signatures.verify_request(request, B.instance_id, known)


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_wrong_clock_is_told_apart(minutes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature is good and its time is not: administrators look for a clock, not for a key."""
    wrong = SimpleNamespace(now=lambda zone: dt.datetime.now(zone) + dt.timedelta(minutes=minutes))
    with monkeypatch.context() as patch:
        patch.setattr(http_signatures, "dt", SimpleNamespace(datetime=wrong, timedelta=dt.timedelta, UTC=dt.UTC))
        request = a_request()

    with pytest.raises(ClockSkew):
        http_signatures.verify_request(request, B.instance_id, known)


@pytest.mark.parametrize("body", [b"", b"{} ", b"other"])
def test_another_body_is_refused(body: bytes) -> None:
    """By the digest that was signed."""
    with pytest.raises(Unauthenticated):
        http_signatures.check_body(a_request(b"{}").headers, body)


def an_answer(request: Request, body: bytes = b"[]", key: InstanceKey = B) -> Response:
    """Signed by B for this request."""
    response = Response(200, {}, request)
    http_signatures.sign_response(response, key, body)
    return response


def test_an_answer_is_accepted_for_its_request_only() -> None:
    """Not for another request, with another status, body or key."""
    request = a_request()
    response = an_answer(request)
    http_signatures.verify_response(response, b"[]", B.instance_id, B.public_bytes)

    wrong = [
        (Response(200, response.headers, a_request()), b"[]", B),
        (Response(404, response.headers, request), b"[]", B),
        (response, b"[1]", B),
        (response, b"[]", A),
        (an_answer(request, key=A), b"[]", B),
        (Response(200, {}, request), b"[]", B),
    ]
    for answer, body, sender in wrong:
        with pytest.raises(Unauthenticated):
            http_signatures.verify_response(answer, body, sender.instance_id, sender.public_bytes)


def test_a_request_for_one_instance_is_no_request_for_another() -> None:
    """It cannot be passed on."""
    other = InstanceId.of_key(bytes(32))

    with pytest.raises(Unauthenticated, match="another instance"):
        http_signatures.verify_request(a_request(), other, known)
