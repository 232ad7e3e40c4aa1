"""Uploading in tests: a PUT, a form, a digest, and what a refusal looks like."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import requests

from shared.testing.instance import Instance

DATA = b"the bytes of a package"


def digest_field(algorithm: str, data: bytes) -> str:
    """A member of `Content-Digest`."""
    return f"{algorithm}=:{base64.b64encode(hashlib.new(algorithm.replace('-', ''), data).digest()).decode()}:"


def put(instance: Instance, name: str, data: Any = DATA, **headers: str) -> requests.Response:
    """PUT as administrator, whatever comes of it."""
    return instance.api("PUT", f"/packages/{name}", data=data, headers=headers, expect=None)


def refused(response: requests.Response, status: int, code: str) -> None:
    """Hold that this is a problem document with that status and code."""
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json"), response.text
    problem = response.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["detail"]
    assert problem["correlation_id"] == response.headers["Ods-Correlation-Id"]


def form(*parts: tuple[str, bytes], boundary: str = "XX") -> tuple[bytes, dict[str, str]]:
    """A multipart body of these parts (headers after the first, body), and its headers."""
    body = b"".join(f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n" for head, data in parts)
    return body + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}
