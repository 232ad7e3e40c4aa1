"""Staging over three instances: packages go where their tags let them, and are promoted from stage to stage."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from shared.core.times import rfc3339
from shared.runtime.broker import PrivateBroker
from shared.testing.instance import Instance
from shared.testing.mesh import make_current
from shared.testing.people import token_of
from shared.testing.sites import (
    bytes_fetched,
    download,
    join,
    package_at,
    put,
    read_feed,
    retag,
    running,
    wait_audited,
    wait_package,
    wait_published,
)

pytestmark = [pytest.mark.mesh, pytest.mark.slow]
Sites = tuple[Instance, Instance, Instance]
STAGES = {"ODST_STAGES": "development,test,production"}


@pytest.fixture(scope="module")
def sites(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """Headquarters, where production needs two people; a laboratory for tests; a shop floor for production."""
    folder = tmp_path_factory.mktemp("staging")

    def make(name: str, **settings: str) -> Instance:
        return Instance(name, folder / name, broker.uri(next(vhost_names)), settings=STAGES | settings)

    head = make("Head", ODST_STAGING_TAGS="*", ODST_APPROVAL_STAGES="production")
    lab, floor = make("Lab", ODST_STAGING_TAGS="test"), make("Floor", ODST_STAGING_TAGS="production")
    with running(head, lab, floor):
        join(lab, head, sees=["test"], shows=["*"])
        join(floor, head, sees=["production"], shows=["*"])
        yield head, lab, floor


def _token(instance: Instance, name: str) -> dict[str, str]:
    """Headers of another administrator."""
    return {"Authorization": f"Bearer {token_of(instance, name)}"}


def _promote(instance: Instance, reference: str, **wish: str) -> dict[str, Any]:
    promotion: dict[str, Any] = instance.api("POST", f"/packages/{reference}/promote", json=wish, expect=201).json()
    return promotion


def _code(instance: Instance, status: int, method: str, path: str, **arguments: Any) -> str:
    return str(instance.api(method, path, expect=status, **arguments).json()["code"])


def test_a_package_reaches_production_by_promotion_only(sites: Sites) -> None:
    """Before it, the shop floor has never heard of it; then two people agree; bytes move to those only who had none."""
    head, lab, floor = sites
    package_id = put(head, "Tool.pkg", b"tool" * 5000, "test")
    wait_published(package_id, lab)
    read_feed(floor, "Head")
    assert (package_at(floor, package_id), download(floor, "Tool.pkg")) == (None, None)
    fetched = bytes_fetched(lab), bytes_fetched(head)

    promotion = _promote(head, "Tool.pkg")
    assert (promotion["stage"], promotion["state"]) == ("production", "waits_for_approval")
    approval = f"/promotions/{promotion['promotion_id']}/approve"
    assert _code(head, 403, "POST", approval) == "SAME_PERSON"
    assert head.api("POST", approval, headers=_token(head, "grace")).json()["state"] == "done"

    wait_published(package_id, floor)
    wait_package(lab, package_id, state="published", tags=["production", "test"])
    assert [download(site, "Tool.pkg") for site in (lab, floor)] == [b"tool" * 5000] * 2
    assert (bytes_fetched(lab), bytes_fetched(head)) == fetched
    assert "grace" in wait_audited(head, "package.retagged.v1", package_id=package_id)["person"]


def test_a_promotion_is_done_at_its_time(sites: Sites) -> None:
    """It is scheduled, and the next stage has the package at that time, and no sooner."""
    head, lab, _ = sites
    package_id = put(head, "Scheduled.pkg", b"scheduled", "development")
    at = rfc3339(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5))
    promotion = _promote(head, package_id, to="test", at=at)
    assert (promotion["state"], promotion["at"]) == ("scheduled", at)

    wait_published(package_id, lab)
    assert (package_at(lab, package_id) or {})["published"] >= at
    assert head.api("GET", "/promotions?limit=1").json()["items"][0]["state"] == "done"


def test_a_rejected_promotion_moves_nothing(sites: Sites) -> None:
    """Whoever was asked says no, and why; it cannot be approved afterwards."""
    head, _, floor = sites
    package_id = put(head, "Rejected.pkg", b"rejected", "test")
    one = f"/promotions/{_promote(head, package_id)['promotion_id']}"
    assert head.api("POST", f"{one}/reject", json={"reason": "not today"}).json()["reason"] == "admin: not today"
    assert _code(head, 409, "POST", f"{one}/approve", headers=_token(head, "edsger")) == "PROMOTION_ENDED"

    read_feed(floor, "Head")
    assert package_at(floor, package_id) is None


def test_unknown_stages_and_ways_around_an_approval_are_refused(sites: Sites) -> None:
    """At every door, with a code; and the package stays where it was."""
    head, _, floor = sites
    package_id = put(head, "Guarded.pkg", b"guarded", "test")
    tags, promote = f"/packages/{package_id}/tags", f"/packages/{package_id}/promote"
    upload = {"data": b"x", "headers": {"Ods-Tags": "staging"}}
    assert _code(head, 400, "PUT", "/packages/Unknown.pkg", **upload) == "STAGE_UNKNOWN"
    assert _code(head, 400, "PUT", "/packages/Unknown.pkg", data=b"x") == "TAGS_NEEDED"
    assert _code(head, 400, "POST", tags, json={"tags": ["staging"]}) == "STAGE_UNKNOWN"
    assert _code(head, 400, "POST", promote, json={"to": "staging"}) == "STAGE_UNKNOWN"
    assert _code(head, 409, "POST", tags, json={"tags": ["test", "production"]}) == "APPROVAL_NEEDED"
    assert _code(head, 409, "POST", tags, json={"tags": []}) == "APPROVAL_NEEDED"

    wait_package(head, package_id, tags=["test"], state="published")
    read_feed(floor, "Head")
    assert package_at(floor, package_id) is None


def test_a_narrowed_package_leaves_the_stage(sites: Sites) -> None:
    """What is taken out of the test stage is no longer downloadable there, and is told so; back in it, no byte moves."""
    head, lab, _ = sites
    package_id = put(head, "Narrow.pkg", b"narrow" * 1000, "test")
    wait_published(package_id, lab)
    fetched = bytes_fetched(lab)
    retag(head, package_id, "development")
    wait_package(lab, package_id, state="withheld")
    assert download(lab, "Narrow.pkg") is None
    retag(head, package_id, "development", "test")
    wait_published(package_id, lab)
    assert bytes_fetched(lab) == fetched


def test_a_name_goes_back_and_forth_everywhere(sites: Sites) -> None:
    """Uploaded at one site; another one rolls back, rolls forward; the first goes on. Clients get the same everywhere, no byte moves."""
    head, lab, floor = sites
    versions = []
    for number in range(3):
        versions.append(put(lab, "Versions.pkg", f"version {number}".encode() * 100))
        wait_published(versions[-1], head, floor)
    fetched = bytes_fetched(head), bytes_fetched(floor)
    assert head.api("POST", "/names/Versions.pkg/rollback", json={}).json()["package_id"] == versions[1]
    wait_published(versions[1], head, lab, floor)

    make_current(head, versions[2])
    wait_published(versions[2], head, lab, floor)
    assert [download(site, "Versions.pkg") for site in sites] == [b"version 2" * 100] * 3
    assert (bytes_fetched(head), bytes_fetched(floor)) == fetched
    versions.append(put(lab, "Versions.pkg", b"version 3"))
    wait_published(versions[3], head, lab, floor)
    for site in sites:
        history = site.api("GET", "/names/Versions.pkg/history").json()["items"]
        assert [item["package_id"] for item in history] == [versions[3], versions[2], versions[1], versions[0]]
