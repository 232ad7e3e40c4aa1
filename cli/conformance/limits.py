"""Checks of limits, and of how refusals look."""

from __future__ import annotations

from cli.conformance.framework import Checks
from cli.conformance.scene import Scene
from cli.conformance.violation import require

checks = Checks("The calls")
RING = "/ods/v1/announcements"
_LIMIT = 64 * 1024
_FIELDS = {"type": str, "title": str, "status": int, "code": str, "detail": str, "correlation_id": str}


@checks.add()
def bodies_have_a_limit(scene: Scene) -> None:
    """A body over 64 KiB is refused with 413."""
    answer = scene.ask("POST", RING, b" " * (_LIMIT + 1))
    require((answer.status, answer.code) == (413, "BODY_TOO_LARGE"), "413 BODY_TOO_LARGE", answer)


@checks.add()
def bodies_up_to_the_limit_are_read(scene: Scene) -> None:
    """A body of 64 KiB is read."""
    ring = b'{"epoch": "conformance", "seq": 0}'
    answer = scene.ask("POST", RING, ring + b" " * (_LIMIT - len(ring)))
    require(answer.status == 200, "200", answer)  # noqa: PLR2004 - as in the page


@checks.each({"cut": b'{"epoch": ', "not UTF-8": b'{"epoch": "\xff", "seq": 1}', "nested deeply": b"[" * 60_000, "empty": b""})
def bodies_must_be_json(scene: Scene, body: bytes) -> None:
    """A body that cannot be read is refused with 400 BODY_INVALID."""
    answer = scene.ask("POST", RING, body)
    require((answer.status, answer.code) == (400, "BODY_INVALID"), "400 BODY_INVALID", answer)


@checks.add()
def errors_are_problems(scene: Scene) -> None:
    """A refusal is a problem document, with a code."""
    answer = scene.ask("GET", "/ods/v1/changes?limit=x")
    kind = answer.headers.get("Content-Type", "")
    require(kind.startswith("application/problem+json"), "application/problem+json", kind)
    told = answer.json()
    wrong = [name for name, kind_of in _FIELDS.items() if not isinstance(told.get(name), kind_of)]
    require(not wrong and told["status"] == answer.status, f"fields {', '.join(_FIELDS)}", told)


@checks.add()
def other_calls_are_not_there(scene: Scene) -> None:
    """A call that the page does not have is answered 404."""
    answer = scene.ask("GET", "/ods/v1/of-a-later-version")
    require(answer.status == 404, "404", answer)  # noqa: PLR2004 - as in the page


@checks.each({"with a slash at its end": "/ods/v1/status/", "with two slashes": "/ods/v1//status", "with a dot": "/ods/v1/./status"})
def paths_are_exact(scene: Scene, target: str) -> None:
    """A path that is nearly that of a call is none: no redirect, and no answer."""
    answer = scene.ask("GET", target)
    require(answer.status == 404, "404", answer)  # noqa: PLR2004 - as above
