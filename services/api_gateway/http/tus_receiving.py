"""Taking a part of a resumable upload: from the wire to its place in the incoming area, one writer at a time.

::

    lock ─▶ claim ─▶ bytes … ─▶ sync ─▶ advance ─▶ … ─▶ sync ─▶ close ─▶ advance ─▶ unlock
    │       │                          └ while more come          └ if it was the last: received, and nobody writes any more
    │       └ storage: who, where, and a fence for all that is said afterwards
    └ the kernel: nobody else writes to the file, in any process

The lock keeps two from writing to one file; the fence keeps a message that comes late from counting. Whatever breaks off, what
came until then is synced and counts; but for bytes with a checksum, which count together or not at all.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import g, request

from services.api_gateway.http.bodies import BODY_ERRORS
from services.api_gateway.http.tus_headers import Checksum
from services.api_gateway.ports import Services
from shared.core.errors import Forbidden, Gone, InvalidInput, NotFound, OdstError, TooLarge, TransientError
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.bytestore.syncing import SyncedWriter
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_BLOCK = 1 << 18
_PATIENCE_SECONDS = 1.0
"""How long a writer that is just ending is waited for."""


@dataclass
class Keeper:
    """Asks storage about one person's uploads; an administrator's are all."""

    services: Services
    administers: Callable[[], bool]

    def ask(self, method: str, upload_id: str, **arguments: Any) -> dict[str, Any]:
        """Ask as who calls.

        Raises:
            NotFound, Forbidden, Gone, Conflict: as storage has it.
        """
        known = {"upload_id": upload_id, "person": g.person, **arguments}
        try:
            answer: dict[str, Any] = self.services.call("storage", method, **known, of_others=False)
        except Forbidden as error:
            if error.code != "NOT_YOUR_UPLOAD" or not self.administers():
                raise
            answer = self.services.call("storage", method, **known, of_others=True)
        return answer


@dataclass
class Part:
    """The body of the present request, as a part of an upload: how much may come, and what it shall be."""

    room: int
    checksum: Checksum | None
    broken: InvalidInput | None = None
    """Why it ended early, if it did."""

    def copy(self, writer: SyncedWriter) -> None:
        """Write all that comes.

        Raises:
            TooLarge: if it is more than there is room for.
        """
        while block := self._read():
            if writer.written + len(block) > self.room:
                raise too_large(self.room)
            if self.checksum:
                self.checksum.update(block)
            writer.write(block)
        if self.broken is None and request.content_length not in (None, writer.written):
            self.broken = _incomplete("the connection was closed")

    def _read(self) -> bytes:
        try:
            return request.stream.read(_BLOCK)
        except BODY_ERRORS as error:
            self.broken = _incomplete(type(error).__name__)
            return b""


@dataclass
class PartReceiver:
    """Takes parts."""

    services: Services
    store: FilesystemByteStore
    keeper: Keeper
    silence_seconds: float

    def receive(self, upload_id: str, offset: int, checksum: Checksum | None) -> dict[str, Any]:
        """The body of the present request, from `offset` on, is on the disk; the upload afterwards.

        Raises:
            Locked: if another request writes to this upload.
            Conflict: OFFSET_MISMATCH.
            TooLarge, DigestMismatch, InvalidInput: if the body is not as said; UPLOAD_INCOMPLETE, if it broke off.
            NotFound, Forbidden, Gone: if there is nothing to be continued, or not by this person.
        """
        self._expect_bytes()
        try:
            with self.store.locked(upload_id, _PATIENCE_SECONDS):
                return self._receive(self.keeper.ask("claim_upload", upload_id, offset=offset), offset, checksum)
        except NotFound:
            return self._receive(self._without_lock(upload_id, offset), offset, checksum)

    def _without_lock(self, upload_id: str, offset: int) -> dict[str, Any]:
        """An upload of which no byte may be written any more: storage says why."""
        upload = self.keeper.ask("read_offset", upload_id)
        if upload["state"] == "receiving":
            raise Gone("the bytes of this upload are no longer here: begin another one", "BYTES_LOST")
        return self.keeper.ask("claim_upload", upload_id, offset=offset)

    def _receive(self, upload: dict[str, Any], offset: int, checksum: Checksum | None) -> dict[str, Any]:
        part = Part(upload["size"] - offset, checksum)
        if (request.content_length or 0) > part.room:
            raise too_large(part.room)
        if upload["state"] != "receiving":
            return upload
        written = self._write(upload, offset, part)
        if part.broken and checksum:
            raise part.broken
        if checksum:
            checksum.check()
        if written or offset == upload["size"]:
            upload = self._advance(upload, offset + written)
        if part.broken:
            raise part.broken
        return upload

    def _write(self, upload: dict[str, Any], offset: int, part: Part) -> int:
        """Bytes that are on the disk. The file is closed before anybody is told of the last one."""

        def tell(count: int) -> None:
            if count < part.room:
                self._advance_meanwhile(upload, offset + count)

        with self.store.open_incoming(upload["upload_id"]) as file:
            file.seek(offset)
            with SyncedWriter(file, self.store, None if part.checksum else tell) as writer:
                part.copy(writer)
                writer.finish()
                return writer.written

    def _advance(self, upload: dict[str, Any], offset: int) -> dict[str, Any]:
        advanced: dict[str, Any] = self.services.call(
            "storage", "advance_upload", upload_id=upload["upload_id"], fence=upload["fence"], offset=offset
        )
        return advanced

    def _advance_meanwhile(self, upload: dict[str, Any], offset: int) -> None:
        try:
            self._advance(upload, offset)
        except TransientError as error:
            log.warning("upload_not_advanced", upload_id=upload["upload_id"], code=error.code)

    def make_place(self, upload: dict[str, Any]) -> None:
        """Where the bytes of a new upload will be.

        Raises:
            InsufficientSpace: if they do not fit.
        """
        self.store.reserve(upload["upload_id"], upload["size"])
        self.store.make_lockable(upload["upload_id"])

    def give_up(self, upload: dict[str, Any], error: BaseException) -> None:
        """Forget an upload of which its sender will never know."""
        reason = str(error) if isinstance(error, OdstError) else f"it broke off: {type(error).__name__}"
        try:
            self.services.call("storage", "abort_upload", upload_id=upload["upload_id"], reason=reason)
        except OdstError as failure:
            log.warning("upload_not_aborted", upload_id=upload["upload_id"], error=str(failure))

    def _expect_bytes(self) -> None:
        """Whoever is silent is cut off soon: its sender may be gone, and is to be able to go on by another connection."""
        connection: socket.socket | None = request.environ.get("gunicorn.socket")
        if connection is not None:
            whole = int(self.silence_seconds)
            micros = int((self.silence_seconds - whole) * 1_000_000)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", whole, micros))


def too_large(room: int) -> TooLarge:
    """More came, or was announced, than is missing."""
    return TooLarge(f"only {room} bytes are missing: nothing may follow the declared length", "UPLOAD_TOO_LONG")


def _incomplete(why: str) -> InvalidInput:
    return InvalidInput(f"the body ended early: {why}; ask for the offset and go on there", "UPLOAD_INCOMPLETE")
