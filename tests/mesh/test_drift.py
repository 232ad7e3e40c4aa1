"""What the change feed did not bring: a drift check finds it; who was away or cut off catches up without being told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import requests

from shared.core.meta import NO_META
from shared.testing.instance import Instance
from shared.testing.mesh import agree, delete
from shared.testing.sites import bytes_fetched, change_peer, package_at, put, retag, wait_audited, wait_package, wait_published
from shared.testing.waiting import wait_for

pytestmark = [pytest.mark.mesh, pytest.mark.slow]
SELDOM = {"ODST_POLL_SECONDS": "3600"}
"""What is found then is found at the start, or when a link returns."""
LOST = 3


@contextmanager
def _away(instance: Instance, **settings: str) -> Iterator[None]:
    """Not running within; afterwards with these settings too."""
    instance.stop()
    yield
    instance.settings |= settings
    instance.start().wait_ready()


@pytest.fixture(scope="module", autouse=True)
def _settings_restored(_pair: Any) -> Iterator[None]:
    """Whatever is set here is as before for other modules."""
    kept = [(instance, dict(instance.settings)) for instance in (_pair.a, _pair.b)]
    yield
    for instance, settings in kept:
        instance.stop()
        instance.settings = settings


@pytest.fixture
def seldom(pair: Any) -> Any:
    """Two instances without a poll that is due within any test."""
    for instance in (pair.a, pair.b):
        if not SELDOM.items() <= instance.settings.items():
            with _away(instance, **SELDOM):
                pass
    return pair


def _figure(instance: Instance, name: str) -> float:
    return float(instance.api("GET", "/status").json()["services"]["replication"][name])


def _forget_packages(instance: Instance, *package_ids: str) -> None:
    """Remove all rows about some packages from the catalogue, as a fault of the disk or of a person might; cursors stay."""
    marks = ",".join("?" * len(package_ids))
    with closing(sqlite3.connect(instance.data / "databases" / "storage.sqlite3")) as database, database:
        assert database.execute(f"DELETE FROM packages WHERE package_id IN ({marks})", package_ids).rowcount == len(package_ids)
        database.execute(f"DELETE FROM meta WHERE package_id IN ({marks})", package_ids)
        database.execute(f"DELETE FROM feed WHERE record_id IN ({marks})", package_ids)


def test_the_drift_check_finds_what_was_lost(pair: Any) -> None:
    """Rows that were deleted by hand come back, as do tags and tombstones; an event and a figure say how many; bytes that are here stay."""
    a, b = pair.a, pair.b
    lost = [put(a, f"lost-{number}.pkg", f"lost {number}".encode() * 100) for number in range(LOST)]
    kept = put(a, "kept.pkg", b"kept" * 100)
    retag(a, lost[0], "test")
    delete(a, lost[1])
    agree(a, b)
    fetched = bytes_fetched(b)
    with _away(b, ODST_DRIFT_CHECK_SECONDS="2"):
        _forget_packages(b, *lost)

    entry = wait_audited(b, "catalogue.drifted.v1")
    assert (entry["data"]["missing"], entry["data"]["different"]) == (LOST, 0)
    agree(a, b)
    wait_package(b, lost[0], state="published", tags=["test"])
    wait_package(b, lost[1], state="deleted")
    assert (package_at(b, kept) or {})["state"] == "published"
    assert (_figure(b, "drift_found"), bytes_fetched(b)) == (LOST, fetched)
    checks = _figure(b, "drift_checks")
    wait_for(lambda: _figure(b, "drift_checks") > checks, "it compares again, and finds nothing more")
    assert _figure(b, "drift_found") == LOST


def test_what_only_one_side_shows_is_compared_too(pair: Any) -> None:
    """B lets A see nothing tagged, as a registration has it by default: what A shows is held against A's list all the same;
    a package that was lost, and one whose tags were; and what B has beyond that is no drift, however often it is compared.
    """
    a, b = pair.a, pair.b
    with _hiding(b, a):
        hidden, lost, retagged = (
            put(at, f"{name}.pkg", name.encode() * 99, "test") for at, name in ((b, "own"), (a, "gone"), (a, "moved"))
        )
        retag(a, retagged, "production")
        for package_id, tag in ((lost, "test"), (retagged, "production")):
            wait_package(b, package_id, state="published", tags=[tag])
        with _away(b, ODST_DRIFT_CHECK_SECONDS="2"):
            _forget_packages(b, lost)
            _forget_words(b, retagged, tags="test")

        wait_audited(b, "catalogue.drifted.v1", missing=1, different=1)
        wait_package(b, lost, state="published", tags=["test"])
        wait_package(b, retagged, state="published", tags=["production"])
        found, checks = _figure(b, "drift_found"), _figure(b, "drift_checks")
        wait_for(lambda: _figure(b, "drift_checks") > checks + 1, "it compares again, and finds nothing more")
        assert (_figure(b, "drift_found"), package_at(a, hidden)) == (found, None)
    assert f"odst_replication_drift_found {found}" in requests.get(f"{b.url}/metrics", timeout=30).text


@contextmanager
def _hiding(instance: Instance, other: Instance) -> Iterator[None]:
    """It lets the other see nothing tagged within."""
    change_peer(instance, other.name, tags=[])
    yield
    change_peer(instance, other.name, tags=["*"])


def _forget_words(instance: Instance, package_id: str, *, tags: str) -> None:
    """Remove what was said of a package since it was made with these tags."""
    with closing(sqlite3.connect(instance.data / "databases" / "storage.sqlite3")) as database, database:
        assert database.execute("DELETE FROM meta WHERE package_id = ?", (package_id,)).rowcount == 1
        values = (NO_META, tags, package_id)
        database.execute("UPDATE packages SET meta_digest = ?, tags = ? WHERE package_id = ?", values)


def test_who_was_away_catches_up_at_its_start(seldom: Any) -> None:
    """Nobody rings, and no poll is due: at its start an instance reads what it missed."""
    a, b = seldom.a, seldom.b
    first = put(a, "seen.pkg", b"seen" * 100)
    wait_published(first, b)
    with seldom.links.deaf():
        with _away(b):
            missed = put(a, "missed.pkg", b"missed" * 100)
            delete(a, first)
        wait_published(missed, b)
        wait_package(b, first, state="deleted")


def test_who_was_cut_off_catches_up_when_the_link_returns(seldom: Any) -> None:
    """Both sides went on meanwhile; no poll is due for an hour, and yet they agree as soon as they reach each other."""
    a, b = seldom.a, seldom.b
    wait_published(put(a, "together.pkg", b"together"), b)
    with seldom.links.parted((a,), (b,)):
        here, there = put(a, "here.pkg", b"here" * 100), put(b, "there.pkg", b"there" * 100)
        wait_for(lambda: len({call.sender for call in seldom.links.stopped}) > 1, "both tried to reach the other")
        assert (package_at(b, here), package_at(a, there)) == (None, None)
    wait_published(here, b)
    wait_published(there, a)
