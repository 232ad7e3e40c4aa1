"""Claims about events: what was promised once is read for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.contracts import events, generate
from shared.contracts.events import ALL, Envelope
from shared.core.identity import InstanceId
from shared.core.staging import MAX_TAGS

EXAMPLES = Path(generate.__file__).parent / "examples"
TYPES = sorted(ALL)


def golden(event_type: str) -> dict[str, Any]:
    """The golden example of an event, as it stands on the bus."""
    document: dict[str, Any] = json.loads((EXAMPLES / f"{event_type}.json").read_text(encoding="utf-8"))
    return document


def test_every_event_has_one_golden_example_and_every_example_an_event() -> None:
    """A new version comes with an example; an old example is never deleted, nor its event."""
    assert sorted(path.stem for path in EXAMPLES.glob("*.json")) == TYPES


@pytest.mark.parametrize("event_type", TYPES)
def test_a_golden_example_is_read_and_written_unchanged(event_type: str) -> None:
    """Nothing is lost or renamed between the wire and the value, in either direction."""
    example = golden(event_type)

    envelope = Envelope.model_validate(example)
    event = ALL[event_type].model_validate(envelope.data)

    assert envelope.model_dump(mode="json") == example
    assert event.model_dump(mode="json") == example["data"]
    assert (envelope.type, envelope.source) == (event.type, event.source)


@pytest.mark.parametrize("event_type", TYPES)
def test_a_golden_example_shows_every_field(event_type: str) -> None:
    """Optional fields too, so that taking one away is noticed."""
    assert set(golden(event_type)["data"]) == set(ALL[event_type].model_fields)


@pytest.mark.parametrize("event_type", TYPES)
def test_readers_ignore_what_they_do_not_know(event_type: str) -> None:
    """A newer sender may add fields, in the envelope and in the data."""
    example = golden(event_type)
    newer = example | {"colour": "green", "data": example["data"] | {"weight": {"kilogrammes": 12}}}

    envelope = Envelope.model_validate(newer)

    assert envelope == Envelope.model_validate(example | {"data": newer["data"]})
    assert ALL[event_type].model_validate(envelope.data) == ALL[event_type].model_validate(example["data"])


@pytest.mark.parametrize("event_type", TYPES)
def test_an_event_cannot_be_changed(event_type: str) -> None:
    """Facts are frozen."""
    event = ALL[event_type].model_validate(golden(event_type)["data"])

    with pytest.raises(ValidationError):
        setattr(event, next(iter(type(event).model_fields)), "another")


def test_instance_ids_in_the_examples_could_be_real() -> None:
    """What people copy from an example has the form of the real thing."""
    peer_ids = {golden(event_type)["data"].get("peer_id") for event_type in TYPES} - {None}

    assert all(str(InstanceId.parse(peer_id)) == peer_id for peer_id in peer_ids)


def test_an_envelope_is_around_one_fact() -> None:
    """It has an id of its own each time, and carries type, source and correlation id."""
    fact = events.PeerRevokedV1(peer_id="A" * 52, name="Bremen")

    one, other = Envelope.around(fact, "c0ffee00"), Envelope.around(fact, "c0ffee00")

    assert one.id != other.id
    assert (one.type, one.source, one.correlation_id, one.data) == (fact.type, "replication", "c0ffee00", fact.model_dump())


def test_the_committed_schemas_are_those_of_the_models() -> None:
    """Whoever changes a model commits the schema with it: `make schemas`."""
    assert generate.stale() == []


def test_schemas_are_written_and_forgotten_ones_removed(tmp_path: Path) -> None:
    """Writing makes `--check` pass, whatever was there before."""
    (tmp_path / "package.forgotten.v1.json").write_text("{}")

    written = generate.write(tmp_path)

    assert "package.forgotten.v1.json" in written
    assert generate.stale(tmp_path) == []


def test_no_event_carries_a_list_that_grows() -> None:
    """Identifiers and small values only: what grows with the package is a stored object. A list has a bound, of a few tags."""
    bounds = [field.get("maxItems") for event in ALL.values() for field in _arrays(event.model_json_schema())]

    assert all(bound is not None and bound <= MAX_TAGS for bound in bounds)


def _arrays(schema: Any) -> list[dict[str, Any]]:
    if not isinstance(schema, dict):
        return []
    found = [schema] if schema.get("type") == "array" else []
    return found + [array for part in schema.values() for array in _arrays(part)]
