"""Promises B2 to B6: sources that stop, lie or misbehave."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import random
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from shared.core.digest import CHUNK_SIZE, ChunkDigests
from shared.runtime.broker import PrivateBroker
from shared.testing.instance import Instance
from shared.testing.peer import PeerPackage, TestPeer, chunk_digests_of
from shared.testing.peer_server import Reply
from shared.testing.waiting import wait_for

_MIB = 1 << 20
_SLICE = 16 * _MIB


@pytest.fixture(scope="module")
def receiver(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance that fetches from whoever joined it."""
    settings = {"ODST_PEER_READ_SECONDS": "3", "ODST_BAN_SECONDS": "600"}
    instance = Instance("R", tmp_path_factory.mktemp("receiver") / "R", broker.uri(next(vhost_names)), settings=settings)
    try:
        yield instance.start().wait_ready()
    finally:
        instance.close()


def _is_public(instance: Instance, name: str) -> bool:
    return (instance.data / "public" / name).exists()


def _logged(instance: Instance, event: str, peer: TestPeer) -> list[dict[str, object]]:
    return [line for line in instance.log_events("services", event) if line.get("peer_id") == str(peer.instance_id)]


def _was_asked_for_bytes(peer: TestPeer) -> bool:
    return any(asked.path.endswith("/content") for asked in peer.asked)


class _Corrupter(TestPeer):
    """Flips a bit in some chunks, always the same ones."""

    corrupted: frozenset[int] = frozenset()
    is_open: bool = True

    def content(self, package: PeerPackage, start: int, stop: int) -> Reply:
        if not self.is_open:
            return 503, {"Content-Length": "0"}, []
        data = bytearray(package.data[start:stop])
        for index in self.corrupted:
            at = index * CHUNK_SIZE + 5 - start
            if 0 <= at < len(data):
                data[at] ^= 1
        status, headers, _ = super().content(package, start, stop)
        return status, headers, [bytes(data)]


@pytest.mark.promise("B3")
def test_b3_a_corrupting_source_is_banned(receiver: Instance, chance: random.Random) -> None:
    """B3: a source corrupts 1 % of the chunks: all are refused, it is banned after three, a security event is told, and the package
    completes from another source."""
    data = chance.randbytes(100 * _MIB)
    receiver.api("POST", "/subscriptions", json={"url": "http://127.0.0.1:9/", "events": ["peer.banned"]}, expect=201)
    with _Corrupter("corrupter") as corrupter, TestPeer("honest") as honest:
        corrupter.corrupted = frozenset({chance.randrange(100)})
        package = honest.publish("b3.pkg", data)
        corrupter.adopt(package)
        corrupter.join(receiver)
        wait_for(lambda: _logged(receiver, "peer_banned", corrupter), "the corrupter is banned")
        assert not _is_public(receiver, "b3.pkg")
        assert len(_logged(receiver, "chunk_rejected", corrupter)) == 3
        honest.join(receiver)
        receiver.published("b3.pkg", package.manifest.sha256.hex, deadline_seconds=120)

        assert receiver.download_sha256("b3.pkg") == hashlib.sha256(data).hexdigest()
        assert len(_logged(receiver, "chunk_rejected", corrupter)) == 3
        told = wait_for(lambda: receiver.api("GET", "/deliveries").json()["items"], "the security event is told")
        assert {delivery["event_type"] for delivery in told} == {"peer.banned.v1"}
        peers = {peer["peer_id"]: peer for peer in receiver.api("GET", "/peers").json()["items"]}
        assert peers[str(corrupter.instance_id)]["banned_until"]
        assert not peers[str(honest.instance_id)]["banned_until"]


@pytest.mark.promise("B4")
def test_b4_the_same_wrong_chunk_from_everybody_stops_the_transfer(receiver: Instance, chance: random.Random) -> None:
    """B4: every source gives the same wrong chunk: the transfer is suspect, an alarm, nobody is banned, nothing is public."""
    data = chance.randbytes(3 * _MIB)
    with _Corrupter("one") as one, _Corrupter("other") as other:
        package = one.publish("b4.pkg", data)
        other.adopt(package)
        for liar in (one, other):
            liar.corrupted, liar.is_open = frozenset({2}), False
            liar.join(receiver)
        wait_for(lambda: _was_asked_for_bytes(one) and _was_asked_for_bytes(other), "both are sources")
        one.is_open = other.is_open = True
        wait_for(
            lambda: (transfer := receiver.transfer_of(package.package_id)) and transfer["state"] in ("suspect", "failed"),
            "the transfer stopped",
        )

        wait_for(
            lambda: receiver.api("GET", f"/packages/{package.package_id}").json()["state"] == "quarantined", "the package is put aside"
        )
        assert not _is_public(receiver, "b4.pkg")
        assert not _logged(receiver, "peer_banned", one) + _logged(receiver, "peer_banned", other)


@pytest.mark.promise("B5")
def test_b5_chunks_that_fit_in_sha1_only_are_refused(receiver: Instance, chance: random.Random) -> None:
    """B5: a manifest whose SHA-1 list fits the bytes and whose SHA-256 list does not: no chunk is accepted."""
    data = chance.randbytes(2 * _MIB)
    twin = chunk_digests_of(chance.randbytes(len(data)))
    mixed = ChunkDigests(b"".join(right[0] + wrong[1] for right, wrong in zip(chunk_digests_of(data), twin, strict=True)))
    with TestPeer("twin") as peer:
        package = peer.publish("b5.pkg", data, chunks=mixed)
        peer.join(receiver)
        wait_for(lambda: _logged(receiver, "chunk_rejected", peer), "the chunk is refused")

        wait_for(lambda: _logged(receiver, "peer_banned", peer), "who gave it is banned")
        assert receiver.api("GET", f"/packages/{package.package_id}").json()["state"] == "wanted"
        assert not _is_public(receiver, "b5.pkg")


@pytest.mark.promise("B5")
def test_b5_a_whole_that_fits_in_sha1_only_is_quarantined(receiver: Instance, chance: random.Random) -> None:
    """B5: all chunks fit, and so does the SHA-1 of the whole, but not its SHA-256: put aside, kept, never public."""
    data = chance.randbytes(2 * _MIB + 9)
    with TestPeer("collision") as peer:
        honest = peer.publish("b5-whole.pkg", data)
        peer.packages.clear()
        wrong = replace(honest.manifest, sha256=replace(honest.manifest.sha256, hex="0" * 64))
        peer.adopt(replace(honest, manifest=wrong, envelope=peer.key.sign_manifest(wrong)))
        peer.join(receiver)
        wait_for(
            lambda: receiver.api("GET", f"/packages/{wrong.package_id}", expect=None).json().get("state") == "quarantined",
            "the package is put aside",
        )

        assert not _is_public(receiver, "b5-whole.pkg")
        kept = [path for path in (receiver.data / "quarantine").iterdir() if path.suffix != ".json" and path.stat().st_size == len(data)]
        assert kept, "nothing is deleted on a mismatch"


class _Misbehaving(TestPeer):
    """Answers requests for content in one wrong way, and counts what it could get rid of."""

    way = ""
    sent = 0

    def content(self, package: PeerPackage, start: int, stop: int) -> Reply:
        status, headers, _ = super().content(package, start, stop)
        data = package.data[start:stop]
        size = len(package.data)
        answers: dict[str, Reply] = {
            "wrong Content-Range": (206, {**headers, "Content-Range": f"bytes {start + 1}-{stop}/{size}"}, [data]),
            "200 for 206": (200, {**headers, "Content-Length": str(size)}, [package.data]),
            "endless body": (206, {**headers, "Content-Length": str(1 << 40)}, itertools.repeat(b"\0" * 65536)),
            "endless body without length": (
                206,
                {k: v for k, v in headers.items() if k != "Content-Length"},
                itertools.repeat(b"\0" * 65536),
            ),
            "short body": (status, headers, [data[: len(data) // 2]]),
            "compressed body": (
                status,
                {**headers, "Content-Encoding": "gzip", "Content-Length": str(len(zipped := gzip.compress(data, 1)))},
                [zipped],
            ),
            "another length": (status, {**headers, "Content-Length": str(stop - start - 1)}, [data[:-1]]),
            "server error": (500, {"Content-Length": "0"}, []),
            "redirect": (302, {"Location": "http://127.0.0.1:9/", "Content-Length": "0"}, []),
        }
        status, headers, blocks = answers[self.way]
        return status, headers, self._counted(blocks)

    def _counted(self, blocks: object) -> Iterator[bytes]:
        for block in blocks:  # type: ignore[attr-defined]
            self.sent += len(block)
            yield block


_WAYS = (
    "wrong Content-Range",
    "200 for 206",
    "endless body",
    "endless body without length",
    "short body",
    "compressed body",
    "another length",
    "server error",
    "redirect",
)


@pytest.mark.promise("B6")
@pytest.mark.parametrize("way", _WAYS)
def test_b6_a_misbehaving_source_costs_a_slice_at_most(receiver: Instance, way: str) -> None:
    """B6: whatever a source answers instead of the slice that was asked for: little is read, nothing wrong is kept, and another source
    completes the package."""
    name = f"b6-{way.replace(' ', '-')}.pkg"
    data = random.Random(way).randbytes(17 * _MIB)
    with _Misbehaving(way) as bad, TestPeer("honest") as honest:
        bad.way = way
        package = honest.publish(name, data)
        bad.adopt(package)
        bad.join(receiver)
        wait_for(lambda: _logged(receiver, "slice_failed", bad), "the answer is refused")
        refusals = len([asked for asked in bad.asked if asked.path.endswith("/content")])
        sent = bad.sent
        honest.join(receiver)
        receiver.published(name, package.manifest.sha256.hex, deadline_seconds=120)

        assert receiver.download_sha256(name) == package.manifest.sha256.hex
        socket_buffers = 8 * _MIB
        assert sent <= refusals * (_SLICE + 1 + socket_buffers)
        receiver.api("DELETE", f"/peers/{bad.instance_id}", expect=204)
        receiver.api("DELETE", f"/peers/{honest.instance_id}", expect=204)


class _Silent(TestPeer):
    """Begins to answer and stops, like a process under SIGSTOP."""

    asked_for_content = 0

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.closing = threading.Event()

    def close(self) -> None:
        self.closing.set()
        super().close()

    def content(self, package: PeerPackage, start: int, stop: int) -> Reply:
        status, headers, blocks = super().content(package, start, stop)
        self.asked_for_content += 1
        return status, headers, self._stalled(list(blocks))

    def _stalled(self, blocks: list[bytes]) -> Iterator[bytes]:
        yield blocks[0]
        self.closing.wait()


@pytest.mark.promise("B2")
def test_b2_a_source_that_stops_is_left_for_another(receiver: Instance, chance: random.Random) -> None:
    """B2: the source falls silent in the middle of a slice: another takes over, within the 20 s for which silence is borne by default (3 s
    here)."""
    data = chance.randbytes(20 * _MIB)
    with _Silent("silent") as silent, TestPeer("honest") as honest:
        package = honest.publish("b2.pkg", data)
        silent.adopt(package)
        silent.join(receiver)
        wait_for(lambda: silent.asked_for_content, "the silent one is asked")
        honest.join(receiver)
        receiver.published("b2.pkg", package.manifest.sha256.hex, deadline_seconds=60)

        assert receiver.download_sha256("b2.pkg") == package.manifest.sha256.hex
