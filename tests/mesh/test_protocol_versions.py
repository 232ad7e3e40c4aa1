"""Two instances of which one speaks the first version of the peer protocol converge; so do they when it learns the second."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from shared.runtime.broker import PrivateBroker
from shared.testing.instance import Instance
from shared.testing.sites import download, join, package_at, peer_at, pull, put, retag, running, wait_package, wait_published

pytestmark = [pytest.mark.mesh, pytest.mark.slow]


@dataclass(frozen=True)
class Versions:
    """An instance that speaks the first version only, registered with one that speaks both."""

    old: Instance
    new: Instance


@pytest.fixture(scope="module")
def versions(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Versions]:
    """Both, running. The tests of this module are one story."""
    folder = tmp_path_factory.mktemp("versions")
    first_only = {"ODST_PEER_PROTOCOLS": "1"}
    old = Instance("old", folder / "old", broker.uri(next(vhost_names)), settings=first_only)
    new = Instance("new", folder / "new", broker.uri(next(vhost_names)))
    with running(old, new):
        join(old, new)
        yield Versions(old, new)


def test_uploads_on_both_sides_arrive_at_the_other(versions: Versions) -> None:
    """Each as its origin made it; both sides know that they speak the first version."""
    old, new = versions.old, versions.new
    ids = [put(old, "from-old.pkg", b"o" * 2_000_000), put(new, "from-new.pkg", b"n" * 2_000_000)]

    for package_id in ids:
        wait_published(package_id, old, new)
    assert [download(site, name) for site in (old, new) for name in ("from-old.pkg", "from-new.pkg")] == [
        b"o" * 2_000_000,
        b"n" * 2_000_000,
    ] * 2
    assert (peer_at(old, "new")["protocol"], peer_at(new, "old")["protocol"]) == (1, 1)


def test_a_newer_package_supersedes_on_both_sides(versions: Versions) -> None:
    """Whichever of the two it is uploaded at."""
    old, new = versions.old, versions.new
    wait_published(put(new, "tool.pkg", b"version 1"), old, new)
    for site, data in ((old, b"version 2"), (new, b"version 3")):
        wait_published(put(site, "tool.pkg", data), old, new)

    digests = {site.published("tool.pkg")["sha256"] for site in (old, new)}
    assert digests == {hashlib.sha256(b"version 3").hexdigest()}


def test_what_the_first_version_cannot_say_arrives_when_the_second_is_spoken(versions: Versions) -> None:
    """Tombstones and tags that were written meanwhile; what the old one bore is not lost either."""
    old, new = versions.old, versions.new
    deleted, narrowed, kept = (put(new, name, name.encode()) for name in ("deleted.pkg", "narrowed.pkg", "kept.pkg"))
    wait_published(deleted, old, new)
    wait_published(narrowed, old, new)
    new.api("DELETE", f"/packages/{deleted}", expect=None)
    retag(new, narrowed, "production")
    wait_package(new, deleted, state="deleted")
    later = put(new, "later.pkg", b"after the tombstone")
    for package_id in (kept, later):
        wait_published(package_id, old, new)
    assert (package_at(old, deleted) or {})["state"] == "published"

    old.stop()
    old.settings["ODST_PEER_PROTOCOLS"] = "1,2"
    old.start().wait_ready()
    pull(old, new)

    wait_package(old, deleted, state="deleted")
    wait_package(old, narrowed, state="withheld")
    assert (package_at(old, kept) or {})["state"] == "published"
    assert download(old, "deleted.pkg") is None


def test_from_then_on_both_speak_the_second(versions: Versions) -> None:
    """A tombstone of the old one arrives at the new one, which it made a steward, and the other way round nothing is asked."""
    old, new = versions.old, versions.new
    package_id = put(old, "late.pkg", b"late")
    wait_published(package_id, old, new)

    new.api("DELETE", f"/packages/{package_id}", expect=None)

    wait_package(old, package_id, state="deleted")
    assert (peer_at(old, "new")["protocol"], peer_at(new, "old")["protocol"]) == (2, 2)
