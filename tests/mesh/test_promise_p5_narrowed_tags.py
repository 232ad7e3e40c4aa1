"""Promise P5: who may no longer have a package is told `gone`, follows its own policy, and gets 403 on everything about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from shared.runtime.broker import PrivateBroker
from shared.testing.instance import Instance
from shared.testing.peer import TestPeer
from shared.testing.sites import (
    bytes_fetched,
    change_peer,
    download,
    id_of,
    join,
    key_of,
    package_at,
    put,
    retag,
    running,
    wait_audited,
    wait_package,
    wait_published,
)
from shared.testing.waiting import wait_for

pytestmark = [pytest.mark.mesh, pytest.mark.slow, pytest.mark.promise("P5")]
DATA = b"only for some" * 1000
PARTS = ("manifest", "chunk-digests", "have", "content")


@dataclass(frozen=True)
class Sites:
    """Headquarters shows each branch what is for tests; each branch bears that, and has another policy for what is gone."""

    head: Instance
    keeps: Instance
    hides: Instance
    removes: Instance
    tester: TestPeer
    """A peer of headquarters that is shown what is for tests."""
    stranger: TestPeer
    """A peer of headquarters that is shown nothing with a tag."""

    @property
    def branches(self) -> tuple[Instance, ...]:
        """All that are to lose what is narrowed."""
        return self.keeps, self.hides, self.removes


@pytest.fixture(scope="module")
def sites(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """All of them; the one that hides and the one that removes have each other as peers, and hold nothing back from each other."""
    folder = tmp_path_factory.mktemp("p5")

    def make(name: str, **settings: str) -> Instance:
        return Instance(name, folder / name, broker.uri(next(vhost_names)), settings=settings)

    head = make("Head", ODST_STAGING_TAGS="*")
    keeps, hides, removes = (
        make(policy.title(), ODST_STAGING_TAGS="test", ODST_GONE_POLICY=policy) for policy in ("keep", "hide", "remove")
    )
    with running(head, keeps, hides, removes), TestPeer("Tester") as tester, TestPeer("Stranger") as stranger:
        for branch in (keeps, hides, removes):
            join(branch, head, sees=["test"], shows=["*"])
        join(hides, removes, sees=["*"], shows=["*"])
        tester.join(head, head.api("POST", "/invitations", json={"tags": ["test"]}, expect=201).json()["invitation"])
        stranger.join(head)
        yield Sites(head, keeps, hides, removes, tester, stranger)


def _feed(peer: TestPeer, head: Instance) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = peer.request(head, "GET", "/ods/v1/changes?limit=1000").json()["items"]
    return items


def _kinds(peer: TestPeer, head: Instance, package_id: str) -> list[str]:
    return [item["kind"] for item in _feed(peer, head) if item["id"] == package_id]


def _answers(peer: TestPeer, instance: Instance, package_id: str) -> set[tuple[int, str]]:
    """Status and code of every question about a package that has an address of its own."""
    found = [peer.request(instance, "GET", f"/ods/v1/packages/{package_id}/{part}") for part in PARTS]
    return {(one.status_code, "" if one.ok else one.json()["code"]) for one in found}


def _as_peer(instance: Instance) -> TestPeer:
    """Somebody who speaks with the instance's own key."""
    peer = TestPeer(instance.name)
    peer.key = key_of(instance)
    return peer


def test_narrowed_tags_are_told_and_each_site_follows_its_policy(sites: Sites) -> None:
    """P5: keep, hide or remove; two sites that show each other everything keep nothing alive; widening brings it back."""
    head, (keeps, hides, removes) = sites.head, sites.branches
    package_id = put(head, "Narrowed.pkg", DATA, "test")
    wait_published(package_id, *sites.branches)
    fetched = [bytes_fetched(branch) for branch in (keeps, hides)]

    retag(head, package_id, "production")
    wait_package(hides, package_id, state="withheld", bytes_here=True, tags=["production"])
    wait_package(removes, package_id, state="withheld", bytes_here=False, tags=["production"])
    wait_package(keeps, package_id, state="published", bytes_here=True, tags=["production"])
    assert [download(branch, "Narrowed.pkg") for branch in sites.branches] == [DATA, None, None]
    assert not list((removes.data / "blobs").rglob(str(package_at(head, package_id)["sha256"])))  # type: ignore[index]
    for branch, policy in ((hides, "hide"), (removes, "remove")):
        wait_audited(branch, "package.withdrawn.v1", package_id=package_id, policy=policy)

    retag(head, package_id, "test", "production")
    wait_published(package_id, *sites.branches)
    assert [bytes_fetched(branch) for branch in (keeps, hides)] == fetched
    assert [download(branch, "Narrowed.pkg") for branch in sites.branches] == [DATA] * 3


def test_who_may_no_longer_have_it_gets_403_and_learns_only_why(sites: Sites) -> None:
    """P5: `gone` in the feed; 403 on manifest, chunk digests, have and content; of its records those that say why, and nothing else."""
    head, tester = sites.head, sites.tester
    package_id = put(head, "Refused.pkg", DATA, "test")
    wait_published(package_id, sites.removes)
    assert _kinds(tester, head, package_id) == ["package"]
    assert _answers(tester, head, package_id) == {(200, "")}

    retag(head, package_id, "production")
    assert _kinds(tester, head, package_id) == ["gone"]
    assert _answers(tester, head, package_id) == {(403, "NOT_ENTITLED")}
    with _as_peer(sites.removes) as branch:
        assert _answers(branch, head, package_id) == {(403, "NOT_ENTITLED")}
    asked = f'{{"packages": ["{package_id}"]}}'.encode()
    (given,) = tester.request(head, "POST", "/ods/v1/records", asked).json()["packages"]
    assert (sorted(given), len(given["meta"])) == (["id", "meta"], 1)
    assert tester.request(head, "POST", "/ods/v1/holdings", asked).json() == {"packages": {}}

    retag(head, package_id, "test")
    assert _kinds(tester, head, package_id) == ["package"]
    assert _answers(tester, head, package_id) == {(200, "")}


def test_who_never_was_entitled_learns_nothing(sites: Sites) -> None:
    """P5: neither id nor name, in no answer, whatever happens to the package; only one without tags is shown."""
    head, stranger = sites.head, sites.stranger
    hidden = put(head, "Secret.pkg", DATA, "test")
    shown = put(head, "Open.pkg", b"for all")
    for change in (lambda: retag(head, hidden, "production"), lambda: head.api("DELETE", f"/packages/{hidden}")):
        change()
        told = [
            stranger.request(head, "GET", "/ods/v1/changes?limit=1000"),
            stranger.request(head, "POST", "/ods/v1/records", f'{{"packages": ["{hidden}"]}}'.encode()),
            stranger.request(head, "POST", "/ods/v1/holdings", f'{{"packages": ["{hidden}"]}}'.encode()),
            stranger.request(head, "GET", f"/ods/v1/buckets/{int(hidden[:2], 16)}?tags=*"),
        ]
        assert [answer.status_code for answer in told] == [200] * 4
        assert not [answer.text for answer in told if hidden in answer.text or "Secret" in answer.text]
        assert _answers(stranger, head, hidden) == {(403, "NOT_ENTITLED")}
    assert _kinds(stranger, head, shown) == ["package"]


def test_a_narrowed_registration_has_the_same_effect(sites: Sites) -> None:
    """P5: what a peer may see is narrowed instead of the package; one site loses it, the others keep it; widening brings it back."""
    head, hides, removes = sites.head, sites.hides, sites.removes
    package_id = put(head, "Registered.pkg", DATA, "test")
    wait_published(package_id, *sites.branches)
    change_peer(removes, "Hide", tags=[])
    change_peer(hides, "Remove", tags=[])
    fetched = bytes_fetched(hides)

    change_peer(head, "Hide", tags=[])
    wait_package(hides, package_id, state="withheld", bytes_here=True, tags=["test"])
    wait_audited(hides, "package.withdrawn.v1", package_id=package_id)
    assert download(hides, "Registered.pkg") is None
    with _as_peer(hides) as narrowed:
        assert _kinds(narrowed, head, package_id) == ["gone"]
        assert _answers(narrowed, head, package_id) == {(403, "NOT_ENTITLED")}
        assert _answers(narrowed, removes, package_id) == {(403, "NOT_ENTITLED")}
    wait_published(package_id, sites.keeps, removes)

    change_peer(head, "Hide", tags=["test"])
    wait_published(package_id, hides)
    assert bytes_fetched(hides) == fetched
    wait_for(lambda: download(hides, "Registered.pkg") == DATA, f"clients of {id_of(hides)} get it again")
