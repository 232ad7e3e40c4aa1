"""Claims about the header fields of resumable uploads: what is understood, and that nothing else is taken for it."""

from __future__ import annotations

import base64
import hashlib

import pytest
from werkzeug.datastructures import Headers

from services.api_gateway.http.tus_headers import MAX_METADATA, Checksum, Metadata, number
from shared.core.errors import DigestMismatch, InvalidInput


def b64(text: str | bytes) -> str:
    """Base64 as tus has it."""
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def metadata(text: str) -> Metadata:
    """Read from a header."""
    return Metadata.of(Headers({"Upload-Metadata": text}))


def test_a_name_tags_and_a_digest_are_read() -> None:
    """In any order; what has no meaning is kept verbatim."""
    text = f"tags {b64(' test,, production')},filetype {b64('application/x')},is_good,sha256 {b64('A' * 64)},filename {b64('förm 🍏.pkg')}"

    said = metadata(text)

    assert (said.name, said.tags, said.sha256, said.text) == ("förm 🍏.pkg", ["test", "production"], "a" * 64, text)


def test_the_name_may_be_called_name() -> None:
    """`filename` counts if both are there."""
    assert metadata(f"name {b64('a.pkg')}").name == "a.pkg"
    assert metadata(f"name {b64('a.pkg')}, filename {b64('b.pkg')}").name == "b.pkg"


@pytest.mark.parametrize(
    "text",
    [
        "filename !!!!",
        "filename YQ",
        "filename /w==",
        f"filename {b64('a')} {b64('b')}",
        f"filename {b64('a')},",
        f"filename {b64('a')},,x",
        f"filename {b64('a')},filename {b64('b')}",
        f"f\u00e4 {b64('a')}",
        f"filename {b64('a')}" + "".join(f",k{n}" for n in range(40)),
        f"filename {b64('a' * MAX_METADATA)}",
    ],
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    """No base64, no UTF-8, no key, a key twice, too many, too long."""
    with pytest.raises(InvalidInput) as caught:
        metadata(text)

    assert caught.value.code == "METADATA_INVALID"


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "NAME_INVALID"), ("filename", "NAME_INVALID"), (f"filename {b64('a')},sha256 {b64('12')}", "DIGEST_MALFORMED")],
)
def test_a_name_is_needed_and_a_digest_must_be_one(text: str, code: str) -> None:
    """Each with its code."""
    with pytest.raises(InvalidInput) as caught:
        metadata(text)

    assert caught.value.code == code


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1e3", " 1", "0x10", "1_0", "٣", "9" * 19, "nan"])
def test_a_number_is_digits_and_not_too_many(text: str) -> None:
    """Whatever Python's `int` would take."""
    with pytest.raises(InvalidInput) as caught:
        number(Headers({"Upload-Length": text}), "Upload-Length")

    assert caught.value.code == "HEADER_INVALID"
    assert number(Headers({"Upload-Length": "9" * 18}), "Upload-Length") == 10**18 - 1


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_checksum_is_compared(algorithm: str) -> None:
    """With the bytes as they came, in pieces."""
    for content, fits in ((b"bytes", True), (b"other", False)):
        checksum = Checksum.of(Headers({"Upload-Checksum": f"{algorithm} {b64(hashlib.new(algorithm, content).digest())}"}))
        assert checksum is not None
        checksum.update(b"by")
        checksum.update(b"tes")
        if fits:
            checksum.check()
        else:
            with pytest.raises(DigestMismatch):
                checksum.check()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("md5 rL0Y20zC+Fzt72VPzMSk2A==", "CHECKSUM_UNSUPPORTED"),
        ("sha512 x", "CHECKSUM_UNSUPPORTED"),
        ("shake_128 YQ==", "CHECKSUM_UNSUPPORTED"),
        ("", "CHECKSUM_UNSUPPORTED"),
        ("sha1", "CHECKSUM_MALFORMED"),
        ("sha1 !", "CHECKSUM_MALFORMED"),
        ("sha1 YQ==", "CHECKSUM_MALFORMED"),
        ("sha256 \u00e4", "CHECKSUM_MALFORMED"),
    ],
)
def test_a_checksum_that_cannot_be_compared_is_not_passed_over(text: str, code: str) -> None:
    """Each with its code."""
    with pytest.raises(InvalidInput) as caught:
        Checksum.of(Headers({"Upload-Checksum": text}))

    assert caught.value.code == code


def test_no_checksum_is_none() -> None:
    """Nothing is compared."""
    assert Checksum.of(Headers()) is None
