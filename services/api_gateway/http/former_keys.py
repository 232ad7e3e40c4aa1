"""Keys that this instance had: a peer that still asks for one of them is told of the next."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from services.api_gateway.ports import Services
from shared.core.charter import Rotation
from shared.core.identity import InstanceId
from shared.core.trust import Trust
from shared.runtime.keys import InstanceKey, open_rotation

_ID = re.compile(r"[A-Z2-7]{52}", re.ASCII)
_KEPT_SECONDS = 5.0


@dataclass
class FormerKeys:
    """Finds rotations of this instance in storage, and keeps them for some seconds: whoever asks has proved nothing yet."""

    services: Services
    key: InstanceKey
    clock: Callable[[], float] = time.monotonic
    _known: dict[InstanceId, str] = field(default_factory=dict)
    _read: tuple[InstanceId, float] | None = None
    """For which present id, and when."""

    def rotation_of(self, recipient: str) -> str | None:
        """The rotation, in base64, by which the key of that id was replaced; None if it was never ours or is still in use."""
        if not _ID.fullmatch(recipient) or recipient == str(self.key.instance_id):
            return None
        if self._read is None or self._read[0] != self.key.instance_id or self.clock() - self._read[1] > _KEPT_SECONDS:
            self._read = self.key.instance_id, self.clock()
            self._known = self._of_ours()
        return self._known.get(InstanceId(recipient))

    def _of_ours(self) -> dict[InstanceId, str]:
        answer = self.services.call("storage", "read_former_keys")
        opened: dict[Rotation, str] = {open_rotation(base64.b64decode(text)): text for text in answer["rotations"]}
        trust = Trust.of((), opened)
        return {old: opened[rotation] for old, rotation in trust.rotations.items() if trust.present(old) == self.key.instance_id}
