"""Promise P3: a catalogue that is older than what peers were told is noticed, and made whole from peers and from what lies beside it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.core.layout import Layout
from shared.testing.instance import Instance
from shared.testing.mesh import View, agree, back_up, delete, forget, restore, undelete, view
from shared.testing.sites import audited, download, package_at, put, retag, wait_audited
from shared.testing.waiting import wait_for

pytestmark = [pytest.mark.mesh, pytest.mark.slow, pytest.mark.promise("P3")]
SERVICES = "services"
DATABASES = ("storage", "replication", "directory", "hashing", "notify")
RETAGS = 20
"""So many numbers of the feed are taken that what comes back from the peer does not take as many again."""
WAYS: dict[str, Callable[[Instance, Path], None]] = {
    "an-old-backup": lambda instance, folder: restore(instance, folder, "storage"),
    "nothing": lambda instance, _: forget(instance, "storage"),
}


def _told(instance: Instance) -> dict[str, Any]:
    """Epoch and number of its feed that peers were told."""
    told: dict[str, Any] = json.loads(Layout(instance.data).feed_told.read_text())
    return told


def _states_until(instance: Instance, package_id: str, other: Instance, before: View) -> set[str]:
    """The states in which a package was seen at an instance until both are again as before."""
    states: set[str] = set()

    def as_before() -> bool:
        states.add(str((package_at(instance, package_id) or {}).get("state")))
        return view(other) == view(instance) == before

    wait_for(as_before, f"{other.name} and {instance.name} are as before")
    return states


@pytest.mark.parametrize("way", WAYS)
def test_a_restored_database_loses_and_undeletes_nothing(pair: Any, way: str, chance: random.Random, tmp_path: Path) -> None:
    """P3: from an old backup or from nothing: a new epoch, an alarm, everything as it was; also what no peer had heard of yet."""
    a, b = pair.a, pair.b
    names = ("grown", "tagged", "deleted", "undeleted", "after", "lonely")
    grown, tagged, deleted, undeleted, after, lonely = (f"{name}-{way}.pkg" for name in names)
    content = {name: chance.randbytes(2000) for name in (grown, tagged, deleted, undeleted, after, lonely)}
    ids = {name: put(a, name, content[name]) for name in (grown, tagged, deleted, undeleted)}
    delete(a, undeleted)
    agree(a, b)
    back_up(a, tmp_path, "storage")

    content[grown] += b"and more"
    put(a, grown, content[grown])
    put(a, after, content[after])
    retag(b, tagged, "production")
    delete(b, deleted)
    agree(a, b)
    b.kill(SERVICES)
    put(a, lonely, content[lonely])
    undelete(a, ids[undeleted])
    before, told, alarms = view(a), _told(a), len(audited(a, "catalogue.restored.v1"))
    a.kill(SERVICES)
    WAYS[way](a, tmp_path)
    for instance in (a, b):
        instance.start(SERVICES)
    for instance in (a, b):
        instance.wait_ready()

    wait_audited(a, "catalogue.restored.v1", more_than=alarms)
    assert _states_until(b, ids[deleted], a, before) == {"deleted"}
    assert _told(a)["epoch"] != told["epoch"]
    for instance in (a, b):
        assert {name: download(instance, name) for name in content} == content | {deleted: None}


def test_peers_notice_a_feed_that_went_back(pair: Any, chance: random.Random, tmp_path: Path) -> None:
    """P3: all databases restored, and what was told too: it cannot know, but its peer does, alarms, reads anew, and gives it all back."""
    a, b = pair.a, pair.b
    first, second, third = (chance.randbytes(3000) for _ in range(3))
    first_id = put(a, "back-first.pkg", first)
    agree(a, b)
    back_up(a, tmp_path, *DATABASES)
    told = Layout(a.data).feed_told.read_bytes()

    put(a, "back-second.pkg", second)
    for number in range(RETAGS):
        retag(a, first_id, *("test",) * (number % 2))
    delete(a, first_id)
    before, alarms = agree(a, b), len(audited(b, "peer.feed_went_back.v1"))
    a.kill()
    restore(a, tmp_path, *DATABASES)
    Layout(a.data).feed_told.write_bytes(told)
    a.start().wait_ready()

    wait_audited(b, "peer.feed_went_back.v1", more_than=alarms)
    agree(a, b, on=before)
    put(a, "back-third.pkg", third)
    agree(a, b)
    for instance in (a, b):
        assert [download(instance, f"back-{name}.pkg") for name in ("first", "second", "third")] == [None, second, third]
