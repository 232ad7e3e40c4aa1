"""Checks of manifests, chunk lists, bytes and bitmaps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from cli.conformance.framework import Checks
from cli.conformance.scene import Answer, Scene
from cli.conformance.violation import NothingToCheck, require
from shared.core.digest import CHUNK_SIZE, ChunkDigests, chunk_count
from shared.core.manifest import Manifest
from shared.core.meta import NO_META
from shared.core.staging import entitled
from shared.runtime.keys import open_manifest

manifests = Checks("`GET /ods/v1/packages/{id}/manifest`")
chunks = Checks("`GET /ods/v1/packages/{id}/chunk-digests`")
content = Checks("`GET /ods/v1/packages/{id}/content`")
bitmaps = Checks("`GET /ods/v1/packages/{id}/have`")
tags = Checks("Staging tags", second=True)
CALLS = ("manifest", "chunk-digests", "content", "have")
"""What can be asked of a package."""
SAMPLE = 20
"""Packages that are looked at."""
_WHOLE_BYTES = 4 << 20


@dataclass(frozen=True)
class Package:
    """One package at the instance: its item of the feed, and its manifest."""

    item: dict[str, Any]
    manifest: Manifest

    @property
    def path(self) -> str:
        """Below which its calls are."""
        return f"/ods/v1/packages/{self.manifest.package_id}"


def _get(scene: Scene, target: str, **headers: str | None) -> Answer:
    return scene.ask("GET", target, headers=dict(headers))


def _ok(scene: Scene, target: str) -> Answer:
    answer = _get(scene, target)
    require(answer.status == 200, f"200 to {target}", answer)  # noqa: PLR2004 - as in the page
    return answer


def sampled(scene: Scene, *kinds: str) -> list[Package]:
    """Some packages, if there are any; of records, those of which the manifest can be had by itself.

    Raises:
        NothingToCheck: if there are none.
    """
    found = [package for item in scene.of_kind(*kinds)[-SAMPLE:] if (package := _opened(scene, item)) is not None]
    if not found:
        raise NothingToCheck(f"no {' or '.join(kinds)} in the feed: publish a package")
    return found


def _opened(scene: Scene, item: dict[str, Any]) -> Package | None:
    target = f"/ods/v1/packages/{item['id']}/manifest"
    if item["kind"] == "record" and _get(scene, target).status == 404:  # noqa: PLR2004 - as in the page
        return None
    return Package(item, open_manifest(_ok(scene, target).body))


def smallest(scene: Scene) -> Package:
    """The smallest package with bytes.

    Raises:
        NothingToCheck: if there is none.
    """
    with_bytes = [package for package in sampled(scene, "package") if package.manifest.size]
    if not with_bytes:
        raise NothingToCheck("no package with bytes in the feed: publish one")
    return min(with_bytes, key=lambda package: package.manifest.size)


@manifests.add()
def manifests_are_verbatim(scene: Scene) -> None:
    """A manifest has the digest that the feed says, and is signed by its origin."""
    for package in sampled(scene, "package", "record"):
        answer = _ok(scene, f"{package.path}/manifest")
        digest = hashlib.sha256(answer.body).hexdigest()
        require(digest == package.item["digest"], f"the digest of the feed, {package.item['digest']}", digest)
        require(package.manifest.package_id == package.item["id"], f"the manifest of {package.item['id']}", package.manifest.package_id)
        require(package.manifest.revision == package.item["rev"], f"revision {package.item['rev']}", package.manifest.revision)
        kind = answer.headers.get("Content-Type", "")
        require(kind.startswith("application/vnd.odst.manifest+json"), "the media type of manifests", kind)


@manifests.each({"that nobody has": str(uuid4()), "that is none": "no-id", "with a path in it": "..%2F..%2Fetc%2Fpasswd"})
def unknown_packages_are_not_found(scene: Scene, package_id: str) -> None:
    """A package is not found: 404, for each call."""
    for call in CALLS:
        answer = _get(scene, f"/ods/v1/packages/{package_id}/{call}")
        require(answer.status == 404, f"404 to {call}", answer)  # noqa: PLR2004 - as in the page


@chunks.add()
def chunk_lists_are_the_signed_ones(scene: Scene) -> None:
    """A chunk list is the one that the origin signed."""
    for package in sampled(scene, "package"):
        package.manifest.check_chunk_list(_chunk_list(scene, package))


def _chunk_list(scene: Scene, package: Package) -> ChunkDigests:
    return ChunkDigests(_ok(scene, f"{package.path}/chunk-digests").body)


@content.add()
def the_whole_is_what_was_signed(scene: Scene) -> None:
    """The whole of a small package has the digests of its manifest."""
    package = smallest(scene)
    if package.manifest.size > _WHOLE_BYTES:
        raise NothingToCheck(f"no package of at most {_WHOLE_BYTES >> 20} MiB")
    answer = _ok(scene, f"{package.path}/content")
    require(hashlib.sha256(answer.body).hexdigest() == package.manifest.sha256.hex, "bytes with the signed SHA-256", len(answer.body))
    _require_plain(answer, package.manifest.size)


@content.each({"first": lambda _: 0, "last": lambda size: (size - 1) // CHUNK_SIZE})
def chunks_are_what_was_signed(scene: Scene, place: Callable[[int], int]) -> None:
    """A chunk that is asked for by its range has both of its digests."""
    package = smallest(scene)
    size, index = package.manifest.size, place(package.manifest.size)
    start, stop = index * CHUNK_SIZE, min(size, (index + 1) * CHUNK_SIZE)
    answer = _range(scene, package, start, stop)
    sha1, sha256 = list(_chunk_list(scene, package))[index]
    digests = hashlib.sha1(answer.body, usedforsecurity=False).digest(), hashlib.sha256(answer.body).digest()
    require(digests == (sha1, sha256), f"chunk {index} of {package.manifest.name}", [digest.hex() for digest in digests])


@content.add()
def ranges_are_exact(scene: Scene) -> None:
    """A range of one byte is that byte."""
    package = smallest(scene)
    for at in {0, package.manifest.size // 2, package.manifest.size - 1}:
        _range(scene, package, at, at + 1)


def _range(scene: Scene, package: Package, start: int, stop: int) -> Answer:
    size = package.manifest.size
    answer = _get(scene, f"{package.path}/content", Range=f"bytes={start}-{stop - 1}")
    if answer.status == 200 and (start, stop) == (0, size):  # noqa: PLR2004 - a range over the whole
        return answer
    require(answer.status == 206, f"206 to bytes {start}-{stop - 1}", answer.status)  # noqa: PLR2004 - as in the page
    told = answer.headers.get("Content-Range")
    require(told == f"bytes {start}-{stop - 1}/{size}", f"Content-Range: bytes {start}-{stop - 1}/{size}", told)
    _require_plain(answer, stop - start)
    return answer


def _require_plain(answer: Answer, length: int) -> None:
    require(answer.headers.get("Content-Length") == str(length), f"Content-Length: {length}", answer.headers.get("Content-Length"))
    require(len(answer.body) == length, f"{length} bytes", len(answer.body))
    encodings = [answer.headers.get(name) for name in ("Transfer-Encoding", "Content-Encoding")]
    require(set(encodings) <= {None, "identity"}, "no encoding", encodings)


@content.add()
def ranges_outside_are_refused(scene: Scene) -> None:
    """A range that begins behind the end is refused with 416."""
    package = smallest(scene)
    answer = _get(scene, f"{package.path}/content", Range=f"bytes={package.manifest.size}-")
    require(answer.status == 416, "416", answer.status)  # noqa: PLR2004 - as in the page


@bitmaps.add()
def bitmaps_are_full(scene: Scene) -> None:
    """A bitmap has one bit for each chunk, all of them set, and zeros after them."""
    for package in sampled(scene, "package"):
        answer, count = _ok(scene, f"{package.path}/have"), chunk_count(package.manifest.size)
        require(answer.headers.get("Ods-Chunk-Count") == str(count), f"Ods-Chunk-Count: {count}", answer.headers.get("Ods-Chunk-Count"))
        full = ((1 << count) - 1 << -count % 8).to_bytes(-(-count // 8), "big")
        require(answer.body == full, f"{count} ones", answer.body[:8].hex())


@tags.add()
def only_what_we_may_see_is_shown(scene: Scene) -> None:
    """Packages that were born with tags are shown only to who bears one of them, unless their tags were changed."""
    born = [package for package in sampled(scene, "package", "record") if package.manifest.tags and package.item["meta"] == NO_META]
    wrong = [package.item["id"] for package in born if not entitled(package.manifest.tags, scene.status["view_tags"])]
    require(not wrong, f"only packages for {scene.status['view_tags']}", wrong)


@tags.add()
def gone_packages_are_refused(scene: Scene) -> None:
    """What is gone for the asker is refused with 403 NOT_ENTITLED by each of the four calls, and no manifest or holding of it is told."""
    gone = [item["id"] for item in scene.of_kind("gone")[-SAMPLE:]]
    if not gone:
        raise NothingToCheck("nothing is gone for us: give a package without tags one that the invitation does not name")
    for package_id in gone:
        for call in CALLS:
            answer = _get(scene, f"/ods/v1/packages/{package_id}/{call}")
            require((answer.status, answer.code) == (403, "NOT_ENTITLED"), f"403 NOT_ENTITLED to {call}", answer)
    told = scene.told("POST", "/ods/v1/records", {"packages": gone})["packages"]
    require(not any("manifest" in one for one in told), "records without a manifest", [one["id"] for one in told])
    held = scene.told("POST", "/ods/v1/holdings", {"packages": gone})["packages"]
    require(not held, "no holdings of what is gone", sorted(held))
