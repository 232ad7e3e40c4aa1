"""Keys that are replaced and instances that are no longer trusted, in a line of three: both reach those that never met."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial

import pytest

from shared.core.charter import Rotation
from shared.core.clock import Stamp
from shared.runtime.broker import PrivateBroker
from shared.runtime.keys import InstanceKey
from shared.testing.instance import Instance
from shared.testing.mesh import delete, register_in_line
from shared.testing.peer import TestPeer
from shared.testing.sites import AWAY, audited, id_of, put, retag, running, wait_audited, wait_package, wait_published
from shared.testing.waiting import wait_for

pytestmark = [pytest.mark.mesh, pytest.mark.slow]
Line = tuple[Instance, Instance, Instance]
FORBIDDEN, UNAUTHENTICATED = 403, 401


@pytest.fixture(scope="module")
def line(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """Head, Branch and Shop; the branch registered with the head, the shop with the branch only."""
    folder = tmp_path_factory.mktemp("keys")
    names = ("Head", "Branch", "Shop")
    settings = {"ODST_STAGING_TAGS": "*"}
    head, branch, shop = (Instance(name, folder / name, broker.uri(next(vhost_names)), settings=settings) for name in names)
    with running(head, branch, shop):
        register_in_line(head, branch, shop)
        yield head, branch, shop


def _rotate(instance: Instance) -> tuple[str, str]:
    """Give an instance another key; its ids before and after."""
    turned = instance.api("POST", "/instance/rotate-key").json()
    assert id_of(instance) == turned["new"] != turned["old"]
    return str(turned["old"]), str(turned["new"])


def _is_known(instance: Instance, old: str, new: str) -> bool:
    known = instance.api("GET", "/instances").json()["items"]
    return any(one["instance_id"] == new for one in known) and all(one["present_id"] == new for one in known if one["instance_id"] == old)


def _pass_both_ways(line: Line, number: int) -> None:
    """Packages go from end to end; the head tags and deletes what the shop made."""
    head, branch, shop = line
    down, up = put(head, f"Down-{number}.pkg", b"down" * 100), put(shop, f"Up-{number}.pkg", b"up" * 100)
    wait_published(down, shop)
    wait_published(up, head)
    retag(head, up, "test")
    delete(head, up)
    for instance in (branch, shop):
        wait_package(instance, up, state="deleted", tags=["test"])


def test_everything_goes_on_after_each_of_them_has_a_new_key(line: Line) -> None:
    """The one in the middle, then both ends: packages, tags and tombstones pass as before, also about what was made with the old key."""
    head, branch, shop = line
    early = put(shop, "Early.pkg", b"early" * 100)
    wait_published(early, *line)
    _pass_both_ways(line, 0)
    for number, instance in enumerate((branch, head, shop), start=1):
        old, new = _rotate(instance)
        for other in line:
            wait_for(partial(_is_known, other, old, new), f"{other.name} knows the new key", tolerate=AWAY)
        _pass_both_ways(line, number)
    delete(head, early)
    for instance in line:
        wait_package(instance, early, state="deleted")
    shop.api("DELETE", "/packages/Down-0.pkg", expect=FORBIDDEN)
    assert not [entry for instance in line for entry in audited(instance, "record.refused.v1")]


def test_a_key_is_replaced_twice_while_the_others_are_away(line: Line) -> None:
    """Who comes back finds the way from the key that it knew to the one that is used now."""
    head, branch, shop = line
    branch.stop()
    ids = [_rotate(shop) for _ in range(2)]
    late = put(shop, "Late.pkg", b"late" * 100)
    branch.start().wait_ready()
    wait_published(late, *line)
    for instance in (head, branch):
        wait_for(partial(_is_known, instance, ids[0][0], ids[1][1]), f"{instance.name} knows the last key", tolerate=AWAY)
    delete(head, late)
    wait_package(shop, late, state="deleted")


def test_whom_a_steward_revokes_is_revoked_two_hops_away(line: Line) -> None:
    """The head revokes one that is a peer of the shop too: the shop hears of it over the branch, and shuts its door."""
    head, _, shop = line
    with TestPeer("Mole") as mole:
        mole.join(head)
        mole.join(shop)
        before = mole.publish("Before.pkg", b"before")
        mole.announce(shop)
        wait_published(before.package_id, *line)
        assert mole.request(shop, "GET", "/ods/v1/status").ok

        head.api("DELETE", f"/peers/{mole.instance_id}", expect=204)
        wait_audited(shop, "peer.revoked.v1", peer_id=str(mole.instance_id))
        assert wait_audited(shop, "instance.revoked.v1", instance_id=str(mole.instance_id))["data"]["revoked_by"] == id_of(head)
        assert [mole.request(instance, "GET", "/ods/v1/status").status_code for instance in (head, shop)] == [UNAUTHENTICATED] * 2
        wait_package(shop, before.package_id, state="published")


def test_who_was_revoked_before_is_shut_out_wherever_it_comes_by_whatever_key(line: Line) -> None:
    """The head revoked it long since; it registers with the shop, by the same key, then by one of which the shop learns later."""
    head, _, shop = line
    with TestPeer("Sleeper") as sleeper:
        sleeper.join(head)
        old, fresh = sleeper.key, InstanceKey.generate()
        head.api("DELETE", f"/peers/{old.instance_id}", expect=204)
        wait_for(lambda: _has_revoked(shop, head, str(old.instance_id)), "the shop knows whom the head revoked")

        sleeper.join(shop)
        _wait_shut_out(shop, head, str(old.instance_id))
        sleeper.key = fresh
        sleeper.join(shop)
        assert sleeper.request(shop, "GET", "/ods/v1/status").ok
        sleeper.catalogue.rotations.append(old.sign_rotation(_rotation(old, fresh), fresh))
        sleeper.announce(shop)
        _wait_shut_out(shop, head, str(fresh.instance_id))
        assert sleeper.request(shop, "GET", "/ods/v1/status").status_code == UNAUTHENTICATED


def _has_revoked(instance: Instance, other: Instance, revoked: str) -> bool:
    known = instance.api("GET", "/instances").json()["items"]
    return any(one["instance_id"] == id_of(other) and revoked in one["revoked"] for one in known)


def _wait_shut_out(instance: Instance, steward: Instance, peer_id: str) -> None:
    assert wait_audited(instance, "peer.revoked.v1", peer_id=peer_id)["data"]["person"] == id_of(steward)


def _rotation(old: InstanceKey, new: InstanceKey) -> Rotation:
    return Rotation(old.instance_id, old.public_bytes, new.instance_id, new.public_bytes, Stamp.of(dt.datetime.now(dt.UTC)))
