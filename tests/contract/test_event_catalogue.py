"""Claims about the catalogue of events: made from the contracts, complete, and true."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from shared.contracts import generate
from shared.contracts.catalogue import EventType, catalogue
from shared.contracts.events import ALL
from shared.contracts.events_page import events_page
from shared.contracts.spine import STEPS

ONE_LINE = 200
CATALOGUE = {one.type: one for one in catalogue()}
PAGE = generate.PAGE.read_text(encoding="utf-8")


def test_the_catalogue_has_every_event_once() -> None:
    """What is not in it cannot be looked up by whoever subscribes."""
    assert sorted(one.type for one in catalogue()) == sorted(ALL)


@pytest.mark.parametrize("event_type", sorted(ALL))
def test_every_event_has_a_meaning_an_example_that_fits_its_schema_and_a_place_in_the_docs(event_type: str) -> None:
    """One line that says what it means, and a section of its own."""
    one = CATALOGUE[event_type]

    jsonschema.validate(one.example["data"], one.data_schema)

    assert one.meaning.endswith(".")
    assert len(one.meaning) <= ONE_LINE
    assert one.right in {"view", "audit"}
    assert f"\n### {event_type}\n\n{one.meaning}\n" in PAGE
    assert f'"type": "{event_type}"' in PAGE


def test_the_catalogue_says_who_handles_what_as_the_spine_does() -> None:
    """Neither more nor less, and webhooks have what notify handles."""
    spoken = {step.event.type: step.handlers for step in STEPS}

    assert {one.type: one.handlers for one in catalogue()} == {event_type: spoken.get(event_type, {}) for event_type in ALL}
    assert {one.type for one in catalogue() if one.to_subscribers} == {step.event.type for step in STEPS if "notify" in step.handlers}


def test_security_events_are_for_auditors() -> None:
    """Whoever may only look is not told who tried what at the doors, nor which peer lied."""
    said = {one.type: one.right for one in catalogue() if "security event" in one.meaning or one.source == "api_gateway"}

    assert set(said.values()) == {"audit"}
    assert "door.acted.v1" in said


def test_the_committed_page_is_that_of_the_contracts(tmp_path: Path) -> None:
    """Whoever changes an event commits the page with it: `make schemas`; `make check` says so."""
    (tmp_path / "old.md").write_text(events_page().replace("downloadable", "gone"), encoding="utf-8")

    assert not generate.page_is_stale()
    assert generate.page_is_stale(tmp_path / "old.md")
    assert generate.page_is_stale(tmp_path / "missing.md")


def test_groups_stand_together() -> None:
    """Each group is one run of the catalogue, so that a list of it can have headings."""
    groups = [one.group for one in catalogue()]
    runs = [group for number, group in enumerate(groups) if number == 0 or groups[number - 1] != group]

    assert len(runs) == len(set(runs))


def test_an_event_type_knows_its_exchange() -> None:
    """As the topology of the bus has it."""
    one: EventType = CATALOGUE["package.published.v1"]

    assert one.exchange == "storage.events"


def test_the_page_about_the_broker_names_every_exchange() -> None:
    """Whoever binds to all of those on the page hears everything."""
    page = (generate.PAGE.parent / "amqp.md").read_text(encoding="utf-8")

    assert {one.exchange for one in catalogue() if f"`{one.exchange}`" not in page} == set()
