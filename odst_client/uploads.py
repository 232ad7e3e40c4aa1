"""Uploads and downloads: bytes to an instance and from it, in constant memory."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import requests

from odst_client.failures import CallFailed, unreachable
from odst_client.operations import Group, operation, operation_of, read, segment
from odst_client.sending import BLOCK, FilePart, Progress, whole
from shared.contracts.admin.packages import Upload, UploadList

ENDED = frozenset({"published", "already_here", "rejected", "aborted"})
"""States of an upload that do not change any more."""
_POLL_SECONDS = 0.2
_TUS = {"Tus-Resumable": "1.0.0"}


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
            body = whole(opened, progress)
            path = asked.at(name=name or file.name)
            answer = self._transport.done(asked.method, path, repeats=asked.repeats, data=body, headers=headers)
        return read(self._transport.url, Upload, answer)

    # In parts (tus 1.0): begin, ask for the offset after whatever broke off, send the next part.

    @operation("POST", "/api/v1/uploads")
    def begin(self, name: str, size: int, tags: Sequence[str] = (), sha256: str | None = None) -> Upload:
        """Begin an upload that can be resumed; with `sha256` in hex, the instance may say that it has these bytes already."""
        said = {"filename": name, "tags": ",".join(tags), "sha256": sha256 or ""}
        metadata = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items() if value)
        headers = {**_TUS, "Upload-Length": str(size), "Upload-Metadata": metadata}
        asked = operation_of(self.begin)
        answer = self._transport.done(asked.method, asked.path, repeats=asked.repeats, headers=headers)
        return read(self._transport.url, Upload, answer)

    def offset(self, upload_id: str) -> int:
        """How many bytes of an upload the instance has; they are synced."""
        path = operation_of(self.send_part).at(upload_id=upload_id)
        return self._offset_in(self._transport.done("HEAD", path, repeats=True, headers=_TUS))

    @operation("PATCH", "/api/v1/uploads/{upload_id}", once=True)
    def send_part(self, upload_id: str, part: FilePart) -> int:
        """Send more bytes of an upload, from the offset at which it stands; how many the instance has then.

        Raises:
            CallFailed: OFFSET_DIFFERS and others; ask for the `offset`, and go on there.
        """
        asked = operation_of(self.send_part)
        headers = {**_TUS, "Upload-Offset": str(part.offset), "Content-Type": "application/offset+octet-stream"}
        path = asked.at(upload_id=upload_id)
        return self._offset_in(self._transport.done(asked.method, path, repeats=asked.repeats, data=part, headers=headers))

    @operation("DELETE", "/api/v1/uploads/{upload_id}", once=True)
    def give_up(self, upload_id: str) -> None:
        """Give up an upload that does not have all its bytes."""
        asked = operation_of(self.give_up)
        self._transport.done(asked.method, asked.at(upload_id=upload_id), repeats=asked.repeats, headers=_TUS)

    def _offset_in(self, answer: requests.Response) -> int:
        try:
            return int(answer.headers["Upload-Offset"])
        except (KeyError, ValueError) as error:
            raise CallFailed("ANSWER_MALFORMED", f"{self._transport.url} did not say where the upload stands") from error

    @operation("GET", "/api/v1/uploads")
    def page(self, after: str | None = None, limit: int | None = None, state: Sequence[str] = (), name: str | None = None) -> UploadList:
        """List uploads, newest first: one page of at most `limit`. The next one is `after` the `next` of this one.

        Args:
            after: the `next` of the page before; the rest must be the same.
            limit: of items.
            state: in one of these; in any, if there are none.
            name: of the package, exactly.
        """
        return self._read(self.page, UploadList, query={"after": after, "limit": limit, "state": state or None, "name": name})

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
