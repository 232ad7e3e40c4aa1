"""Uploads and downloads: bytes to an instance and from it, in constant memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import requests

from odst_client.failures import CallFailed, unreachable
from odst_client.operations import Group, operation, operation_of, read, segment
from odst_client.sending import BLOCK, Progress, WatchedFile
from shared.contracts.admin.packages import Upload

ENDED = frozenset({"published", "already_here", "rejected", "aborted"})
"""States of an upload that do not change any more."""
_POLL_SECONDS = 0.2


def _unwatched(_done: int) -> None:
    """Nobody wants to know."""


class Uploads(Group):
    """`client.uploads`."""

    @operation("PUT", "/api/v1/packages/{name}", once=True)
    def send(
        self,
        file: Path,
        name: str | None = None,
        *,
        content_digest: str | None = None,
        tags: Sequence[str] = (),
        progress: Progress = _unwatched,
    ) -> Upload:
        """Upload a package, under the file's own name unless another is given.

        Args:
            file: its bytes.
            name: of the package.
            content_digest: what the bytes must turn out to be (RFC 9530); `odst_client.content_digest` makes it.
            tags: staging tags: only instances that bear one of them get it. Without any, all do.
            progress: hears the bytes sent, in all.

        Returns:
            The upload as it was accepted: it is hashed and published after that. See `wait`.

        Raises:
            CallFailed: DIGEST_INVALID, NAME_INVALID, INSUFFICIENT_SPACE, …; nothing is left at the instance then.
        """
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
        if content_digest:
            headers["Content-Digest"] = content_digest
        if tags:
            headers["Ods-Tags"] = ", ".join(tags)
        asked = operation_of(self.send)
        with file.open("rb") as opened:
            body = WatchedFile(opened, progress)
            path = asked.at(name=name or file.name)
            answer = self._transport.done(asked.method, path, repeats=asked.repeats, data=body, headers=headers)
        return read(self._transport.url, Upload, answer)

    @operation("GET", "/api/v1/uploads/{upload_id}")
    def show(self, upload_id: str) -> Upload:
        """Show an upload, and what became of it."""
        return self._read(self.show, Upload, upload_id=upload_id)

    def wait(
        self,
        upload_id: str,
        progress: Progress = _unwatched,
        timeout_seconds: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Upload:
        """Until an upload has ended, well or badly: its `state` tells. `progress` hears the bytes hashed.

        Raises:
            CallFailed: TIMEOUT, if it does not end within `timeout_seconds`.
        """
        deadline = time.monotonic() + (timeout_seconds or float("inf"))
        while True:
            upload = self.show(upload_id)
            progress(upload.bytes_hashed)
            if upload.state in ENDED:
                return upload
            if time.monotonic() > deadline:
                raise CallFailed(
                    "TIMEOUT",
                    f"the upload is still {upload.state} after {timeout_seconds:.0f} s; the status of the instance says what waits",
                )
            sleep(_POLL_SECONDS)

    def download(self, name: str) -> Iterator[bytes]:
        """The bytes of a published package, in blocks; no token is needed.

        Raises:
            CallFailed: NOT_FOUND, if nothing is published under the name; UNREACHABLE also when the bytes end too early.
        """
        with self._transport.done("GET", f"/packages/{segment(name)}", repeats=True, stream=True) as answer:
            try:
                yield from answer.iter_content(BLOCK)
            except requests.RequestException as error:
                raise unreachable(self._transport.url, error) from error
