"""The directory service, over RPC: it knows what people may do."""

from __future__ import annotations

from shared.runtime.bus.rpc import RpcClient


class RpcPeople:
    """`People` on the bus."""

    def __init__(self, rpc: RpcClient) -> None:
        """`rpc` is shared by the process."""
        self._rpc = rpc

    def why_not(self, person: str, right: str, stage: str) -> str | None:
        """Why somebody has not this right for this stage now."""
        answer = self._rpc.call("directory", "check_right", person=person, right=right, tag=stage)
        return None if answer["may"] else str(answer["reason"])
