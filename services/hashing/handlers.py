"""What the hashing service does with the events of the spine."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from services.hashing.domain.digest_pass import Parallel, Progress, digest_file, digest_whole
from services.hashing.domain.slicewise import SLICE_SIZE, Slicewise
from services.hashing.ports import Blobs, Dispatcher, Files
from shared.contracts import events
from shared.contracts.events import FileDigests
from shared.core.digest import ChunkDigests
from shared.core.errors import DigestMismatch
from shared.runtime.logging import get_logger

log = get_logger(__name__)

Ticking = Callable[[Callable[[], None]], AbstractContextManager[None]]
"""Within the context it makes, the given function is called now and then."""


@dataclass
class Tally:
    """What this worker did since it started."""

    files: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def add(self, digests: FileDigests) -> None:
        """Count one more file."""
        self.files += 1
        self.bytes += digests.size
        self.seconds += digests.seconds


@dataclass
class HashingHandlers:
    """Hash an upload, verify an assembled package. Doing either twice gives the same."""

    files: Files
    dispatcher: Dispatcher
    parallel: Parallel
    ticking: Ticking
    tally: Tally = field(default_factory=Tally)

    def hash_upload(self, event: events.PackageReceivedV1) -> None:
        """Digest the whole and every chunk; keep the chunk list beside the bytes; say so."""
        with self.files.claimed(event.upload_id) as file:
            if file is None:
                return
            progress = Progress()
            with self.ticking(lambda: self._tell_progress(event.upload_id, progress)):
                digests, chunks = digest_file(file, self.parallel, progress)
            self.files.write_chunk_list(event.upload_id, chunks)
            self.tally.add(digests)
            self.dispatcher.dispatch(events.PackageHashedV1(upload_id=event.upload_id, digests=digests))
            log.info("package_hashed", upload_id=event.upload_id, size=digests.size, seconds=round(digests.seconds, 3))

    def _tell_progress(self, upload_id: str, progress: Progress) -> None:
        self.dispatcher.dispatch(events.PackageHashProgressedV1(upload_id=upload_id, bytes_done=progress.bytes_done))

    def verify_assembled(self, event: events.PackageAssembledV1) -> None:
        """Digest the whole once more, from disk, and compare with what the manifest says."""
        with self.files.claimed(event.transfer_id) as file:
            if file is None:
                return
            chunks = self.files.read_chunk_list(event.transfer_id) or ChunkDigests(b"")
            digests = digest_whole(file, chunks, self.parallel)
            self.tally.add(digests)
            self.dispatcher.dispatch(_verdict(event, digests))

    def figures(self) -> dict[str, float]:
        """Files, bytes and seconds of digest passes in this worker."""
        return {"files": self.tally.files, "bytes": self.tally.bytes, "seconds": self.tally.seconds}


def _verdict(event: events.PackageAssembledV1, digests: FileDigests) -> events.PackageVerifiedV1 | events.PackageRejectedV1:
    ids = {"package_id": event.package_id, "transfer_id": event.transfer_id}
    if (digests.size, digests.sha256, digests.sha1) == (event.size, event.sha256, event.sha1):
        return events.PackageVerifiedV1(**ids, digests=digests)
    reason = f"the assembled file has sha256:{digests.sha256} sha1:{digests.sha1} and {digests.size} bytes, not what the manifest says"
    return events.PackageRejectedV1(**ids, code="DIGEST_INVALID", reason=reason)


@dataclass
class FurtherHandlers:
    """Digest a blob once more. Doing it twice gives the same."""

    blobs: Blobs
    dispatcher: Dispatcher
    parallel: Parallel
    slice_size: int = SLICE_SIZE

    def digest_blob(self, event: events.PackageDigestsWantedV1) -> None:
        """Read the blob slice by slice, away from the hub; say its digests, if it still is what its name says.

        Raises:
            DigestMismatch: if the bytes on the disk have rotted; nothing is said of them then.
        """
        with self.blobs.claimed(event.sha256) as file:
            if file is None:
                return
            started = time.monotonic()
            digests = Slicewise(("md5", "sha256", "sha512"), self.slice_size).of(file, self.parallel)
        if digests["sha256"] != event.sha256:
            raise DigestMismatch(f"the blob {event.sha256} has other bytes now: check the disk, and have it fetched or uploaded anew")
        seconds = time.monotonic() - started
        self.dispatcher.dispatch(
            events.PackageDigestedV1(
                package_id=event.package_id, sha256=event.sha256, md5=digests["md5"], sha512=digests["sha512"], seconds=seconds
            )
        )
        log.info("blob_digested", package_id=event.package_id, size=event.size, seconds=round(seconds, 3))
