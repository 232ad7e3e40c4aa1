"""Registering with the instance: what this program changes there, and leaves to be revoked."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

import requests

from cli.conformance.scene import Answer, Scene
from cli.conformance.violation import require
from shared.core.invitation import Invitation, proof
from shared.runtime.keys import InstanceKey

NAME = "odst conformance"
ADDRESS = "http://conformance.invalid"
"""Nobody can call this program back; the name can never exist (RFC 2606)."""
TARGET = "/ods/v1/registrations"


def registration(invitation: Invitation, key: InstanceKey, **changed: Any) -> dict[str, Any]:
    """The body of a registration of the holder of `key`; any field may be changed."""
    nonce = secrets.token_urlsafe(18)
    return {
        "protocol": [1, 2],
        "instance_id": str(key.instance_id),
        "public_key": base64.b64encode(key.public_bytes).decode(),
        "name": NAME,
        "url": ADDRESS,
        "nonce": nonce,
        "lookup": invitation.lookup,
        "proof": proof(invitation.proof_key, key.instance_id, invitation.instance_id, nonce, joining=True),
        **changed,
    }


def join(scene: Scene) -> None:
    """Register by the invitation, and pin the key of the instance.

    Raises:
        Violation: if it refuses, or is not who invited.
        requests.RequestException: if it cannot be reached.
    """
    wish = registration(scene.invitation, scene.key)
    answer = scene.ask("POST", TARGET, wish)
    require(answer.status == requests.codes.ok, "200 to the registration; is the invitation new, and made there?", answer)
    scene.instance_key = _key_in(scene, answer)
    scene.check_signature(answer)
    mirrored = proof(scene.invitation.proof_key, scene.instance_id, scene.key.instance_id, wish["nonce"], joining=False)
    require(answer.json().get("proof") == mirrored, "the proof that the instance knows the invitation's secret", answer)


def _key_in(scene: Scene, answer: Answer) -> bytes:
    text = str(answer.json().get("public_key"))
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    require(scene.instance_id.belongs_to(raw), "the key that belongs to the id in the invitation", text)
    return raw


def body_of(wish: dict[str, Any]) -> bytes:
    """A registration as it is sent."""
    return json.dumps(wish).encode()
