"""Sending a blob: conditional requests and single ranges (RFC 9110), with the bytes sent by the kernel or by nginx.

Flask's `send_file` reaches a range by reading up to it; here the file is positioned and handed to the server's
`wsgi.file_wrapper`, which gunicorn turns into `sendfile(2)`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from flask import Response, request
from werkzeug.datastructures import Headers
from werkzeug.http import http_date, parse_date, parse_if_range_header, quote_etag, unquote_etag
from werkzeug.wsgi import wrap_file

from services.api_gateway.http.problems import problem
from shared.core.digest import Digest
from shared.core.errors import NotFound
from shared.runtime.bytestore.filesystem import FilesystemByteStore

_BLOCK = 1 << 20
WATCHED_BYTES = 64 << 20
"""After so many bytes of an answer it is asked whether it may go on, where that can change: no slice is larger."""
MayGoOn = Callable[[], None]
"""Raises an OSError if who asked may have no more of an answer: the connection is cut."""
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,40})-([0-9]{0,40})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Representation:
    """What is sent: the same on every instance, so that a client may resume at another site."""

    sha256: Digest
    size: int
    modified: dt.datetime
    name: str | None = None

    @property
    def etag(self) -> str:
        """Opaque tag, without quotes."""
        return str(self.sha256)

    def headers(self) -> dict[str, str]:
        """Headers of every answer about it."""
        headers = {
            "ETag": quote_etag(self.etag),
            "Last-Modified": http_date(self.modified),
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
        }
        if self.name:
            plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in self.name)
            headers["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(self.name, safe='')}"
        return headers


@dataclass(frozen=True, slots=True)
class Part:
    """Which bytes, with which status."""

    status: int
    start: int
    stop: int


def choose_part(representation: Representation, method: str, headers: Headers) -> Part:
    """What a request with these headers gets: 200, 206, 304, 412 or 416 (RFC 9110, sections 13 and 14).

    Several ranges, or one that is malformed, get the whole: a server may ignore a Range header.
    """
    size = representation.size
    blocked = _precondition(representation, headers)
    if blocked:
        return Part(blocked, 0, 0)
    chosen = _single_range(headers.get("Range", ""), size) if method == "GET" else None
    if chosen is None or not _if_range_holds(representation, headers):
        return Part(200, 0, size)
    return Part(206, *chosen) if chosen[0] < size else Part(416, 0, 0)


def _single_range(field: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last (RFC 9110, section 14.1.2); None if this is not one well-formed range."""
    match = _RANGE.fullmatch(field)
    if not match or match[1] == match[2] == "":
        return None
    if match[1] == "":
        return max(0, size - int(match[2])), size
    start = int(match[1])
    stop = int(match[2]) + 1 if match[2] else size
    return (start, min(size, stop)) if match[2] == "" or start < stop else None


def _precondition(representation: Representation, headers: Headers) -> int | None:
    tag, modified = representation.etag, representation.modified.replace(microsecond=0)
    if "If-Match" in headers:
        if not _tag_in(headers["If-Match"], tag, weak=False):
            return 412
    elif (since := parse_date(headers.get("If-Unmodified-Since"))) and modified > since:
        return 412
    if "If-None-Match" in headers:
        return 304 if _tag_in(headers["If-None-Match"], tag, weak=True) else None
    if (since := parse_date(headers.get("If-Modified-Since"))) and modified <= since:
        return 304
    return None


def _tag_in(field: str, tag: str, *, weak: bool) -> bool:
    if field.strip() == "*":
        return True
    for item in field.split(","):
        value, is_weak = unquote_etag(item.strip())
        if value == tag and (weak or not is_weak):
            return True
    return False


def _if_range_holds(representation: Representation, headers: Headers) -> bool:
    field = headers.get("If-Range")
    if not field:
        return True
    condition = parse_if_range_header(field)
    if condition.date is not None:
        return condition.date == representation.modified.replace(microsecond=0)
    return condition.etag == representation.etag and not field.startswith("W/")


class Sending:
    """Answers requests for the bytes of blobs."""

    def __init__(self, store: FilesystemByteStore, accel_prefix: str) -> None:
        """With `accel_prefix`, nginx in front sends the bytes and cuts the ranges; the headers are ours all the same."""
        self._layout = store.layout
        self._accel_prefix = accel_prefix

    def answer(self, representation: Representation, may_go_on: MayGoOn | None = None) -> Response:
        """The answer to the present request. With `may_go_on`, that is asked between the parts of a long answer.

        Raises:
            NotFound: if the bytes are not here; nothing was sent then.
        """
        part = choose_part(representation, request.method, request.headers)
        headers = representation.headers()
        if part.status not in (200, 206):
            return _without_bytes(part.status, representation, headers)
        try:
            return self._send(representation, part, headers, may_go_on)
        except FileNotFoundError as error:
            raise NotFound("these bytes are not here") from error

    def _send(self, representation: Representation, part: Part, headers: dict[str, str], may_go_on: MayGoOn | None) -> Response:
        path = self._layout.blob(representation.sha256)
        may_go_on = may_go_on if part.stop - part.start > WATCHED_BYTES else None
        if self._accel_prefix and may_go_on is None and _nginx_agrees(part):
            path.stat()
            if part.status == 200:  # noqa: PLR2004
                del headers["Accept-Ranges"]  # nginx adds its own to the whole, and none to a part
            return Response(headers=headers | {"X-Accel-Redirect": f"{self._accel_prefix}/{path.relative_to(self._layout.blobs)}"})
        if part.status == 206:  # noqa: PLR2004
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{representation.size}"
        headers["Content-Length"] = str(part.stop - part.start)
        return _stream(path, part, headers, may_go_on)


def _nginx_agrees(part: Part) -> bool:
    """True if nginx, which looks at the request once more, comes to the same answer.

    It holds `If-Match` and `If-Unmodified-Since` against its own idea of the file, and answers to ranges that we ignore.
    """
    asked = request.headers
    ignored_range = "Range" in asked and part.status == 200  # noqa: PLR2004
    return request.method == "GET" and not ignored_range and "If-Match" not in asked and "If-Unmodified-Since" not in asked


def _without_bytes(status: int, representation: Representation, headers: dict[str, str]) -> Response:
    kept = {name: headers[name] for name in ("ETag", "Last-Modified", "Accept-Ranges")}
    if status == 304:  # noqa: PLR2004
        return Response(status=304, headers=kept)
    if status == 412:  # noqa: PLR2004
        return problem(412, "PRECONDITION_FAILED", "what is here is not what the request is about; see ETag and Last-Modified", kept)
    kept["Content-Range"] = f"bytes */{representation.size}"
    return problem(416, "RANGE_NOT_SATISFIABLE", f"there are {representation.size} bytes, and the range begins after them", kept)


def _stream(path: Path, part: Part, headers: dict[str, str], may_go_on: MayGoOn | None) -> Response:
    file: BinaryIO = path.open("rb", buffering=0)
    if request.method == "HEAD" or part.start == part.stop:
        file.close()
        return Response(status=part.status, headers=headers)
    file.seek(part.start)
    if may_go_on is None:
        return Response(wrap_file(request.environ, file, _BLOCK), part.status, headers, direct_passthrough=True)
    response = Response(_watched(file, part.stop - part.start, may_go_on), part.status, headers, direct_passthrough=True)
    response.call_on_close(file.close)
    return response


def _watched(file: BinaryIO, size: int, may_go_on: MayGoOn) -> Iterator[bytes]:
    sent = 0
    while block := file.read(min(_BLOCK, size - sent)):
        yield block
        sent += len(block)
        if sent % WATCHED_BYTES == 0 and sent < size:
            may_go_on()
