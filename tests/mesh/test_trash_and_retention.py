"""What is deleted or superseded, and when its bytes go; each site by its own settings, and nobody is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.runtime.broker import PrivateBroker
from shared.testing.instance import Instance
from shared.testing.mesh import delete, make_current, undelete
from shared.testing.sites import bytes_fetched, download, join, package_at, put, running, wait_audited, wait_package, wait_published

pytestmark = [pytest.mark.mesh, pytest.mark.slow]
Sites = tuple[Instance, Instance]


@pytest.fixture(scope="module")
def sites(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """One with room: a long trash, three superseded versions; one without: a second of trash, one superseded version."""
    folder = tmp_path_factory.mktemp("trash")

    def make(name: str, **settings: str) -> Instance:
        return Instance(name, folder / name, broker.uri(next(vhost_names)), settings=settings)

    roomy, tight = make("Roomy"), make("Tight", ODST_TRASH_SECONDS="1", ODST_SUPERSEDED_KEPT="1")
    with running(roomy, tight):
        join(tight, roomy, steward=True)
        yield roomy, tight


def _blobs(instance: Instance, package_id: str) -> int:
    sha256 = (package_at(instance, package_id) or {})["sha256"]
    return len(list((instance.data / "blobs").rglob(sha256)))


def test_what_is_deleted_waits_in_the_trash(sites: Sites) -> None:
    """Deleted at one site, it is gone everywhere; bytes stay as long as each site says; an undelete brings it back to all."""
    roomy, tight = sites
    package_id = put(roomy, "Deleted.pkg", b"deleted" * 1000)
    wait_published(package_id, tight)
    delete(roomy, package_id)
    wait_package(tight, package_id, state="deleted", bytes_here=False)
    wait_package(roomy, package_id, state="deleted", bytes_here=True)
    assert (_blobs(roomy, package_id), _blobs(tight, package_id)) == (1, 0)
    assert [download(site, "Deleted.pkg") for site in sites] == [None, None]
    assert roomy.api("GET", f"/packages/{package_id}").json()["remove_after"] is not None

    fetched = bytes_fetched(roomy)
    undelete(roomy, package_id)
    wait_published(package_id, roomy, tight)
    assert [download(site, "Deleted.pkg") for site in sites] == [b"deleted" * 1000] * 2
    assert bytes_fetched(roomy) == fetched
    wait_audited(tight, "package.restored.v1", package_id=package_id)


def test_what_left_the_trash_is_not_brought_back_from_there(sites: Sites) -> None:
    """After its time a site says so, and another one that still has the bytes can do it."""
    roomy, tight = sites
    package_id = put(tight, "Late.pkg", b"late" * 1000)
    wait_published(package_id, roomy)
    delete(tight, package_id)
    wait_package(tight, package_id, state="deleted", bytes_here=False)
    wait_package(roomy, package_id, state="deleted", bytes_here=True)
    refusal = tight.api("POST", f"/packages/{package_id}/undelete", expect=409).json()
    assert refusal["code"] == "BYTES_GONE"

    undelete(roomy, package_id)
    wait_published(package_id, roomy, tight)


def test_each_site_keeps_as_many_versions_as_it_wants(sites: Sites) -> None:
    """Bytes of older ones are removed, nobody else's; they stay known, are never fetched for being old, and come when made current."""
    roomy, tight = sites
    versions: list[str] = []
    for number in range(4):
        versions.append(put(roomy, "Kept.pkg", f"version {number}".encode() * 1000))
        wait_published(versions[-1], tight)
    for package_id in versions[:2]:
        wait_package(tight, package_id, state="superseded", bytes_here=False)
    wait_package(tight, versions[2], state="superseded", bytes_here=True)
    assert [_blobs(roomy, package_id) for package_id in versions] == [1, 1, 1, 1]
    assert [_blobs(tight, package_id) for package_id in versions] == [0, 0, 1, 1]

    fetched = bytes_fetched(tight)
    make_current(roomy, versions[0])
    wait_published(versions[0], tight)
    assert bytes_fetched(tight) == fetched + len(b"version 0" * 1000)
    wait_package(tight, versions[2], state="superseded", bytes_here=False)
    wait_package(tight, versions[3], state="superseded", bytes_here=True)
    assert [_blobs(roomy, package_id) for package_id in versions] == [1, 1, 1, 1]


def test_bytes_that_another_package_has_are_not_removed(sites: Sites) -> None:
    """Two names, one blob: deleting one of them takes nothing from the other."""
    roomy, tight = sites
    one, other = put(roomy, "One.pkg", b"same" * 1000), put(roomy, "Other.pkg", b"same" * 1000)
    wait_published(one, tight)
    wait_published(other, tight)
    delete(roomy, one)
    wait_package(tight, one, state="deleted", bytes_here=False)
    assert download(tight, "Other.pkg") == b"same" * 1000
