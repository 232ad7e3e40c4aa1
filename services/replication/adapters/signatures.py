"""The instance's key, for requests between instances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from services.replication.domain.peer import Sender
from services.replication.domain.refusals import SenderClockDiffers
from shared.core.checkpoint import Receipt
from shared.core.identity import InstanceId
from shared.runtime import http_signatures
from shared.runtime.keys import InstanceKey


class KeySignatures:
    """`Signatures` and `SignReceipt` with the key of this instance."""

    def __init__(self, key: InstanceKey) -> None:
        """`key` is loaded by the wiring."""
        self._key = key

    @property
    def identity(self) -> tuple[str, bytes]:
        """Instance id and raw public key."""
        return str(self._key.instance_id), self._key.public_bytes

    def verify(self, request: dict[str, Any], find_public: Callable[[str], bytes | None]) -> Sender:
        """Who signed `request`."""
        message = http_signatures.Request(str(request["method"]), str(request["target"]), dict(request["headers"]))
        try:
            verified = http_signatures.verify_request(message, self._key.instance_id, find_public)
        except http_signatures.ClockSkew as skew:
            if skew.sender is None:
                raise
            raise SenderClockDiffers(str(skew), skew.sender, skew.seconds) from skew
        return Sender(str(verified.sender), verified.nonce, verified.expires)

    def verify_body(self, request: dict[str, Any], body: bytes) -> None:
        """Accept a body only if it has the digest that was signed."""
        http_signatures.check_body(request["headers"], body)

    def sign_receipt(self, make: Callable[[InstanceId, bytes], Receipt]) -> bytes:
        """The envelope of a receipt."""
        return self._key.sign_receipt(make(self._key.instance_id, self._key.public_bytes))
