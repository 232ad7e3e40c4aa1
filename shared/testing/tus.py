"""Resumable uploads in tests: the calls of tus, as an administrator makes them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
from collections.abc import Iterator
from typing import Any

import requests

from shared.testing import raw_http
from shared.testing.beside import meanwhile
from shared.testing.builders import some_bytes
from shared.testing.instance import Instance

MIB = 1 << 20
SPEAK = {"Tus-Resumable": "1.0.0"}
KIND = {"Content-Type": "application/offset+octet-stream"}
PART = SPEAK | KIND
DATA = some_bytes(3 * MIB)
"""A package of three parts."""


def b64(text: str | bytes) -> str:
    """Base64 as tus has it."""
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def tus(instance: Instance, method: str, path: str, data: Any = b"", **headers: str | None) -> requests.Response:
    """A request as administrator, whatever comes of it."""
    sent = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    return instance.api(method, f"/uploads{path}", data=data, headers=sent, expect=None)


def creation(name: str, length: int | str, **more: str) -> dict[str, str]:
    """Header fields of a creation."""
    said = ",".join([f"filename {b64(name)}", *(f"{key} {b64(value)}" for key, value in more.items())])
    return {**SPEAK, "Upload-Length": str(length), "Upload-Metadata": said}


def create(instance: Instance, name: str, length: int = len(DATA), **more: str) -> str:
    """The id of a new upload."""
    answer = instance.api("POST", "/uploads", headers=creation(name, length, **more), expect=201)
    return answer.headers["Location"].rpartition("/")[2]


def patch(instance: Instance, upload_id: str, offset: int | str, data: Any, **headers: str) -> requests.Response:
    """A part."""
    return tus(instance, "PATCH", f"/{upload_id}", data, **{**PART, "Upload-Offset": str(offset), **headers})


def offset_of(instance: Instance, upload_id: str) -> int:
    """Where an upload stands, as a client asks for it."""
    answer = tus(instance, "HEAD", f"/{upload_id}", **SPEAK)
    assert answer.status_code == requests.codes.ok, answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    return int(answer.headers["Upload-Offset"])


def finish(instance: Instance, upload_id: str, name: str, data: bytes = DATA) -> None:
    """Send what is missing, and hold that the package has exactly these bytes."""
    offset = offset_of(instance, upload_id)
    assert patch(instance, upload_id, offset, data[offset:]).status_code == requests.codes.no_content
    instance.uploaded({"upload_id": upload_id, "name": name})
    assert instance.download_sha256(name) == hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def sending(instance: Instance, upload_id: str, offset: int, announced: int, *lines: str) -> Iterator[socket.socket]:
    """A connection on which a part has begun; the sender is one's own to go on with."""
    head = [f"{name}: {value}" for name, value in PART.items()]
    head += [f"Authorization: Bearer {instance.token}", f"Upload-Offset: {offset}", f"Content-Length: {announced}", *lines]
    with raw_http.connection(instance.port) as opened:
        opened.sendall(raw_http.head("PATCH", f"/api/v1/uploads/{upload_id}", *head))
        yield opened


def on_disk(instance: Instance, upload_id: str, upto: int) -> bool:
    """Whether these first bytes of `DATA` are in the incoming file, synced or not."""
    path = instance.data / "incoming" / f"{upload_id}.part"
    return path.exists() and path.open("rb").read(upto) == DATA[:upto]


@contextlib.contextmanager
def trickling(opened: socket.socket, data: bytes) -> Iterator[None]:
    """Meanwhile a slow sender goes on: a few bytes now and then; the rest at the end."""
    rest = iter([data[start : start + 100] for start in range(0, len(data), 100)])
    with meanwhile(lambda _number: opened.sendall(next(rest, b"")), every_seconds=0.05):
        yield
    opened.sendall(b"".join(rest))
