"""The one error of the client, and how answers and broken connections become it."""

from __future__ import annotations

import re
from typing import Any

import requests
from pydantic import ValidationError
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.exceptions import TimeoutError as WaitedTooLong

_MOST_TEXT = 500
_NO_TLS = ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
_VERIFICATION = re.compile(r"certificate verify failed: (.+?) \(_ssl")


class CallFailed(Exception):
    """A call that did not do what was asked. Its text is for people; `code` for programs.

    `code` is the instance's own, as its problem details have it, or one of the client's: UNREACHABLE, TLS_FAILED, CA_FILE_UNUSABLE,
    URL_INVALID, ANSWER_MALFORMED, BODY_INVALID, TIMEOUT. `status` is that of the HTTP answer, if there was one; `correlation_id` finds
    the call in the logs of the instance.
    """

    def __init__(self, code: str, detail: str, status: int | None = None, correlation_id: str | None = None) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.correlation_id = correlation_id

    def __str__(self) -> str:
        """`code: detail`."""
        return f"{self.code}: {self.detail}"


def refusal(answer: requests.Response) -> CallFailed:
    """An error answer as an exception: from its problem details (RFC 9457), else from its status."""
    correlation_id = None
    try:
        problem = answer.json()
        code, detail = problem["code"], problem.get("detail") or problem.get("title", "")
        correlation_id = problem.get("correlation_id")
    except (ValueError, KeyError, TypeError):
        code, detail = f"HTTP_{answer.status_code}", f"{answer.url} answered {answer.status_code} {answer.reason}"
    return CallFailed(str(code), str(detail), answer.status_code, correlation_id and str(correlation_id))


def unreachable(url: str, error: requests.RequestException) -> CallFailed:
    """A connection that could not be made, or broke."""
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema | requests.exceptions.InvalidSchema):
        return CallFailed("URL_INVALID", f"{url} is no address; give one such as http://127.0.0.1:8080")
    if isinstance(error, requests.exceptions.SSLError):
        return CallFailed("TLS_FAILED", f"{url}: {_tls_fault(str(error))}")
    reason = "did not answer in time" if _waited_too_long(error) else "cannot be reached"
    if isinstance(_reason(error), NameResolutionError):
        reason += ": nobody knows its name here"
    return CallFailed("UNREACHABLE", f"{url} {reason}; check the address, and that an instance runs there")


def _tls_fault(told: str) -> str:
    """What OpenSSL said, as what is wrong and what to do."""
    if any(word in told for word in _NO_TLS):
        return "what answers there speaks no TLS; is the address one with http://?"
    found = _VERIFICATION.search(told)
    return f"its certificate is not believed: {found[1]}" if found else "no TLS connection could be made"


def malformed(url: str, error: ValidationError) -> CallFailed:
    """An answer that is not what the API answers."""
    if any(fault["type"] == "json_invalid" for fault in error.errors(include_url=False)):
        return CallFailed("ANSWER_MALFORMED", f"{url} did not answer as ODST does; is it an ODST gateway?")
    return CallFailed(
        "ANSWER_MALFORMED", f"{url} did not answer as ODST does: {_faults(error)}; is it an ODST gateway, of a version that fits?"
    )


def unsendable(error: ValidationError) -> CallFailed:
    """A body that the instance would refuse, refused before it is sent; by the code that the instance has for it."""
    return CallFailed("BODY_INVALID", f"this cannot be sent: {_faults(error)}")


def unwritable() -> CallFailed:
    """A text that has what an address, or the header field that it goes into, cannot have."""
    return CallFailed(
        "BODY_INVALID", "this cannot be sent: a name, a tag or a filter has characters that are not in UTF-8, or not allowed there"
    )


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'all of it'}: {fault['msg']}" for fault in faults)[:_MOST_TEXT]


def _waited_too_long(error: requests.RequestException) -> bool:
    # After the last of several tries, requests no longer says by its class what the last of them was.
    reason = _reason(error)
    return isinstance(error, requests.Timeout) or (isinstance(reason, WaitedTooLong) and not isinstance(reason, NewConnectionError))


def _reason(error: requests.RequestException) -> Any:
    return getattr(error.args[0], "reason", None) if error.args else None
