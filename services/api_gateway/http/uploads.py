"""Uploads: bytes from the wire to the incoming area in constant memory; never over the bus.

Whatever ends an upload early (a refusal, a wrong digest, a full disk, a lost connection) leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import BODY_ERRORS, split
from services.api_gateway.http.declared import FIELDS, DeclaredDigests
from services.api_gateway.http.describing import BYTES, FORM, described
from services.api_gateway.http.forms import TAGS_FIELD, FormFile, Reads
from services.api_gateway.ports import Services
from shared.contracts.admin.packages import Upload
from shared.core.errors import InsufficientSpace, InvalidInput, OdstError
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.bytestore.syncing import SyncedWriter
from shared.runtime.logging import get_logger

log = get_logger(__name__)
TAGS_HEADER = "Ods-Tags"
"""Staging tags of a package that is PUT, with commas."""
_BLOCK = 1 << 20
_DIGEST_TEXT = "RFC 9530, sha-256 or sha-512: checked against the bytes"
_PUT_HEADERS = {TAGS_HEADER: "staging tags with commas", "Content-Digest": _DIGEST_TEXT, "Repr-Digest": _DIGEST_TEXT}


class Wire:
    """The body of the present request."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end.

        Raises:
            InvalidInput: UPLOAD_INCOMPLETE, if the connection broke or the chunks of its encoding are malformed.
        """
        try:
            return request.stream.read(size)
        except BODY_ERRORS as error:
            raise _incomplete(type(error).__name__) from error


@dataclass
class Receiver:
    """Takes one upload from its first byte to the hand-over to storage."""

    services: Services
    store: FilesystemByteStore

    def receive(self, name: str, size: int | None, body: Reads, digests: DeclaredDigests, tags: list[str]) -> dict[str, Any]:
        """Bytes to disk, checked and synced, then known to storage as received; the package will have these staging tags.

        Raises:
            InvalidInput, DigestMismatch, InsufficientSpace, …: after which nothing is left behind.
        """
        with self._begun(name, size, tags) as upload_id:
            self.store.reserve(upload_id, size)
            with self.store.open_incoming(upload_id) as file, SyncedWriter(file, self.store) as writer:
                self._copy(body, writer, digests, keep_floor=size is None)
                if size not in (None, writer.written):
                    raise _incomplete(f"{writer.written} of {size} bytes came")
                sha256 = digests.check()
                writer.finish()
            upload: dict[str, Any] = self.services.call("storage", "finish_upload", upload_id=upload_id, size=writer.written, sha256=sha256)
            return upload

    @contextmanager
    def _begun(self, name: str, size: int | None, tags: list[str]) -> Iterator[str]:
        begun = self.services.call("storage", "begin_upload", name=name, size=size, uploaded_by=g.person, tags=tags, within=g.within)
        upload_id: str = begun["upload_id"]
        try:
            yield upload_id
        except BaseException as error:
            self._give_up(upload_id, error)
            raise

    def _give_up(self, upload_id: str, error: BaseException) -> None:
        reason = str(error) if isinstance(error, OdstError) else f"it broke off: {type(error).__name__}"
        try:
            self.services.call("storage", "abort_upload", upload_id=upload_id, reason=reason)
        except OdstError as failure:
            # The file is storage's: it may have accepted it, and the answer be lost. What is idle, it sweeps.
            log.warning("upload_not_aborted", upload_id=upload_id, error=str(failure))

    def _copy(self, body: Reads, writer: SyncedWriter, digests: DeclaredDigests, *, keep_floor: bool) -> None:
        while block := body.read(_BLOCK):
            if keep_floor and len(block) > self.store.free_bytes():
                raise InsufficientSpace("the data disk is full but for its floor; make space and send the file again")
            digests.update(block)
            writer.write(block)


def doors(services: Services, store: FilesystemByteStore, guard: Guard) -> Blueprint:
    """Upload by PUT, and by form."""
    api = Blueprint("uploads", __name__, url_prefix="/api/v1")
    receiver = Receiver(services, store)

    @api.put("/packages/<name:name>")
    @guard.requires("upload")
    @described(answers={202: Upload}, takes=BYTES, headers=_PUT_HEADERS)
    def put_package(name: str) -> tuple[Response, int, dict[str, str]]:
        """Upload a package: the body is its bytes."""
        _refuse_other_than_whole()
        wanted = split(request.headers.get(TAGS_HEADER))
        return _accepted(receiver.receive(name, request.content_length, Wire(), DeclaredDigests.of(request.headers), wanted))

    @api.put("/packages", strict_slashes=False)
    @guard.requires("upload")
    def put_nameless() -> Response:
        raise InvalidInput("the package has no name: PUT /api/v1/packages/<name>", "NAME_INVALID")

    @api.post("/packages")
    @guard.requires("upload")
    @described(answers={202: Upload}, takes=FORM)
    def post_package() -> tuple[Response, int, dict[str, str]]:
        """Upload a package by a form: its tags in the field `tags`, then its bytes in the field `file`."""
        _refuse_other_than_whole()
        if any(name in request.headers for name in FIELDS):
            raise InvalidInput("the digest of a form is not checked: declare the file's in its part, or use PUT", "DIGEST_UNSUPPORTED")
        if TAGS_HEADER in request.headers:
            raise InvalidInput(f"a form has its tags in its field `{TAGS_FIELD}`, not in {TAGS_HEADER}", "FORM_INVALID")
        file = FormFile(request.headers.get("Content-Type"), Wire())
        wanted = split(file.tags)
        return _accepted(receiver.receive(file.name, None, file, DeclaredDigests.of(file.headers), wanted))

    return api


def _refuse_other_than_whole() -> None:
    """Refuse what would be kept as something else than it is.

    Raises:
        InvalidInput: if the bytes are encoded, or a part of something, or if there is no body at all.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InvalidInput("send the bytes of the package as they are, without Content-Encoding", "ENCODING_UNSUPPORTED")
    if "Content-Range" in request.headers:
        raise InvalidInput("send the package whole, without Content-Range", "PARTIAL_UNSUPPORTED")
    if request.content_length is None and "Transfer-Encoding" not in request.headers:
        raise InvalidInput("the request has no body; an empty package has Content-Length: 0", "BODY_MISSING")


def _incomplete(why: str) -> InvalidInput:
    return InvalidInput(f"the body ended early: {why}; send the file again", "UPLOAD_INCOMPLETE")


def _accepted(upload: dict[str, Any]) -> tuple[Response, int, dict[str, str]]:
    return jsonify(upload), 202, {"Location": f"/api/v1/uploads/{upload['upload_id']}"}
