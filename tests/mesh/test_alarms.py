"""A peer that is away is an alarm at the other, raised once and cleared once, also over a restart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shared.testing.instance import Instance
from shared.testing.sites import AWAY, audited, id_of, wait_audited
from shared.testing.waiting import wait_for

pytestmark = [pytest.mark.mesh, pytest.mark.slow]
SOON = {"ODST_POLL_SECONDS": "1", "ODST_PEER_LAGGING_SECONDS": "4", "ODST_ALARM_SETTLE_SECONDS": "1", "ODST_DISK_LOW_MIB": "0"}
LAGGING = "peer.lagging"


@pytest.fixture
def watchful(pair: Any) -> Iterator[Any]:
    """The first of the two notices soon; afterwards it is as before."""
    kept = dict(pair.a.settings)
    pair.a.stop()
    pair.a.settings = kept | SOON
    pair.a.start().wait_ready()
    yield pair
    pair.a.stop()
    pair.a.settings = kept


def lagging(instance: Instance) -> list[str]:
    """Peers of which the instance says that they are behind."""
    found = instance.api("GET", "/alarms").json()
    assert found["silent"] == []
    return [alarm["about"] for alarm in found["items"] if alarm["kind"] == LAGGING]


def test_a_peer_that_is_away_is_an_alarm_until_it_is_back(watchful: Any) -> None:
    """It is told once that it began and once that it is over, though the instance that tells it was restarted in between."""
    a, b = watchful.a, watchful.b
    away = id_of(b)
    b.stop()
    wait_for(lambda: lagging(a) == [away], "A says that B is behind")
    a.stop()
    a.start().wait_ready()
    still = wait_for(lambda: lagging(a), "A still says it", tolerate=AWAY)
    b.start().wait_ready()
    wait_for(lambda: not lagging(a), "A says nothing any more", tolerate=AWAY)
    over = wait_audited(a, "alarm.cleared.v1", kind=LAGGING)

    assert still == [away]
    assert len(audited(a, "alarm.raised.v1", kind=LAGGING)) == len(audited(a, "alarm.cleared.v1", kind=LAGGING)) == 1
    assert over["data"]["about"] == away
