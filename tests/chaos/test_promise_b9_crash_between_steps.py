"""Promise B9."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from shared.testing.instance import Instance
from shared.testing.sites import start_together
from shared.testing.waiting import wait_for


def _registered(b: Instance, a: Instance) -> None:
    start_together(a, b)
    b.join(a)


def _rings_heard(instance: Instance, correlation_id: str) -> int:
    """How often this upload was rung about. A charter, issued when the two registered, may ring on its own."""
    served = instance.log_events("services.api_gateway", "request_served")
    return sum(line["path"] == "/ods/v1/announcements" and line["correlation_id"] == correlation_id for line in served)


@pytest.mark.promise("B9")
@pytest.mark.parametrize("point", ["after-blob", "before-relay"])
def test_a_crash_while_publishing_an_upload_is_healed(make_instance: Callable[..., Instance], point: str) -> None:
    """B9: killed between rename and commit, and between commit and announcement, at the origin: healed, announced once."""
    a, b = make_instance("A"), make_instance("B")
    flag = a.crash_once_at(point, "services")
    _registered(b, a)
    data = point.encode() * 100_000
    a.upload("crash.pkg", data, **{"Ods-Correlation-Id": "upload-that-crashes"})
    wait_for(lambda: not flag.exists() and a.processes["services"].poll() is not None, f"it died {point}")
    a.start("services")
    a.published("crash.pkg", hashlib.sha256(data).hexdigest(), deadline_seconds=60)
    b.published("crash.pkg", hashlib.sha256(data).hexdigest(), deadline_seconds=60)

    assert a.download_sha256("crash.pkg") == b.download_sha256("crash.pkg") == hashlib.sha256(data).hexdigest()
    assert len(a.api("GET", "/packages").json()["items"]) == 1
    wait_for(lambda: _rings_heard(b, "upload-that-crashes"), "A rang")
    assert _rings_heard(b, "upload-that-crashes") == 1


@pytest.mark.promise("B9")
@pytest.mark.parametrize("point", ["after-blob", "before-relay"])
def test_a_crash_while_publishing_a_transfer_is_healed(make_instance: Callable[..., Instance], point: str) -> None:
    """B9: the same at the receiving instance."""
    a, b = make_instance("A"), make_instance("B")
    flag = b.crash_once_at(point, "services")
    _registered(b, a)
    data = point.encode() * 200_000
    a.uploaded(a.upload("crash.pkg", data))
    wait_for(lambda: not flag.exists() and b.processes["services"].poll() is not None, f"it died {point}")
    b.start("services")
    b.published("crash.pkg", hashlib.sha256(data).hexdigest(), deadline_seconds=60)

    assert b.download_sha256("crash.pkg") == hashlib.sha256(data).hexdigest()
    wait_for(lambda: (b.transfer_of(b.published("crash.pkg")["package_id"]) or {}).get("state") == "done", "the transfer is closed")
