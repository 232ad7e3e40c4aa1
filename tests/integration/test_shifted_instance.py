"""A claim about the shifted clock: it works for whole instances, services and gateway alike."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import requests

from shared.testing.instance import Instance
from shared.testing.waiting import wait_for

HOUR = dt.timedelta(hours=1)


def seen_by(instance: Instance) -> tuple[dt.timedelta, dt.timedelta]:
    """How far its gateway's clock is ahead of ours, and that of its services."""
    token = instance.api("POST", "/tokens", json={"name": "clock", "role": "viewer"}, expect=201).json()
    door = parsedate_to_datetime(requests.get(f"{instance.url}/healthz", timeout=10).headers["Date"])
    now = dt.datetime.now(dt.UTC)
    return door - now, dt.datetime.fromisoformat(token["created"]) - now


def test_an_instance_lives_in_another_time_and_follows_changes(make_instance: Callable[..., Instance]) -> None:
    """A month ahead from its start on; a day behind when told so while it runs; it serves all the while."""
    berlin = make_instance("Berlin")
    ahead, behind = dt.timedelta(days=30), dt.timedelta(days=-1)
    berlin.shift_clock(ahead.total_seconds())
    berlin.start().wait_ready()

    assert all(abs(shift - ahead) < HOUR for shift in seen_by(berlin))
    assert berlin.uploaded(berlin.upload("Early.pkg", b"from the future"))["state"] == "published"

    berlin.shift_clock(behind.total_seconds())
    wait_for(lambda: all(abs(shift - behind) < HOUR for shift in seen_by(berlin)), "gateway and services are a day behind")
    assert berlin.uploaded(berlin.upload("Late.pkg", b"from the past"))["state"] == "published"
