"""Resumable uploads by tus 1.0 (https://tus.io/protocols/resumable-upload), and where all uploads are. See `docs/admin-api.md`."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import Blueprint, Response, g, jsonify, request
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.http import http_date

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http import problems
from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read_query
from services.api_gateway.http.describing import described
from services.api_gateway.http.tus_headers import ALGORITHMS, EXTENSIONS, VERSION, Checksum, Metadata, number
from services.api_gateway.http.tus_receiving import Keeper, PartReceiver
from services.api_gateway.ports import Services
from shared.contracts.admin.packages import Upload, UploadList, UploadQuery
from shared.core.errors import DigestMismatch, Forbidden, InvalidInput, TooLarge
from shared.core.manifest import MAX_PACKAGE_BYTES
from shared.runtime.bytestore.filesystem import FilesystemByteStore

PART = "application/offset+octet-stream"
"""Media type of a part of an upload."""
_CHECKSUM_MISMATCH = 460
_OVERRIDE = "X-HTTP-Method-Override"
_SPEAK = {"Tus-Resumable": f"{VERSION}: the version of tus"}
_SEND = {"Upload-Checksum": "the digest of this part: sha1 or sha256, a space, base64; a part that is another is not kept"}
_CREATE = {
    "Upload-Length": "bytes of the package",
    "Upload-Metadata": "keys with values in base64: filename; tags with commas; sha256 in hex, so that known bytes are not sent again",
}


class Tus:
    """What tus asks for, each as a function of the present request."""

    def __init__(self, services: Services, store: FilesystemByteStore, keeper: Keeper, settings: ApiGatewaySettings) -> None:
        """Bytes go to the store, questions to storage."""
        self._services, self._keeper = services, keeper
        self._receiver = PartReceiver(services, store, keeper, settings.upload_silence_seconds)

    def create(self) -> Response:
        """Begin an upload, and take its first bytes if they came along."""
        metadata, size, checksum = Metadata.of(request.headers), _length(), Checksum.of(request.headers)
        brings = _brings_bytes()
        upload = self._services.call(
            "storage",
            "begin_resumable",
            name=metadata.name,
            size=size,
            uploaded_by=g.person,
            tags=metadata.tags,
            sha256=metadata.sha256,
            metadata=metadata.text,
            within=g.within,
        )
        headers = {"Location": f"/api/v1/uploads/{upload['upload_id']}"}
        if upload["state"] == "receiving":
            upload = self._begin(upload, checksum, brings=brings or size == 0)
        elif brings:
            headers["Connection"] = "close"  # The bytes are known: those that come along are not read.
        answer = jsonify({name: value for name, value in upload.items() if name in Upload.model_fields})
        answer.status_code = 201
        answer.headers.update(headers | _state(upload))
        return answer

    def _begin(self, upload: dict[str, Any], checksum: Checksum | None, *, brings: bool) -> dict[str, Any]:
        try:
            self._receiver.make_place(upload)
            return self._receiver.receive(upload["upload_id"], 0, checksum) if brings else upload
        except BaseException as error:
            self._receiver.give_up(upload, error)
            raise

    def offset(self, upload_id: str) -> Response:
        """Where it stands."""
        upload = self._keeper.ask("read_offset", upload_id)
        headers = {"Upload-Length": str(upload["size"]), **_state(upload)}
        if upload["metadata"]:
            headers["Upload-Metadata"] = upload["metadata"]
        return Response(status=200, headers=headers)

    def go_on(self, upload_id: str) -> Response:
        """Take a part."""
        _require_part()
        offset, checksum = number(request.headers, "Upload-Offset"), Checksum.of(request.headers)
        return Response(status=204, headers=_state(self._receiver.receive(upload_id, offset, checksum)))

    def terminate(self, upload_id: str) -> Response:
        """Give it up."""
        self._keeper.ask("cancel_upload", upload_id)
        return Response(status=204)


def doors(services: Services, store: FilesystemByteStore, settings: ApiGatewaySettings, guard: Guard) -> Blueprint:
    """All of them."""
    api = Blueprint("tus", __name__, url_prefix="/api/v1")
    api.register_error_handler(DigestMismatch, lambda error: problems.problem(_CHECKSUM_MISMATCH, error.code, error.message))
    api.after_request(_speaking)
    tus = Tus(services, store, Keeper(services, _administers(guard)), settings)
    _discovery(api, guard)
    _protocol(api, tus, guard)
    _overridden(api, tus, guard)
    # After the protocol's HEAD, which a GET would answer too.
    _looking(api, services, guard)
    return api


def _discovery(api: Blueprint, guard: Guard) -> None:
    @guard.requires("upload")
    @described(answers={204: None})
    def options(**_id: str) -> Response:
        """Tell what of tus is spoken here."""
        told = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(MAX_PACKAGE_BYTES)}
        return Response(status=204, headers={**told, "Tus-Checksum-Algorithm": ",".join(ALGORITHMS)})

    for path in ("/uploads", "/uploads/<upload_id>"):
        api.add_url_rule(path, view_func=options, methods=["OPTIONS"], provide_automatic_options=False)


def _protocol(api: Blueprint, tus: Tus, guard: Guard) -> None:
    @api.post("/uploads", provide_automatic_options=False)
    @guard.requires("upload")
    @described(answers={201: Upload}, takes=PART, headers=_SPEAK | _CREATE | _SEND)
    def create_upload() -> Response:
        """Begin an upload that can be resumed (tus 1.0); the body may be its first bytes."""
        _require_version()
        return tus.create()

    @api.route("/uploads/<upload_id>", methods=["HEAD"], provide_automatic_options=False)
    @guard.requires("upload")
    @described(answers={200: None}, headers=_SPEAK)
    def upload_offset(upload_id: str) -> Response:
        """Say where an upload stands (tus 1.0)."""
        _require_version()
        return tus.offset(upload_id)

    @api.patch("/uploads/<upload_id>", provide_automatic_options=False)
    @guard.requires("upload")
    @described(answers={204: None}, takes=PART, headers={**_SPEAK, "Upload-Offset": "where the bytes belong", **_SEND})
    def continue_upload(upload_id: str) -> Response:
        """Go on with an upload (tus 1.0): the body is more of its bytes."""
        _require_version()
        return tus.go_on(upload_id)

    @api.delete("/uploads/<upload_id>", provide_automatic_options=False)
    @guard.requires("upload")
    @described(answers={204: None}, headers=_SPEAK)
    def terminate_upload(upload_id: str) -> Response:
        """Give up an upload that does not have all its bytes (tus 1.0)."""
        _require_version()
        return tus.terminate(upload_id)


def _overridden(api: Blueprint, tus: Tus, guard: Guard) -> None:
    """For senders that know GET and POST only. All of these ask for the same right."""
    meant = {"PATCH": tus.go_on, "DELETE": tus.terminate, "HEAD": tus.offset}

    @api.post("/uploads/<upload_id>", provide_automatic_options=False)
    @guard.requires("upload")
    @described(answers={200: None, 204: None}, takes=PART, headers={**_SPEAK, _OVERRIDE: "PATCH, DELETE or HEAD: what is meant"})
    def override(upload_id: str) -> Response:
        """Go on with an upload, give it up, or ask where it stands, for senders that know no other method (tus 1.0)."""
        wanted = meant.get(request.headers.get(_OVERRIDE, "").upper())
        if wanted is None:
            raise MethodNotAllowed(["GET", "OPTIONS", *meant], f"POST means something here only with {_OVERRIDE}")
        _require_version()
        return wanted(upload_id)


def _looking(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.get("/uploads", provide_automatic_options=False)
    @guard.requires("view")
    @described(query=UploadQuery, answers={200: UploadList})
    def list_uploads() -> Response:
        """List uploads, newest first."""
        asked = read_query(UploadQuery)
        found = services.call("storage", "list_uploads", after=asked.after, limit=asked.limit, states=list(asked.state), name=asked.name)
        return jsonify(found)

    @api.get("/uploads/<upload_id>", provide_automatic_options=False)
    @guard.requires("view")
    @described(answers={200: Upload})
    def show_upload(upload_id: str) -> Response:
        """Show an upload, and what became of it."""
        return jsonify(services.call("storage", "show_upload", upload_id=upload_id))


def _administers(guard: Guard) -> Any:
    @guard.requires("administer")
    def admitted() -> bool:
        return True

    def administers() -> bool:
        try:
            return bool(admitted())
        except Forbidden:
            return False

    return administers


def _speaking(answer: Response) -> Response:
    if request.method != "GET":
        answer.headers["Tus-Resumable"] = VERSION
    if answer.status_code == 412:  # noqa: PLR2004
        answer.headers["Tus-Version"] = VERSION
    return answer


def _require_version() -> None:
    """Refuse other versions before anything else is read.

    Raises:
        werkzeug's HTTPException: 412.
    """
    if request.headers.get("Tus-Resumable") != VERSION:
        problems.refuse(412, "TUS_VERSION_UNSUPPORTED", f"say Tus-Resumable: {VERSION}, the only version that is spoken here")


def _require_part() -> None:
    """Refuse a body that is no part of an upload.

    Raises:
        werkzeug's HTTPException: 415.
        InvalidInput: ENCODING_UNSUPPORTED.
    """
    if request.mimetype != PART:
        problems.refuse(415, "MEDIA_TYPE_UNSUPPORTED", f"send the bytes as Content-Type: {PART}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InvalidInput("send the bytes of the package as they are, without Content-Encoding", "ENCODING_UNSUPPORTED")


def _brings_bytes() -> bool:
    """Whether a creation has the first bytes with it; another body than those is refused."""
    has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
    if has_body:
        _require_part()
    return has_body


def _length() -> int:
    """Bytes of the package.

    Raises:
        InvalidInput: HEADER_INVALID.
        TooLarge: SIZE_INVALID.
    """
    if "Upload-Defer-Length" in request.headers:
        raise InvalidInput("say how long it is, in Upload-Length: space is kept for it at once", "HEADER_INVALID")
    size = number(request.headers, "Upload-Length")
    if size > MAX_PACKAGE_BYTES:
        raise TooLarge(f"a package of {size} bytes cannot be kept", "SIZE_INVALID")
    return size


def _state(upload: dict[str, Any]) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload["bytes_received"])}
    if upload["expires"]:
        headers["Upload-Expires"] = http_date(dt.datetime.fromisoformat(upload["expires"]))
    return headers
