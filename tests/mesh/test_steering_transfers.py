"""Whole instances: a transfer waits as long as it is told to, and what was cancelled stays away."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Any

from shared.testing.chaos_proxy import ChaosProxy
from shared.testing.instance import SEPARATE, Instance
from shared.testing.sites import start_together
from shared.testing.waiting import wait_for

_MIB = 1 << 20
_SLICE = 16 * _MIB


def test_a_transfer_waits_over_a_restart_and_a_cancelled_one_stays_away(make_instance: Callable[..., Instance]) -> None:
    """Resumed, it fetches nothing twice. Cancelled, it leaves no bytes, and no sweep and no news bring it back until somebody asks."""
    a = make_instance("A")
    with ChaosProxy(a.port, bytes_per_second=12 * _MIB) as link:
        a.settings["ODST_PUBLIC_URL"] = link.url
        b = make_instance("B", programs=SEPARATE, settings={"ODST_SLICES_AT_ONCE": "1"})
        start_together(a, b)
        b.join(a)
        data = random.Random(7).randbytes(80 * _MIB)
        package_id = a.uploaded(a.upload("large.pkg", data))["package_id"]

        moving = _moving(b, package_id)
        _decide(b, moving, "pause")
        b.stop("services.replication")
        b.start("services.replication").wait_ready()
        paused = wait_for(lambda: _settled(b, package_id), "no slice is under way")
        assert (paused["paused"], paused["bytes_done"] < len(data)) == (True, True)
        assert _cell(b, package_id)["state"] == "paused"

        _decide(b, paused, "resume")
        b.published("large.pkg", hashlib.sha256(data).hexdigest(), deadline_seconds=90)
        wait_for(lambda: (b.transfer_of(package_id) or {}).get("state") == "done", "the transfer is closed")
        assert (b.transfer_of(package_id) or {})["bytes_fetched"] <= len(data) + _SLICE

        other = a.uploaded(a.upload("other.pkg", random.Random(8).randbytes(80 * _MIB)))["package_id"]
        cancelled = _decide(b, _moving(b, other), "cancel")
        a.uploaded(a.upload("small.pkg", b"news"))
        b.published("small.pkg")
        b.stop("services.replication")
        b.start("services.replication").wait_ready()
        wait_for(lambda: len(b.log_events("services.replication", "transfer_not_planned")) > 0, "storage rang again")
        assert not list((b.data / "incoming").iterdir())
        assert (b.transfer_of(other) or {})["transfer_id"] == cancelled["transfer_id"]
        assert _cell(b, other)["state"] == "cancelled"

        _decide(b, cancelled, "resume")
        wait_for(lambda: (b.transfer_of(other) or cancelled)["transfer_id"] != cancelled["transfer_id"], "another one is planned")


def _moving(instance: Instance, package_id: str) -> dict[str, Any]:
    """The transfer of a package, when it has some bytes and not all."""

    def has_some() -> dict[str, Any] | None:
        found = instance.transfer_of(package_id)
        return found if found and found["state"] == "moving" and found["bytes_done"] else None

    return wait_for(has_some, "a slice is here") or {}


def _settled(instance: Instance, package_id: str) -> dict[str, Any] | None:
    """The transfer of a package, if none of its slices is claimed."""
    found = instance.transfer_of(package_id)
    return found if not instance.api("GET", "/status").json()["services"]["replication"]["slices_claimed"] else None


def _decide(instance: Instance, transfer: dict[str, Any], what: str) -> dict[str, Any]:
    return dict(instance.api("POST", f"/transfers/{transfer['transfer_id']}/{what}", json={}).json())


def _cell(instance: Instance, package_id: str) -> dict[str, Any]:
    """What the matrix says of a package at this instance."""
    page = instance.api("GET", "/matrix").json()
    here = next(one["instance_id"] for one in page["instances"] if one["is_self"])
    return dict(next(one["at"][here] for one in page["items"] if one["package_id"] == package_id))
