"""The directory service, over RPC: it knows who may do what."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from services.notify.ports import Standing
from shared.runtime.bus.rpc import RpcClient


class RpcPeople:
    """`People` on the bus."""

    def __init__(self, rpc: RpcClient) -> None:
        """`rpc` is shared by the process."""
        self._rpc = rpc

    def standings(self, references: Collection[str], right: str) -> Mapping[str, Standing]:
        """Of people, whether they may come in and have a right."""
        found = self._rpc.call("directory", "show_standings", references=sorted(references), right=right)
        return {one: Standing(bool(it["active"]), bool(it["may"]), _tags(it["within"]), it.get("email")) for one, it in found.items()}


def _tags(within: list[str] | None) -> frozenset[str] | None:
    return None if within is None else frozenset(within)
