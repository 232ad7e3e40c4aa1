"""Uploads: bytes from the wire to the incoming area in constant memory; never over the bus.

Whatever ends an upload early (a refusal, a wrong digest, a full disk, a lost connection) leaves nothing behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, Protocol

import http_sf
from flask import Blueprint, Request, Response, g, jsonify, request

from services.api_gateway.http.auth import Guard
from services.api_gateway.ports import Services
from shared.core.errors import DigestMismatch, InvalidInput, OdstError
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.bytestore.syncing import SyncedWriter
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_BLOCK = 1 << 20
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}
"""Of RFC 9530, those that are not broken. Others may be declared beside them and are not checked."""


class UploadRequest(Request):
    """A request whose multipart file goes where the view says, not through a temporary file."""

    file_sink: Callable[[str | None], IO[bytes]] | None = None

    def _get_file_stream(self, total_content_length: int | None, content_type: str | None, filename: str | None = None, content_length: int | None = None) -> IO[bytes]:
        if self.file_sink is None:
            return super()._get_file_stream(total_content_length, content_type, filename, content_length)
        return self.file_sink(filename)


class Reads(Protocol):
    """A body."""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""


@dataclass
class DeclaredDigests:
    """What the sender says the bytes are, and what they turn out to be."""

    declared: dict[str, bytes]
    hashers: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> DeclaredDigests:
        """Read `Repr-Digest` and `Content-Digest`.

        Raises:
            InvalidInput: DIGEST_MALFORMED, if one cannot be read or names no algorithm that is checked.
        """
        declared: dict[str, bytes] = {}
        for header in ("Repr-Digest", "Content-Digest"):
            text = headers.get(header)
            if text is None:
                continue
            found = _read_digest_field(header, text)
            for algorithm, value in found.items():
                if declared.setdefault(algorithm, value) != value:
                    raise DigestMismatch("Repr-Digest and Content-Digest contradict each other")
        return cls(declared, {algorithm: hashlib.new(_ALGORITHMS[algorithm]) for algorithm in declared})

    def update(self, block: bytes) -> None:
        """More bytes came."""
        for hasher in self.hashers.values():
            hasher.update(block)

    def check(self) -> str | None:
        """Compare; the SHA-256 in hex if it was computed.

        Raises:
            DigestMismatch: if a declared digest is not that of the bytes.
        """
        for algorithm, expected in self.declared.items():
            found = self.hashers[algorithm].digest()
            if found != expected:
                raise DigestMismatch(f"the bytes that came have {algorithm} {found.hex()}, declared was {expected.hex()}; send the file again")
        return self.hashers["sha-256"].hexdigest() if "sha-256" in self.hashers else None


def _read_digest_field(header: str, text: str) -> dict[str, bytes]:
    try:
        members = http_sf.parse(text.encode("ascii"), tltype="dictionary")
        found = {name: value[0] for name, value in members.items() if name in _ALGORITHMS}
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise InvalidInput(f"{header} is malformed; write sha-256=:<base64>:", "DIGEST_MALFORMED") from error
    lengths = {"sha-256": 32, "sha-512": 64}
    if not found or any(not isinstance(value, bytes) or len(value) != lengths[name] for name, value in found.items()):
        raise InvalidInput(f"{header} holds no usable sha-256 or sha-512 digest", "DIGEST_MALFORMED")
    return found


@dataclass
class Receiver:
    """Takes one upload from its first byte to the hand-over to storage."""

    services: Services
    store: FilesystemByteStore

    def receive(self, name: str, size: int | None, body: Reads, digests: DeclaredDigests) -> dict[str, Any]:
        """Bytes to disk, checked and synced, then known to storage as received.

        Raises:
            InvalidInput, DigestMismatch, InsufficientSpace, …: after which nothing is left behind.
        """
        with self.begun(name, size) as (upload_id, file):
            received = _copy(body, file, digests)
            return self._finish(upload_id, file, received, size, digests)

    @contextmanager
    def begun(self, name: str, size: int | None) -> Iterator[tuple[str, SyncedWriter]]:
        """An upload under way; given up if the block ends with an error."""
        upload_id = self.services.call("storage", "begin_upload", name=name, size=size, uploaded_by=g.person)["upload_id"]
        try:
            self.store.reserve(upload_id, size)
            with self.store.open_incoming(upload_id) as file, SyncedWriter(file, self.store) as writer:
                yield upload_id, writer
        except BaseException as error:
            self._give_up(upload_id, error)
            raise

    def _finish(self, upload_id: str, file: SyncedWriter, received: int, size: int | None, digests: DeclaredDigests) -> dict[str, Any]:
        if size is not None and received != size:
            raise InvalidInput(f"the connection ended after {received} of {size} bytes; send the file again", "UPLOAD_INCOMPLETE")
        sha256 = digests.check()
        file.finish()
        upload: dict[str, Any] = self.services.call("storage", "finish_upload", upload_id=upload_id, size=received, sha256=sha256)
        return upload

    def _give_up(self, upload_id: str, error: BaseException) -> None:
        reason = str(error) if isinstance(error, OdstError) else f"the connection was lost ({type(error).__name__})"
        try:
            self.services.call("storage", "abort_upload", upload_id=upload_id, reason=reason)
        except OdstError as failure:
            self.store.drop_incoming(upload_id)
            log.warning("upload_not_aborted", upload_id=upload_id, error=str(failure))


def _copy(body: Reads, file: BinaryIO | SyncedWriter, digests: DeclaredDigests) -> int:
    received = 0
    while block := body.read(_BLOCK):
        digests.update(block)
        file.write(block)
        received += len(block)
    return received


def doors(services: Services, store: FilesystemByteStore, guard: Guard) -> Blueprint:
    """Upload by PUT, upload by form, and where an upload is."""
    api = Blueprint("uploads", __name__, url_prefix="/api/v1")
    receiver = Receiver(services, store)

    @api.put("/packages/<path:name>")
    @guard.requires("upload")
    def put_package(name: str) -> tuple[Response, int, dict[str, str]]:
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise InvalidInput("send the bytes of the package as they are, without Content-Encoding", "ENCODING_UNSUPPORTED")
        digests = DeclaredDigests.of(request.headers)
        return _accepted(receiver.receive(name, request.content_length, request.stream, digests))

    @api.put("/packages/")
    @guard.requires("upload")
    def put_nameless() -> Response:
        raise InvalidInput("the package has no name: PUT /api/v1/packages/<name>", "NAME_INVALID")

    @api.post("/packages")
    @guard.requires("upload")
    def post_package() -> tuple[Response, int, dict[str, str]]:
        return _accepted(_receive_form(receiver))

    @api.get("/uploads/<upload_id>")
    @guard.requires("view")
    def show_upload(upload_id: str) -> Response:
        return jsonify(services.call("storage", "show_upload", upload_id=upload_id))

    return api


def _receive_form(receiver: Receiver) -> dict[str, Any]:
    """The one file of a multipart form, written to its place while the form is parsed."""
    taken: list[Any] = []
    assert isinstance(request, object)

    def sink(filename: str | None) -> Any:
        if taken or not filename:
            raise InvalidInput("send one file, in the field `file`, with its file name", "FORM_INVALID")
        begun = receiver.begun(filename, None)
        upload_id, file = begun.__enter__()
        taken.extend((begun, upload_id, file))
        return file

    request.file_sink = sink  # type: ignore[attr-defined]
    try:
        files = request.files
        if not taken or "file" not in files:
            raise InvalidInput("send the package as a file in the field `file`", "FORM_INVALID")
        begun, upload_id, file = taken
        upload = receiver._finish(upload_id, file, file.written, None, DeclaredDigests({}))  # noqa: SLF001 - same file, same concern
    except BaseException as error:
        if taken:
            taken[0].__exit__(type(error), error, error.__traceback__)
        raise
    begun.__exit__(None, None, None)
    return upload


def _accepted(upload: dict[str, Any]) -> tuple[Response, int, dict[str, str]]:
    return jsonify(upload), 202, {"Location": f"/api/v1/uploads/{upload['upload_id']}"}
