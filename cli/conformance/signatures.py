"""Checks of requests that must not pass, and of how answers are signed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from http_message_signatures import algorithms

from cli.conformance.framework import Checks
from cli.conformance.scene import Answer, Headers, Scene
from cli.conformance.violation import require
from shared.runtime.http_signatures import MAX_SIGNATURE_HEADER, REQUEST_COMPONENTS
from shared.runtime.keys import InstanceKey

TARGET = "/ods/v1/status"
RING = "/ods/v1/announcements"
BODY = json.dumps({"epoch": "conformance", "seq": 0}).encode()
_HOUR = dt.timedelta(hours=1)
_TOLERATED_SECONDS = 120

checks = Checks("What the receiver checks")
answers = Checks("An answer")

Forgery = Callable[[Scene], Headers]


def _stranger(scene: Scene, **otherwise: Any) -> Headers:
    return scene.signed("GET", TARGET, **{"key": InstanceKey.generate(), **otherwise})


def _twice(scene: Scene) -> Headers:
    first, second = scene.signed("GET", TARGET), scene.signed("GET", TARGET, label="ods2")
    return first | {name: f"{first[name]}, {second[name]}" for name in ("Signature", "Signature-Input")}


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


FORGED: Mapping[str, Forgery] = {
    "unsigned": lambda _: {},
    "signed by a stranger": _stranger,
    "signed by a stranger in our name": lambda scene: _stranger(scene, key_id=str(scene.key.instance_id)),
    "signed by a stranger in the instance's name": lambda scene: _stranger(scene, key_id=str(scene.instance_id)),
    "meant for another": lambda scene: scene.signed("GET", TARGET, recipient=InstanceKey.generate().instance_id),
    "recipient changed after signing": lambda scene: (
        scene.signed("GET", TARGET, recipient=InstanceKey.generate().instance_id) | {"Ods-Recipient": str(scene.instance_id)}
    ),
    "without a recipient": lambda scene: scene.signed("GET", TARGET) | {"Ods-Recipient": None},
    "without a digest": lambda scene: scene.signed("GET", TARGET) | {"Content-Digest": None},
    "without the signature": lambda scene: scene.signed("GET", TARGET) | {"Signature": None},
    "without its parameters": lambda scene: scene.signed("GET", TARGET) | {"Signature-Input": None},
    "valid for a day": lambda scene: scene.signed("GET", TARGET, expires=_now() + dt.timedelta(days=1)),
    "without a nonce": lambda scene: scene.signed("GET", TARGET, nonce=None),
    "with a short nonce": lambda scene: scene.signed("GET", TARGET, nonce="1234567"),
    "with a giant nonce": lambda scene: scene.signed("GET", TARGET, nonce="n" * 129),
    "with another tag": lambda scene: scene.signed("GET", TARGET, tag="ods-peer-v0"),
    "without a tag": lambda scene: scene.signed("GET", TARGET, tag=None),
    "with two signatures": _twice,
    "with an HMAC by our public key": lambda scene: scene.signed(
        "GET", TARGET, algorithm=algorithms.HMAC_SHA256, secret=scene.key.public_bytes
    ),
    "with a giant header": lambda scene: scene.signed("GET", TARGET, key_id="K" * MAX_SIGNATURE_HEADER),
    "signed for another method": lambda scene: scene.signed("POST", TARGET),
    "signed for another path": lambda scene: scene.signed("GET", "/ods/v1/changes"),
    "signed for another query": lambda scene: scene.signed("GET", f"{TARGET}?a=1"),
    **{
        f"that does not cover {left_out}": lambda scene, left_out=left_out: scene.signed(  # type: ignore[misc]
            "GET", TARGET, components=tuple(one for one in REQUEST_COMPONENTS if one != left_out)
        )
        for left_out in REQUEST_COMPONENTS
    },
}


@checks.each(FORGED)
def refuses(scene: Scene, forged: Forgery) -> None:
    """A request is refused with the constant 401."""
    _require_refused(scene.send("GET", TARGET, b"", forged(scene)))


@checks.add()
def counts_once(scene: Scene) -> None:
    """A request that is sent twice counts once."""
    headers = scene.signed("GET", TARGET)
    first = scene.send("GET", TARGET, b"", headers)
    require(first.status == 200, "200 to the first of the two", first)  # noqa: PLR2004 - as in the page
    _require_refused(scene.send("GET", TARGET, b"", headers))


@checks.add()
def looks_at_the_body(scene: Scene) -> None:
    """A body that is not the signed one is refused with the constant 401."""
    _require_refused(scene.send("POST", RING, BODY.replace(b"0", b"1"), scene.signed("POST", RING, BODY)))


@checks.each({"an hour slow": -_HOUR, "an hour fast": _HOUR})
def tells_of_clocks(scene: Scene, skew: dt.timedelta) -> None:
    """A wrong clock is told as CLOCK_SKEW, with the time in Date."""
    answer = scene.ask("GET", TARGET, created=_now() + skew)
    require((answer.status, answer.code) == (401, "CLOCK_SKEW"), "401 CLOCK_SKEW", answer)
    told = parsedate_to_datetime(answer.headers.get("Date", ""))
    require(abs((told - _now()).total_seconds()) < _TOLERATED_SECONDS, "the present time in Date", told)


@checks.add()
def tells_strangers_nothing_of_clocks(scene: Scene) -> None:
    """A stranger with a wrong clock is told nothing."""
    _require_refused(scene.send("GET", TARGET, b"", _stranger(scene, created=_now() - _HOUR)))


def _require_refused(answer: Answer) -> None:
    require((answer.status, answer.code) == (401, "UNAUTHENTICATED"), "401 UNAUTHENTICATED", answer)
    told = _without_chance(answer)
    require(set(told) <= {"type", "title", "status", "code", "detail"}, "nothing but what a problem has", told)


@checks.add()
def refuses_all_alike(scene: Scene) -> None:
    """All refusals are the same, to the letter."""
    told = {json.dumps(_without_chance(scene.send("GET", TARGET, b"", forged(scene))), sort_keys=True) for forged in FORGED.values()}
    require(len(told) == 1, "one text for all of them", sorted(told))


def _without_chance(answer: Answer) -> dict[str, object]:
    return {name: value for name, value in answer.json().items() if name != "correlation_id"}


@answers.each({"status": ("GET", TARGET, None), "feed": ("GET", "/ods/v1/changes", None), "ring": ("POST", RING, BODY)})
def signs_answers(scene: Scene, call: tuple[str, str, bytes | None]) -> None:
    """A JSON answer is signed by the instance, for the very request."""
    scene.told(*call)


@answers.add()
def signs_for_the_request(scene: Scene) -> None:
    """Two answers to the same question are signed apart."""
    signatures = {scene.ask("GET", TARGET).headers.get("Signature") for _ in range(2)}
    require(len(signatures) == 2, "another signature for each request", signatures)  # noqa: PLR2004 - two requests
