"""Claims about what the directory writes down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.directory.domain.audit import Entry
from services.directory.handlers.audit import AuditTrail
from shared.contracts import events, generate, spine
from shared.contracts.events import CatalogueRestoredV1, Envelope, PackageDeletedV1, PeerRevokedV1
from shared.contracts.happening import Happening
from shared.core.errors import InvalidInput
from shared.testing.fakes.clock import NOON
from tests.unit.directory.directory_fakes import FakeAuditLog, FakeHead

DELETED = PackageDeletedV1(package_id="00000000-0000-4000-8000-000000000001", name="Firefox.pkg", author="A" * 52, person="Ada Lovelace")
EXAMPLES = Path(generate.__file__).parent / "examples"


@pytest.fixture
def trail() -> AuditTrail:
    """An audit log in which nothing stands yet."""
    return AuditTrail(FakeAuditLog(), FakeHead())


def write_down_revocations(trail: AuditTrail, number: int) -> None:
    """As many events as asked for, each another."""
    for each in range(1, number + 1):
        trail.write_down(PeerRevokedV1(peer_id="PEER", name=f"peer {each}"), Happening(f"e{each}", NOON))


def pages(trail: AuditTrail, limit: int) -> list[list[int]]:
    """The numbers on each page, following the cursor to the end."""
    found, after = [], None
    while True:
        page = trail.list_audit(after, limit, {})
        found.append([item["number"] for item in page["items"]])
        after = page["next"]
        if after is None:
            return found


def test_an_event_is_written_down_with_who_and_what(trail: AuditTrail) -> None:
    """As the Admin API shows it: the time is the event's own."""
    trail.write_down(DELETED, Happening("e1", NOON, "c0ffee"))

    assert trail.list_audit(None, 10, None) == {
        "items": [
            {
                "number": 1,
                "time": "2026-11-03T12:00:00Z",
                "type": "package.deleted.v1",
                "source": "storage",
                "person": "Ada Lovelace",
                "subject": "Firefox.pkg",
                "data": DELETED.model_dump(mode="json"),
                "correlation_id": "c0ffee",
                "hash": trail.log.newest().hash,
            }
        ],
        "next": None,
    }


def test_an_event_that_comes_twice_is_written_down_once(trail: AuditTrail) -> None:
    """By its id: another event with the same words is another entry."""
    trail.write_down(DELETED, Happening("e1", NOON))
    trail.write_down(DELETED, Happening("e1", NOON))
    trail.write_down(DELETED, Happening("e2", NOON))

    assert [item["number"] for item in trail.list_audit(None, 10, None)["items"]] == [2, 1]
    assert trail.figures() == {"audit_entries": 2}


def test_pages_go_from_the_newest_to_the_first(trail: AuditTrail) -> None:
    """Each entry once; the last page says that it is the last, also if it is full."""
    write_down_revocations(trail, 6)

    assert pages(trail, 4) == [[6, 5, 4, 3], [2, 1]]
    assert pages(trail, 3) == [[6, 5, 4], [3, 2, 1]]
    assert pages(trail, 1000) == [[6, 5, 4, 3, 2, 1]]


def test_what_is_new_meanwhile_shifts_no_page(trail: AuditTrail) -> None:
    """The cursor is a place, not a distance."""
    write_down_revocations(trail, 4)
    first = trail.list_audit(None, 2, None)
    trail.write_down(DELETED, Happening("new", NOON))

    assert [item["number"] for item in trail.list_audit(first["next"], 2, None)["items"]] == [2, 1]


@pytest.mark.parametrize("limit", [-1, 0, 1])
def test_a_page_has_at_least_one_entry(trail: AuditTrail, limit: int) -> None:
    """A nonsensical limit cannot make an endless walk."""
    write_down_revocations(trail, 2)

    assert pages(trail, limit) == [[2], [1]]


@pytest.mark.parametrize("after", ["", "x", "-1", "1 or 1=1", "9" * 19, "१", True, [1], {"number": 1}])
def test_a_made_up_cursor_is_refused(trail: AuditTrail, after: Any) -> None:
    """Whatever it is."""
    with pytest.raises(InvalidInput) as caught:
        trail.list_audit(after, 10, None)

    assert caught.value.code == "CURSOR_INVALID"


@pytest.mark.parametrize("event_type", sorted(spine.handled_by("directory")))
def test_every_event_says_what_it_is_about(event_type: str) -> None:
    """A package by its name, an instance by its id; only what is about this very instance has no subject."""
    envelope = Envelope.model_validate(json.loads((EXAMPLES / f"{event_type}.json").read_text(encoding="utf-8")))
    event = events.ALL[event_type].model_validate(envelope.data)

    entry = Entry.about(event, Happening(envelope.id, envelope.time, envelope.correlation_id))

    data = envelope.data
    known = [data.get(name) for name in ("name", "package_id", "peer_id", "instance_id", "old_id", "subscription_id", "about", "subject")]
    assert entry.subject in known
    assert (entry.subject is None) == (event_type == CatalogueRestoredV1.type)
    assert entry.person == data.get("person")
    assert entry.data == data


def test_a_peer_is_known_by_its_id_and_not_by_the_name_that_it_chose() -> None:
    """Names of instances are not unique, and may change."""
    assert Entry.about(PeerRevokedV1(peer_id="PEER", name="Bonn"), Happening("e1", NOON)).subject == "PEER"
