"""What stands outside of the doors, in one place, so that a test can put something else there."""

from __future__ import annotations

from dataclasses import dataclass

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.live.live import Live
from services.api_gateway.ports import Events, Services
from shared.runtime.bus.dead_letters import DeadLetters
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.keys import InstanceKey


@dataclass(frozen=True)
class Outside:
    """Everything that the doors use."""

    settings: ApiGatewaySettings
    services: Services
    store: FilesystemByteStore
    key: InstanceKey
    dead_letters: DeadLetters
    events: Events
    live: Live
