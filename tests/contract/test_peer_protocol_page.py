"""Claims about docs/peer-protocol.md: its examples are what the code makes, and its links lead somewhere."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import shared.contracts
from shared.core.audit_chain import Link, Position
from shared.core.charter import Census, Charter, Rotation
from shared.core.checkpoint import Checkpoint, Receipt
from shared.core.clock import Stamp
from shared.core.manifest import Manifest, mint_id
from shared.core.meta import NO_META, MetaField, MetaRecord, digest_of
from shared.runtime.keys import InstanceKey, open_charter, open_checkpoint, open_manifest, open_meta, open_receipt, open_rotation

DOCS = Path(shared.contracts.__file__).parents[2] / "docs"
PAGE = (DOCS / "peer-protocol.md").read_text(encoding="utf-8")
AUDIT_PAGE = (DOCS / "audit-log.md").read_text(encoding="utf-8")
FROZEN = Path(shared.contracts.__file__).parent / "peer" / "v1"
MINT = "00112233445566778899aabbccddeeff"
MADE = 946684800000


def example_key(first: int) -> InstanceKey:
    """A begins with 0x00, B with 0x20, C with 0x40."""
    return InstanceKey(Ed25519PrivateKey.from_private_bytes(bytes(range(first, first + 32))))


A, B, C = example_key(0), example_key(0x20), example_key(0x40)


def minutes_later(minutes: int) -> Stamp:
    """A stamp after 2000-01-01T00:00:00Z."""
    return Stamp(MADE + minutes * 60_000)


def the_manifest() -> Manifest:
    """The package of version 1, minted and tagged."""
    payload = json.loads((FROZEN / "manifest.json").read_text(encoding="utf-8"))["payload"]
    return replace(Manifest.parse(payload.encode()), package_id=mint_id(A.public_bytes, MINT), mint=MINT, tags=frozenset({"test"}))


def the_meta() -> list[tuple[MetaRecord, bytes]]:
    """A retags it, B deletes it."""
    package_id = the_manifest().package_id
    tags, value = MetaField.TAGS, ("production", "test")
    retag = MetaRecord(package_id, tags, value, minutes_later(1), A.instance_id, A.public_bytes, "anna")
    by_b = {"author": B.instance_id, "author_key": B.public_bytes, "person": "ben"}
    tombstone = replace(retag, field=MetaField.DELETED, value=True, stamp=minutes_later(2), **by_b)
    return [(retag, A.sign_meta(retag)), (tombstone, B.sign_meta(tombstone))]


def sha256(data: bytes) -> str:
    """In hex."""
    return hashlib.sha256(data).hexdigest()


def shows(*texts: str) -> None:
    """The page has them, to the letter."""
    assert [text for text in texts if text not in PAGE] == []


def test_the_keys() -> None:
    """All three."""
    shows(*(str(key.instance_id) for key in (A, B, C)))


def test_the_minted_package() -> None:
    """Its id, its payload, and the digest of its envelope."""
    manifest = the_manifest()
    envelope = A.sign_manifest(manifest)

    assert open_manifest(envelope) == manifest
    shows(manifest.package_id, manifest.payload().decode(), sha256(envelope))
    shows(sha256(b"odst-package-id-v1|" + A.public_bytes + MINT.encode())[:32])


def test_the_meta_records() -> None:
    """Payloads, envelopes, digests, and the digest of both."""
    for record, envelope in the_meta():
        assert open_meta(envelope) == record
        shows(record.payload().decode(), envelope.decode(), sha256(envelope))
    shows(digest_of(sha256(envelope) for _, envelope in the_meta()), NO_META)


def test_the_charter() -> None:
    """A lets B steward its packages."""
    charter = Charter(
        A.instance_id, A.public_bytes, "A", frozenset({"production"}), ((B.instance_id, None),), (), Census(), minutes_later(0)
    )
    envelope = A.sign_charter(charter)

    assert open_charter(envelope) == charter
    shows(charter.payload().decode(), envelope.decode(), sha256(envelope))


def test_the_rotation() -> None:
    """From A to C."""
    rotation = Rotation(A.instance_id, A.public_bytes, C.instance_id, C.public_bytes, minutes_later(3))
    envelope = A.sign_rotation(rotation, C)

    assert open_rotation(envelope) == rotation
    shows(rotation.payload().decode(), envelope.decode(), sha256(envelope))


def test_the_checkpoint_and_the_receipt() -> None:
    """Of A's audit log, which is the example of docs/audit-log.md; B was told."""
    first, second = (Link.of_line(line) for line in AUDIT_PAGE.splitlines() if line.startswith('{"entry":'))
    at, before, made = Position(2, second.hash), Position(1, first.hash), dt.datetime(2000, 1, 1, 0, 2, tzinfo=dt.UTC)
    checkpoint = Checkpoint(A.instance_id, A.public_bytes, at, before, made)
    receipt = Receipt(A.instance_id, at, B.instance_id, B.public_bytes, made + dt.timedelta(minutes=1))

    assert open_checkpoint(A.sign_checkpoint(checkpoint)) == checkpoint
    assert open_receipt(B.sign_receipt(receipt)) == receipt
    shows(checkpoint.payload().decode(), A.sign_checkpoint(checkpoint).decode())
    shows(receipt.payload().decode(), B.sign_receipt(receipt).decode())


def test_the_audit_log_that_is_printed_can_be_checked_by_the_program_that_is_printed(tmp_path: Path) -> None:
    """As it stands on docs/audit-log.md: it is content with the example, and with nothing else."""
    (program,) = re.findall(r"```python\n(.*?)```", AUDIT_PAGE, re.DOTALL)
    lines = [line for line in AUDIT_PAGE.splitlines() if line.startswith('{"entry":')]
    (tmp_path / "check.py").write_text(program, encoding="utf-8")

    def check(*given: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "audit.jsonl").write_text("".join(f"{line}\n" for line in given), encoding="utf-8")
        command = [sys.executable, "check.py", "audit.jsonl"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert check(*lines).stdout == "2 entries are chained\n"
    assert len(program.splitlines()) <= 20
    for harmed in ([lines[1]], [lines[0], lines[1].replace("anna", "otto").replace("-1.5", "1.5")], lines[::-1]):
        assert check(*harmed).returncode == 1


def test_the_buckets() -> None:
    """Of both packages; the formula is written out here, apart from the code."""
    first = json.loads((FROZEN / "manifest.json").read_text(encoding="utf-8"))
    minted = the_manifest()
    meta = sha256("\n".join(sorted(sha256(envelope) for _, envelope in the_meta())).encode())
    for package_id, digest, said in (
        (json.loads(first["payload"])["package_id"], sha256(first["envelope"].encode()), sha256(b"")),
        (minted.package_id, sha256(A.sign_manifest(minted)), meta),
    ):
        line = f"{package_id} {digest} {said}\n"
        shows(line + sha256(line.encode()), f"in bucket {int(package_id[:2], 16)} (hex `{package_id[:2]}`)")


@pytest.mark.parametrize("name", ["announcement", "changes"])
def test_the_signatures_of_the_first_version(name: str) -> None:
    """As they are frozen."""
    exchange = json.loads((FROZEN / f"{name}.json").read_text(encoding="utf-8"))

    shows(exchange["request"]["headers"]["Signature"], exchange["request"]["headers"]["Content-Digest"])


def anchors(page: str) -> set[str]:
    """What headings are called in links, as GitHub does it."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    """To a heading of this page, or to a file beside it."""
    links = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"\n", " ", PAGE))
    inside = {link[1:] for link in links if link.startswith("#")}
    files = {link.partition("#")[0] for link in links if not link.startswith(("#", "http"))}

    assert inside - anchors(PAGE) == set()
    assert {name for name in files if not (DOCS / name).exists()} == set()
