"""Two instances for all promises that need no more, as starting them takes longer than the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from shared.runtime.broker import PrivateBroker
from shared.testing.instance import Instance
from shared.testing.links import Links
from shared.testing.mesh import ALL, agree
from shared.testing.sites import join, running, start_together


@dataclass(frozen=True)
class Pair:
    """Two instances that hold nothing back from each other, and may write about each other's packages."""

    a: Instance
    b: Instance
    links: Links


@pytest.fixture(scope="session")
def _pair(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    settings = {"ODST_STAGING_TAGS": "*", "ODST_STALE_SECONDS": "20"}  # Who catches up is busy, and rings in vain if it is impatient.
    a, b = (Instance(name, folder / name, broker.uri(next(vhost_names)), settings=settings) for name in "AB")
    with Links(a, b) as links, running(a, b):
        join(b, a, sees=ALL, shows=ALL, steward=True)
        yield Pair(a, b, links)


@pytest.fixture
def pair(_pair: Pair) -> Pair:
    """Both run, and agree, whatever the test before left behind; with what it uploaded."""
    start_together(_pair.a, _pair.b)
    agree(_pair.a, _pair.b)
    return _pair
