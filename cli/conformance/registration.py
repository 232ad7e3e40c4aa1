"""Checks of registrations and rotations that must be refused. Nothing here is accepted by an instance that does as it should."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import requests

from cli.conformance.framework import Checks
from cli.conformance.joining import TARGET, body_of, registration
from cli.conformance.scene import Answer, Scene
from cli.conformance.violation import NothingToCheck, require
from shared.core.charter import ROTATION_TYPE, Rotation
from shared.core.clock import Stamp
from shared.core.trust import Trust
from shared.runtime.keys import InstanceKey, open_rotation, seal

checks = Checks("Registration")
rotations = Checks("`POST /ods/v1/rotations`", second=True)
ROTATIONS = "/ods/v1/rotations"
Wish = Callable[[Scene, InstanceKey], dict[str, Any]]


@checks.each({"that was used": True, "that never was": False})
def refuses_invitations(scene: Scene, used: bool) -> None:
    """A registration by an invitation is refused with 403."""
    stranger = InstanceKey.generate()
    invitation = scene.invitation if used else dataclasses.replace(scene.invitation, secret="f" * 40)
    answer = scene.ask("POST", TARGET, registration(invitation, stranger), key=stranger)
    require((answer.status, answer.code) == (403, "INVITATION_REFUSED"), "403 INVITATION_REFUSED", answer)


MALFORMED: Mapping[str, Wish] = {
    "with the id of another key": lambda scene, key: registration(
        scene.invitation, key, instance_id=str(InstanceKey.generate().instance_id)
    ),
    "with another's key": lambda scene, key: registration(
        scene.invitation, key, public_key=base64.b64encode(InstanceKey.generate().public_bytes).decode()
    ),
    "with the instance's own id": lambda scene, key: registration(scene.invitation, key, instance_id=str(scene.instance_id)),
    "without a common version": lambda scene, key: registration(scene.invitation, key, protocol=[999]),
    "without a key": lambda scene, key: registration(scene.invitation, key, public_key=None),
    "with a key that is none": lambda scene, key: registration(scene.invitation, key, public_key="AAAA"),
    "with nothing in it": lambda _scene, _key: {},
}


@checks.each(MALFORMED)
def refuses_malformed(scene: Scene, wish: Wish) -> None:
    """A registration is refused with 401."""
    stranger = InstanceKey.generate()
    _require_401(scene.ask("POST", TARGET, wish(scene, stranger), key=stranger))


@checks.add()
def refuses_another_signer(scene: Scene) -> None:
    """A registration that another key signed is refused with 401."""
    wish = registration(scene.invitation, InstanceKey.generate())
    _require_401(scene.ask("POST", TARGET, body_of(wish), key=InstanceKey.generate()))


def _require_401(answer: Answer) -> None:
    require((answer.status, answer.code) == (401, "UNAUTHENTICATED"), "401 UNAUTHENTICATED", answer)


def _rotation(old: InstanceKey, new: InstanceKey) -> Rotation:
    now = Stamp.of(dt.datetime.now(dt.UTC))
    return Rotation(old.instance_id, old.public_bytes, new.instance_id, new.public_bytes, now)


def _send(scene: Scene, envelope: bytes, signer: InstanceKey) -> Answer:
    return scene.ask("POST", ROTATIONS, {"rotation": base64.b64encode(envelope).decode()}, key=signer)


@rotations.add()
def refuses_rotations_of_strangers(scene: Scene) -> None:
    """A rotation of a key that is no peer's is refused with 401."""
    old, new = InstanceKey.generate(), InstanceKey.generate()
    _require_401(_send(scene, old.sign_rotation(_rotation(old, new), new), new))


@rotations.each({"the old key did not sign": False, "the new key did not sign": True})
def refuses_rotations_of_one_key(scene: Scene, by_the_old: bool) -> None:
    """A rotation of our own key is refused with 401 if only one of the two keys signed it."""
    new = InstanceKey.generate()
    envelope = seal(_rotation(scene.key, new).payload(), ROTATION_TYPE, scene.key if by_the_old else new)
    _require_401(_send(scene, envelope, new))
    still = scene.ask("GET", "/ods/v1/status")
    require(still.status == requests.codes.ok, "our key to be the right one still", still)


@rotations.each({"no JSON": b"{", "no rotation": b'{"rotation": "AAAA"}', "no field": b"{}"})
def refuses_malformed_rotations(scene: Scene, body: bytes) -> None:
    """A rotation that is none is refused with 401."""
    _require_401(scene.ask("POST", ROTATIONS, body, key=InstanceKey.generate()))


@rotations.add()
def tells_of_its_own_rotations(scene: Scene) -> None:
    """A request for a key that the instance had is answered 409 KEY_ROTATED, with the rotation."""
    told = scene.told("POST", "/ods/v1/records", {"rotations": ["*"]})["rotations"]
    known = Trust.of((), (open_rotation(base64.b64decode(one)) for one in told))
    former = [old for old in known.rotations if known.present(old) == scene.instance_id]
    if not former:
        raise NothingToCheck("the instance has the key that it always had")
    answer = scene.ask("GET", "/ods/v1/status", recipient=former[0])
    require((answer.status, answer.code) == (409, "KEY_ROTATED"), "409 KEY_ROTATED", answer)
    require(open_rotation(base64.b64decode(answer.json()["rotation"])).old == former[0], "the rotation of that key", answer)
