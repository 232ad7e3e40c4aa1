"""Checks of what an instance does that witnesses audit logs; one that does not answers 404, and that is well too."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib

import requests

from cli.conformance.framework import Checks
from cli.conformance.scene import Scene
from cli.conformance.violation import NothingToCheck, require
from shared.core.audit_chain import Position
from shared.core.checkpoint import Checkpoint
from shared.runtime.keys import InstanceKey, open_checkpoint, open_receipt

telling = Checks("`POST /ods/v1/witnesses`", second=True)
holding = Checks("`GET /ods/v1/witnesses`", second=True)
WITNESSES = "/ods/v1/witnesses"


def _held(scene: Scene) -> list[bytes]:
    """What the instance holds of us, the newest first."""
    answer = scene.ask("GET", WITNESSES)
    if answer.status == requests.codes.not_found:
        raise NothingToCheck("the instance does not witness")
    return [base64.b64decode(text, validate=True) for text in scene.told("GET", WITNESSES)["checkpoints"]]


def _next(scene: Scene, key: InstanceKey) -> bytes:
    """A checkpoint of a made-up log that goes on where the one that is held ends."""
    held = [open_checkpoint(envelope).at for envelope in _held(scene)]
    last = held[0] if held else None
    number = last.number + 1 if last else 1
    at = Position(number, hashlib.sha256(b"%d" % number).hexdigest())
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return key.sign_checkpoint(Checkpoint(key.instance_id, key.public_bytes, at, last, now))


def _document(envelope: bytes) -> dict[str, str]:
    return {"checkpoint": base64.b64encode(envelope).decode(), "later": "a field of a later version"}


@telling.add()
def signs_what_it_was_told(scene: Scene) -> None:
    """A checkpoint is answered with a receipt that the instance signed, about the same entry and hash, also when it is sent twice."""
    envelope = _next(scene, scene.key)
    for _ in range(2):
        receipt = open_receipt(base64.b64decode(scene.told("POST", WITNESSES, _document(envelope))["receipt"], validate=True))
        told = open_checkpoint(envelope)
        require(receipt.at == told.at and receipt.instance_id == told.instance_id, f"a receipt for entry {told.at.number}", receipt)
        require(receipt.witness == scene.instance_id, "a receipt that is signed by the instance", receipt.witness)


@telling.add()
def refuses_what_is_about_another_log(scene: Scene) -> None:
    """A checkpoint of another instance's log is refused with 422."""
    answer = scene.ask("POST", WITNESSES, _document(_next(scene, InstanceKey.generate())))
    require(answer.status == requests.codes.unprocessable, "422", answer)


@holding.add()
def holds_what_it_was_told(scene: Scene) -> None:
    """What was told is held as it was signed, and the newest stands first."""
    envelope = _next(scene, scene.key)
    scene.told("POST", WITNESSES, _document(envelope))
    held = _held(scene)
    numbers = [open_checkpoint(one).at.number for one in held]
    require(held[:1] == [envelope], "the checkpoint that was told last, verbatim", numbers[:3])
    require(numbers == sorted(numbers, reverse=True), "the newest first", numbers[:10])
