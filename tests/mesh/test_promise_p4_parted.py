"""Promise P4: whatever is done on both sides of a cut, healed instances believe the same, and what lost is written down."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from shared.runtime.broker import PrivateBroker
from shared.testing.instance import Instance
from shared.testing.links import Links
from shared.testing.mesh import agree, delete, make_current, register_in_ring, view
from shared.testing.sites import AWAY, audited, download, id_of, package_at, put, retag, running, wait_package
from shared.testing.waiting import wait_for

pytestmark = [pytest.mark.mesh, pytest.mark.slow, pytest.mark.promise("P4"), pytest.mark.timeout(400)]


@dataclass(frozen=True)
class Five:
    """Five instances in a ring, of which each may write about everybody's packages; two are on one side of a cut, three on the other."""

    left: tuple[Instance, Instance]
    right: tuple[Instance, Instance, Instance]
    links: Links

    @property
    def all(self) -> tuple[Instance, ...]:
        """All of them."""
        return (*self.left, *self.right)


@pytest.fixture(scope="module")
def five(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Five]:
    """All of them, registered, and acquainted with everybody."""
    folder = tmp_path_factory.mktemp("five")
    settings = {"ODST_STAGING_TAGS": "*"}
    a, b, c, d, e = (Instance(name, folder / name, broker.uri(next(vhost_names)), settings=settings) for name in "ABCDE")
    with Links(a, b, c, d, e) as links, running(a, b, c, d, e):
        register_in_ring(a, b, c, d, e)
        yield Five((a, b), (c, d, e), links)


def _overruled_at(instances: tuple[Instance, ...], package_id: str, field: str) -> set[tuple[str, str]]:
    """Value and author of each write that lost, wherever it was written down."""
    found = [entry["data"] for one in instances for entry in audited(one, "meta.overruled.v1", package_id=package_id, field=field)]
    return {(entry["lost_value"], entry["lost_author"]) for entry in found}


def test_both_sides_of_a_cut_come_to_the_same_view(five: Five, chance: random.Random) -> None:
    """P4: one name uploaded on both sides, delete against retag, retag against retag: identical views, both contents to be had."""
    (a, b), (c, d, e) = five.left, five.right
    contested, doomed = put(a, "contested.pkg", chance.randbytes(1000)), put(c, "doomed.pkg", chance.randbytes(1000))
    agree(*five.all)
    left, right = chance.randbytes(2000), chance.randbytes(3000)
    with five.links.parted(five.left, five.right):
        left_id = put(a, "twice.pkg", left)
        delete(b, doomed)
        retag(a, contested, "test")
        retag(d, doomed, "test")
        retag(e, contested, "production")
        right_id = put(d, "twice.pkg", right)
        agree(*five.left)
        agree(*five.right)
        assert view(a) != view(c)
        assert {call.sender for call in five.links.stopped} <= {id_of(one) for one in five.all}

    believed = {entry[0]: entry for entry in agree(*five.all)}
    assert believed[doomed][4:6] == ("['test']", wait_package(a, doomed, state="deleted")["deleted"])
    assert believed[contested][4] == "['production']"
    wait_for(
        lambda: ("test", id_of(a)) in _overruled_at(five.all, contested, "tags"), "the write that lost is in the audit log", tolerate=AWAY
    )
    assert {believed[left_id][-1], believed[right_id][-1]} == {"published", "superseded"}
    for package_id, content in ((left_id, left), (right_id, right)):
        make_current(b, package_id)
        agree(*five.all)
        assert [download(one, "twice.pkg") for one in five.all] == [content] * 5
        assert (package_at(e, package_id) or {})["state"] == "published"
