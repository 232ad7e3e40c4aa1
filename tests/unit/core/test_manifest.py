"""Claims about manifests: what the origin signed is what is read, and nothing else is."""

from __future__ import annotations

import base64
import datetime as dt
import json
import unicodedata
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.digest import CHUNK_SIZE, ChunkDigests
from shared.core.errors import ManifestInvalid
from shared.core.identity import InstanceId
from shared.core.manifest import MAX_PAYLOAD_BYTES, PAYLOAD_TYPE, Manifest, mint_id, new_mint
from shared.runtime.keys import InstanceKey, open_manifest
from shared.testing.builders import ORIGIN, a_manifest, chunk_digests, signed, some_bytes
from shared.testing.fakes.clock import NOON


def changed(**fields: Any) -> bytes:
    """A payload with other fields; `...` takes one away."""
    known = json.loads(a_manifest().payload()) | fields
    return json.dumps({name: value for name, value in known.items() if value is not ...}).encode()


def test_a_manifest_is_read_as_it_was_written() -> None:
    """Every field, names in any script included."""
    manifest = a_manifest(some_bytes(CHUNK_SIZE + 1), "Größe 日本.pkg")

    assert Manifest.parse(manifest.payload()) == manifest


@given(st.binary(max_size=60), st.text(alphabet="abcÄß ()-日", min_size=1, max_size=20).map(lambda text: f"x{text}x"))
def test_any_manifest_survives_the_journey(content: bytes, name: str) -> None:
    """Signed, sent, opened: the same."""
    package = signed(content, name)

    assert open_manifest(package.envelope) == package.manifest


def test_a_signed_manifest_is_dsse() -> None:
    """Any DSSE tool can read it: payload type, base64 payload, one signature with the origin's id."""
    package = signed()
    document = json.loads(package.envelope)

    assert document["payloadType"] == PAYLOAD_TYPE
    assert base64.b64decode(document["payload"]) == package.manifest.payload()
    assert [entry["keyid"] for entry in document["signatures"]] == [str(ORIGIN.instance_id)]


@pytest.mark.parametrize(
    "fields",
    [
        {"size": ...},
        {"size": -1},
        {"size": 1.5},
        {"size": True},
        {"size": 1 << 51},
        {"revision": 0},
        {"schema": "odst.manifest.v2"},
        {"chunk_size": 4096},
        {"package_id": "no-uuid"},
        {"name": "../evil"},
        {"name": 7},
        {"sha256": "abc"},
        {"sha1": None},
        {"chunks_sha1": "0" * 40},
        {"origin": "ABC"},
        {"origin": str(InstanceKey.generate().instance_id)},
        {"origin_key": "%%%"},
        {"created": "yesterday"},
        {"created": "2026-11-03T12:00:00+01:00"},
    ],
)
def test_a_field_that_is_wrong_is_refused(fields: dict[str, Any]) -> None:
    """With one kind of error, whatever it is."""
    with pytest.raises(ManifestInvalid):
        Manifest.parse(changed(**fields))


@pytest.mark.parametrize("junk", [b"", b"null", b"[]", b"{}", b"\xff\xfe", b'"text"', b"[" * 4000, b"1e999"])
def test_junk_is_refused(junk: bytes) -> None:
    """Never a stack."""
    with pytest.raises(ManifestInvalid):
        Manifest.parse(junk)
    with pytest.raises(ManifestInvalid):
        open_manifest(junk)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_refused(junk: bytes) -> None:
    """There is no third outcome."""
    with pytest.raises(ManifestInvalid):
        open_manifest(junk)


def test_a_giant_is_not_even_parsed() -> None:
    """Neither as a payload nor as an envelope."""
    with pytest.raises(ManifestInvalid, match="at most"):
        Manifest.parse(changed(colour="x" * MAX_PAYLOAD_BYTES))
    with pytest.raises(ManifestInvalid, match="limit"):
        open_manifest(b" " * (5 * MAX_PAYLOAD_BYTES))


def test_unknown_fields_are_ignored_and_survive() -> None:
    """A newer origin's manifest is understood, relayed as the same bytes, and still verified by a newer reader."""
    payload = changed(colour="green", origin=str(ORIGIN.instance_id))
    envelope = _envelope(payload, ORIGIN)

    assert open_manifest(envelope).name.text == "App.pkg"
    assert b"green" in base64.b64decode(json.loads(envelope)["payload"])


def _envelope(payload: bytes, key: InstanceKey, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """DSSE by hand: PAE as the specification has it."""
    pae = b" ".join([b"DSSEv1", str(len(payload_type)).encode(), payload_type.encode(), str(len(payload)).encode(), payload])
    signature = base64.b64encode(key.private.sign(pae)).decode()
    document = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"keyid": str(key.instance_id), "sig": signature}],
    }
    return json.dumps(document).encode()


def test_a_changed_payload_is_refused() -> None:
    """One byte is enough."""
    document = json.loads(signed().envelope)
    payload = base64.b64decode(document["payload"]).replace(b"App.pkg", b"Bpp.pkg")
    document["payload"] = base64.b64encode(payload).decode()

    with pytest.raises(ManifestInvalid, match="not signed"):
        open_manifest(json.dumps(document).encode())


def test_only_the_origin_may_sign() -> None:
    """A relay cannot sign in its place, under its own id or under the origin's."""
    relay, payload = InstanceKey.generate(), a_manifest().payload()
    own = _envelope(payload, relay)
    forged = own.replace(str(relay.instance_id).encode(), str(ORIGIN.instance_id).encode())

    for envelope in (own, forged):
        with pytest.raises(ManifestInvalid, match="not signed"):
            open_manifest(envelope)


def test_a_signature_about_something_else_is_no_manifest() -> None:
    """The payload type is signed with the payload."""
    with pytest.raises(ManifestInvalid, match="holds no"):
        open_manifest(_envelope(a_manifest().payload(), ORIGIN, "application/json"))


GOLDEN_V1 = (
    '{"chunk_size":1048576,"chunks_sha1":"' + "c" * 64 + '","chunks_sha256":"' + "d" * 64 + '","created":"2026-11-03T12:00:00Z",'
    '"name":"Größe.pkg","origin":"MMG42KLGYQZWNEISKRELXMS3J72BFJE4OMW3FSFLYG4FQG6XCDOQ",'
    '"origin_key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","package_id":"8d1c6b54-0f3a-4e2b-b7d9-6a5c4b3e2f10","revision":1,'
    '"schema":"odst.manifest.v1","sha1":"' + "b" * 40 + '","sha256":"' + "a" * 64 + '","size":5}'
)
"""A payload as the first version of the peer protocol wrote it."""


def test_a_manifest_of_the_first_version_is_read_and_written_unchanged() -> None:
    """Byte for byte: without tags and mint there is nothing in it that an old reader does not know."""
    manifest = Manifest.parse(GOLDEN_V1.encode())

    assert manifest.payload() == GOLDEN_V1.encode()
    assert (manifest.tags, manifest.mint, manifest.is_minted) == (frozenset(), None, False)


def minted(key: InstanceKey = ORIGIN, mint: str = "5a" * 16, **fields: Any) -> Manifest:
    """A manifest with an id minted from a key."""
    return a_manifest(**{"package_id": mint_id(key.public_bytes, mint), "mint": mint} | fields)


@given(st.binary(min_size=16, max_size=16).map(bytes.hex))
def test_a_minted_id_survives_the_journey(mint: str) -> None:
    """With the staging tags that the package was born with."""
    manifest = minted(mint=mint, tags=frozenset({"production", "test"}))

    assert open_manifest(ORIGIN.sign_manifest(manifest)) == manifest
    assert uuid.UUID(manifest.package_id).version == 8
    assert uuid.UUID(manifest.package_id).variant == uuid.RFC_4122


@given(st.binary(max_size=60), st.text(alphabet="abcÄß ()-日é\u0301", min_size=1, max_size=20).map(lambda text: f"x{text}x"), st.booleans())
def test_what_was_taken_once_is_read_again_as_it_was(content: bytes, name: str, odd: bool) -> None:  # noqa: FBT001 - drawn
    """Also where the origin wrote ids, digests and names in another form than we do."""
    fields = json.loads(a_manifest(content, name, tags=frozenset({"test"})).payload())
    if odd:
        id_ = InstanceId(fields["origin"]).grouped().lower()
        fields |= {"origin": id_, "package_id": fields["package_id"].upper(), "name": unicodedata.normalize("NFD", name), "later": 1}
        fields |= {"sha256": fields["sha256"].upper()}
    payload = json.dumps(fields).encode()

    assert Manifest.read_again(payload) == Manifest.parse(payload)


def test_every_mint_is_another() -> None:
    """And well-formed."""
    assert new_mint() != new_mint()
    assert Manifest.parse(minted(mint=new_mint()).payload()).is_minted


def test_no_other_key_can_claim_a_minted_id() -> None:
    """Not with the mint, not with one of its own, not without any: whoever names the id must hold the key that it was made from."""
    thief, stolen = InstanceKey.generate(), minted()
    claims = {"with its mint": stolen.mint, "with another": new_mint(), "with none": None}

    for mint in claims.values():
        claim = a_manifest(origin=thief, package_id=stolen.package_id, mint=mint)
        with pytest.raises(ManifestInvalid, match="not minted"):
            open_manifest(thief.sign_manifest(claim))


@pytest.mark.parametrize(
    "fields",
    [
        {"mint": "5A" * 16},
        {"mint": "5a" * 15},
        {"mint": 7},
        {"mint": "\ud800" * 32},
        {"mint": "5a" * 16},
        {"tags": ["Upper"]},
        {"tags": "test"},
        {"tags": ["*"]},
        {"tags": None},
        {"name": "\ud800.pkg"},
    ],
)
def test_a_new_field_that_is_wrong_is_refused(fields: dict[str, Any]) -> None:
    """A mint that does not fit the id included."""
    with pytest.raises(ManifestInvalid):
        Manifest.parse(changed(**fields))


@pytest.mark.parametrize("damage", ["fewer", "more", "sha1", "sha256", "order"])
def test_a_chunk_list_is_accepted_only_if_it_is_the_one_that_was_signed(damage: str) -> None:
    """Both columns count (promise B5: a list whose SHA-1 half fits and whose SHA-256 half does not)."""
    package = signed(some_bytes(2 * CHUNK_SIZE))
    good = package.chunks.packed
    lists = {
        "fewer": good[:52],
        "more": good + bytes(52),
        "sha1": bytes(20) + good[20:],
        "sha256": good[:20] + bytes(32) + good[52:],
        "order": good[52:] + good[:52],
    }

    package.manifest.check_chunk_list(package.chunks)
    with pytest.raises(ManifestInvalid):
        package.manifest.check_chunk_list(ChunkDigests(lists[damage]))


def test_an_empty_package_has_an_empty_list() -> None:
    """And it is checked like any other."""
    manifest = a_manifest(b"")

    manifest.check_chunk_list(chunk_digests(b""))
    with pytest.raises(ManifestInvalid):
        manifest.check_chunk_list(chunk_digests(b"x"))


def test_precedence_is_by_time_then_by_id() -> None:
    """Every instance comes to the same answer, also for two in the same second."""
    early, late = a_manifest(created=NOON), a_manifest(created=NOON + dt.timedelta(seconds=1))
    low, high = sorted((a_manifest(), a_manifest()), key=lambda manifest: manifest.package_id)

    assert late.precedence > early.precedence
    assert high.precedence > low.precedence
