"""Invitations: how two instances come to trust each other without sending a secret.

`odst1:<url>:<instance_id>:<secret>` is made at A and pasted at B. Both derive the same key from the secret; each proves to
the other that it has it, by an HMAC (RFC 2104) over both ids and a nonce, with a label for the direction. A keeps only what
is derived, and the secret never crosses the wire.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from shared.core.errors import InvalidInput
from shared.core.identity import InstanceId

_PREFIX = "odst1"
ADDRESS = re.compile(r"https?://[^\s/?#]+(?:/[^\s?#]*)?")
"""Where an instance can be reached: a path may follow, a query may not."""
MAX_WRONG_PROOFS = 5
VALID_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Invitation:
    """Where to join, whom to expect there, and the one-time secret."""

    url: str
    instance_id: InstanceId
    secret: str

    @classmethod
    def create(cls, url: str, instance_id: InstanceId) -> Invitation:
        """A new invitation with 160 random bits."""
        return cls(url, instance_id, secrets.token_hex(20))

    @classmethod
    def parse(cls, text: str) -> Invitation:
        """Read what an administrator pasted.

        Raises:
            InvalidInput: INVITATION_INVALID, if it is cut or of another form.
        """
        match = re.fullmatch(rf"{_PREFIX}:({ADDRESS.pattern}):([A-Z2-7-]+):([0-9a-f]{{40}})", text.strip())
        with contextlib.suppress(InvalidInput):
            if match:
                return cls(match[1], InstanceId.parse(match[2]), match[3])
        raise InvalidInput("this is no invitation: copy the whole line that begins with odst1:", "INVITATION_INVALID")

    def __str__(self) -> str:
        """The line to paste. It holds the secret: never log it."""
        return f"{_PREFIX}:{self.url}:{self.instance_id}:{self.secret}"

    @property
    def lookup(self) -> str:
        """What B sends so that A finds the invitation; tells nothing about the secret."""
        return hashlib.sha256(f"odst-invitation-lookup-v1|{self.secret}".encode()).hexdigest()[:32]

    @property
    def proof_key(self) -> bytes:
        """The HMAC key; what A stores instead of the secret."""
        return hashlib.sha256(f"odst-invitation-key-v1|{self.secret}".encode()).digest()


def proof(proof_key: bytes, sender: InstanceId, receiver: InstanceId, nonce: str, *, joining: bool) -> str:
    """Hex HMAC-SHA256 by which `sender` shows `receiver` that it knows the secret.

    `joining` is True for B's request to A and False for A's mirrored answer, so that neither can be reflected.
    """
    direction = "B->A" if joining else "A->B"
    text = f"odst-join-v1|{direction}|{sender}|{receiver}|{nonce}"
    return hmac.new(proof_key, text.encode(), hashlib.sha256).hexdigest()
