"""The one file of a multipart form (RFC 7578), read as it comes: never whole in memory, never in a temporary file."""

from __future__ import annotations

from typing import Protocol

from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from shared.core.errors import InvalidInput

FILE_FIELD = "file"
TAGS_FIELD = "tags"
_MOST_FIELD_BYTES = 4096
_BLOCK = 1 << 18
_MAX_PARTS = 20


class Reads(Protocol):
    """A body."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


class FormFile:
    """The file in the field `file`, as a body that is read from its start, and the text of the field `tags` before it.

    Other fields are skipped; but for tags that come too late, because a package without its tags would go everywhere.
    """

    def __init__(self, content_type: str | None, body: Reads) -> None:
        """Reads up to the first byte of the file.

        Raises:
            InvalidInput: FORM_INVALID, if this is no form, or there is no file in it.
        """
        kind, options = parse_options_header(content_type)
        if kind != "multipart/form-data" or not options.get("boundary"):
            raise InvalidInput("send a form: Content-Type: multipart/form-data with a boundary", "FORM_INVALID")
        self._body = body
        self._decoder = MultipartDecoder(options["boundary"].encode("ascii", "replace"), 2 * _BLOCK, max_parts=_MAX_PARTS)
        self._more = True
        self._file_found = False
        self.tags = ""
        part = self._next_file()
        if part is None:
            raise InvalidInput(f"send the package as a file in the field `{FILE_FIELD}`", "FORM_INVALID")
        self._file_found = True
        self.name: str = part.filename
        self.headers: Headers = part.headers

    def read(self, _size: int, /) -> bytes:
        """The next bytes of the file, a few hundred KiB at most; none once the form has ended as it should.

        Raises:
            InvalidInput: FORM_INVALID, if it has not, or if there is a second file, or tags after the first.
        """
        while self._more:
            event = self._next_event()
            assert isinstance(event, Data)
            self._more = event.more_data
            if event.data:
                return event.data
        if self._next_file() is not None:
            raise InvalidInput("send one file at a time", "FORM_INVALID")
        return b""

    def _next_file(self) -> File | None:
        while not isinstance(event := self._next_event(), Epilogue):
            if isinstance(event, File) and event.name == FILE_FIELD:
                return event
            if isinstance(event, Field | File) and event.name == TAGS_FIELD:
                self._add_tags()
        return None

    def _add_tags(self) -> None:
        if self._file_found:
            raise InvalidInput(f"send the field `{TAGS_FIELD}` before the file", "FORM_INVALID")
        try:
            self.tags += "," + self._text().decode()
        except UnicodeDecodeError as error:
            raise InvalidInput(f"the field `{TAGS_FIELD}` is not in UTF-8", "FORM_INVALID") from error

    def _text(self) -> bytes:
        content, more = b"", True
        while more:
            event = self._next_event()
            assert isinstance(event, Data)
            content, more = content + event.data, event.more_data
            if len(content) > _MOST_FIELD_BYTES:
                raise InvalidInput(f"the field `{TAGS_FIELD}` is too long", "FORM_INVALID")
        return content

    def _next_event(self) -> Event:
        try:
            while isinstance(event := self._decoder.next_event(), NeedData):
                self._decoder.receive_data(self._body.read(_BLOCK) or None)
        except (ValueError, RequestEntityTooLarge) as error:
            raise InvalidInput(f"the form is cut or malformed: {error}"[:200], "FORM_INVALID") from error
        return event
