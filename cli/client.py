"""A typed client of the Admin API (docs/admin-api.md). Errors become one sentence that says what to do."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import requests

_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_BLOCK = 1024 * 1024
_POLL_SECONDS = 0.2
ENDED_UPLOAD = frozenset({"published", "already_here", "rejected", "aborted"})
"""States of an upload that do not change any more."""

Progress = Callable[[int], None]
"""Told how many bytes are done, in all."""


class CallFailed(Exception):
    """A call that did not do what was asked. Its text is for people; `code` for programs."""

    def __init__(self, code: str, detail: str, status: int | None = None) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.status = status

    def __str__(self) -> str:
        """`code: detail`."""
        return f"{self.code}: {self.detail}"


@dataclass
class Client:
    """Calls to one instance.

    Every method raises `CallFailed`: with the code of the instance's answer, or with UNREACHABLE.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    _session: requests.Session = field(default_factory=requests.Session, repr=False)

    def __post_init__(self) -> None:
        """Put the token in every call."""
        self.url = self.url.rstrip("/")
        # Settings of the machine, such as ~/.netrc or a proxy, must not reach a site's own servers.
        self._session.trust_env = False
        if self.token:
            self._session.headers["Authorization"] = f"Bearer {self.token}"

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at `/api/v1/<path>`."""
        return self._json("GET", path, params={key: value for key, value in query.items() if value is not None})

    def post(self, path: str, document: dict[str, Any] | None = None) -> Any:
        """Send JSON; the answer's JSON. Values that are None are left out."""
        return self._json("POST", path, json={key: value for key, value in (document or {}).items() if value is not None})

    def log_in(self, name: str, password: str) -> dict[str, Any]:
        """Open a session, in which all further calls of this client are made; who it is, as `GET /session` says it."""
        me = dict(self.post("session", {"name": name, "password": password}))
        self._session.headers["X-Ods-Csrf"] = me["csrf_token"]
        return me

    def patch(self, path: str, document: dict[str, Any]) -> Any:
        """Change what is at `/api/v1/<path>`; the answer's JSON. Values that are None are left out, and stay as they are."""
        return self._json("PATCH", path, json={key: value for key, value in document.items() if value is not None})

    def delete(self, path: str) -> Any:
        """Remove what is at `/api/v1/<path>`; the answer's JSON, or None if there is none."""
        return self._json("DELETE", path)

    def items(self, path: str, limit: int | None = None) -> list[dict[str, Any]]:
        """The `items` of a list."""
        return list(self.get(path, limit=limit)["items"])

    def stream(self, path: str, **query: Any) -> Iterator[bytes]:
        """The bytes at `/api/v1/<path>`, in blocks."""
        params = {key: value for key, value in query.items() if value is not None}
        with self._send("GET", f"{self.url}/api/v1/{path}", params=params, stream=True) as answer:
            try:
                yield from answer.iter_content(_BLOCK)
            except requests.RequestException as error:
                raise CallFailed("INCOMPLETE", "the answer broke off; what was written so far is not all of it") from error

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """All pages of a list that has them."""
        after: str | None = None
        while True:
            page = self.get(path, after=after)
            yield page
            after = page.get("next")
            if not after:
                return

    def packages(self) -> Iterator[dict[str, Any]]:
        """All packages, page by page."""
        for page in self.pages("packages"):
            yield from page["items"]

    def package(self, reference: str) -> dict[str, Any]:
        """One package, by name or id."""
        return dict(self.get(f"packages/{segment(reference)}"))

    def package_if_known(self, reference: str) -> dict[str, Any] | None:
        """One package, or None if the instance does not have it."""
        try:
            return self.package(reference)
        except CallFailed as error:
            if error.status == requests.codes.not_found:
                return None
            raise

    def upload(
        self,
        file: Path,
        name: str,
        *,
        content_digest: str | None = None,
        tags: Sequence[str] = (),
        progress: Progress = lambda _done: None,
    ) -> dict[str, Any]:
        """Send a file in constant memory. Returns the upload as it was accepted."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
        if content_digest:
            headers["Content-Digest"] = content_digest
        if tags:
            headers["Ods-Tags"] = ", ".join(tags)
        with file.open("rb") as opened:
            body = _Watched(opened, progress)
            return dict(self._json("PUT", f"packages/{segment(name)}", data=body, headers=headers))

    def exchange(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """A call to `/api/v1/<path>` whose answer is in its header fields."""
        return self._send(method, f"{self.url}/api/v1/{path}", **arguments)

    def wait_for_upload(
        self, upload_id: str, progress: Progress = lambda _done: None, timeout_seconds: float | None = None
    ) -> dict[str, Any]:
        """Until the upload has ended, well or badly; `progress` hears the bytes hashed.

        Raises:
            CallFailed: also if it does not end within `timeout_seconds`.
        """
        deadline = time.monotonic() + (timeout_seconds or float("inf"))
        while True:
            upload = dict(self.get(f"uploads/{segment(upload_id)}"))
            progress(int(upload.get("bytes_hashed") or 0))
            if upload["state"] in ENDED_UPLOAD:
                return upload
            if time.monotonic() > deadline:
                raise CallFailed("TIMEOUT", f"the upload is still {upload['state']} after {timeout_seconds:.0f} s; see `odst status`")
            time.sleep(_POLL_SECONDS)

    def download(self, name: str) -> Iterator[bytes]:
        """The bytes of a published package, in blocks."""
        with self._send("GET", f"{self.url}/packages/{segment(name)}", stream=True) as answer:
            try:
                yield from answer.iter_content(_BLOCK)
            except requests.RequestException as error:
                raise self._unreachable(error) from error

    def ready(self) -> bool:
        """Whether `/readyz` says that everything is usable."""
        try:
            return self._session.get(f"{self.url}/readyz", timeout=_CONNECT_SECONDS).ok
        except requests.RequestException:
            return False

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._send(method, f"{self.url}/api/v1/{path}", **arguments)
        if answer.status_code == requests.codes.no_content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise CallFailed("ANSWER_MALFORMED", f"{self.url} did not answer as ODST does; is it an ODST gateway?") from error

    def _send(self, method: str, url: str, **arguments: Any) -> requests.Response:
        try:
            answer = self._session.request(method, url, timeout=(_CONNECT_SECONDS, _READ_SECONDS), allow_redirects=False, **arguments)
        except requests.RequestException as error:
            raise self._unreachable(error) from error
        if answer.status_code >= requests.codes.multiple_choices:
            raise _failure(answer)
        return answer

    def _unreachable(self, error: requests.RequestException) -> CallFailed:
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema | requests.exceptions.InvalidSchema):
            return CallFailed("URL_INVALID", f"{self.url} is no address; give one such as http://127.0.0.1:8080 (--url or ODST_URL)")
        reason = "did not answer in time" if isinstance(error, requests.Timeout) else "cannot be reached"
        return CallFailed("UNREACHABLE", f"{self.url} {reason}; check the address (--url or ODST_URL) and that `odst serve` runs there")


class _Watched:
    """A file that says how far it was read; requests streams it because it has `read` and a length."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        self._file = file
        self._progress = progress
        self._size = file.seek(0, 2)
        file.seek(0)

    def __len__(self) -> int:
        return self._size

    def __bool__(self) -> bool:
        # An empty file is still a body.
        return True

    def read(self, size: int = -1) -> bytes:
        # http.client asks for a few KiB at a time; larger blocks cost fewer calls.
        block = self._file.read(_BLOCK if size >= 0 else -1)
        self._progress(self._file.tell())
        return block


def _failure(answer: requests.Response) -> CallFailed:
    """An error answer as an exception: from its problem details (RFC 9457), else from its status."""
    try:
        problem = answer.json()
        code, detail = problem["code"], problem.get("detail") or problem.get("title", "")
    except (ValueError, KeyError, TypeError):
        code, detail = f"HTTP_{answer.status_code}", f"{answer.url} answered {answer.status_code} {answer.reason}"
    if answer.status_code == requests.codes.unauthorized and not answer.url.endswith("/session"):
        detail = f"{detail}; give a valid token (--token, ODST_TOKEN, or a file named by ODST_TOKEN_FILE)"
    return CallFailed(str(code), str(detail), answer.status_code)


def segment(text: str) -> str:
    """`text` as one segment of a URL's path."""
    return quote(text, safe="")


def content_digest(file: Path) -> str:
    """The file's SHA-256 as a `Content-Digest` field (RFC 9530)."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").digest()
    return f"sha-256=:{base64.b64encode(digest).decode()}:"
