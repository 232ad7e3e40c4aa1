"""Claims about meta records, charters and rotations: what their authors signed is what is read, and nothing else is."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core import charter as charters
from shared.core import meta
from shared.core.charter import Census, Charter, Rotation
from shared.core.clock import Stamp
from shared.core.errors import ManifestInvalid, RecordInvalid
from shared.core.meta import MetaField, MetaRecord, digest_of
from shared.runtime.keys import (
    MAX_CHARTER_BYTES,
    MAX_ENVELOPE_BYTES,
    InstanceKey,
    open_charter,
    open_manifest,
    open_meta,
    open_rotation,
    seal,
)
from shared.testing.builders import ORIGIN, a_manifest
from shared.testing.records import a_charter, a_meta, a_rotation, later

OTHER = InstanceKey.generate()
SUCCESSOR = InstanceKey.generate()
RECORDS: dict[str, Any] = {"meta": a_meta(), "charter": a_charter(stewards=[OTHER], revoked={SUCCESSOR: later(1)})}
RECORDS["rotation"] = a_rotation(ORIGIN, SUCCESSOR)
TYPES = {"meta": meta.PAYLOAD_TYPE, "charter": charters.CHARTER_TYPE, "rotation": charters.ROTATION_TYPE}
OPENERS: dict[str, Callable[[bytes], Any]] = {"meta": open_meta, "charter": open_charter, "rotation": open_rotation}
SIGNERS = {"meta": (ORIGIN,), "charter": (ORIGIN,), "rotation": (ORIGIN, SUCCESSOR)}

tags = st.lists(st.from_regex(r"[a-z0-9][a-z0-9-]{0,39}", fullmatch=True), max_size=5, unique=True).map(lambda found: tuple(sorted(found)))
stamps = st.builds(Stamp, st.integers(0, 10**13 - 1), st.integers(0, 9999))
people = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=meta.MAX_PERSON)
values = st.one_of(
    st.tuples(st.just(MetaField.TAGS), tags),
    st.tuples(st.just(MetaField.DELETED), st.booleans()),
    st.tuples(st.just(MetaField.RAISED), st.just(value=True)),
)
junk_values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.none())
)


def sealed(kind: str, payload: bytes | None = None, payload_type: str | None = None) -> bytes:
    """A record's envelope, truly signed whatever it holds."""
    return seal(RECORDS[kind].payload() if payload is None else payload, payload_type or TYPES[kind], *SIGNERS[kind])


def changed(kind: str, **fields: Any) -> bytes:
    """A record's payload with other fields; `...` takes one away."""
    known = json.loads(RECORDS[kind].payload()) | fields
    return json.dumps({name: value for name, value in known.items() if value is not ...}).encode()


@given(values, stamps, people)
def test_any_meta_record_survives_the_journey(value: tuple[MetaField, Any], stamp: Stamp, person: str) -> None:
    """Signed, sent, opened: the same."""
    record = a_meta(value[0], value=value[1], stamp=stamp, person=person)

    assert open_meta(ORIGIN.sign_meta(record)) == record


@given(tags, stamps, st.one_of(st.none(), stamps), st.integers(0, 1 << 52))
def test_any_charter_survives_the_journey(borne: tuple[str, ...], stamp: Stamp, until: Stamp | None, count: int) -> None:
    """With stewards present and past, revoked ones, the tags it bears and the census."""
    charter = a_charter(revoked={SUCCESSOR: stamp}, stamp=stamp, tags=frozenset(borne), census=Census(count, "ab" * 32))
    charter = replace(charter, stewards=((OTHER.instance_id, until),))

    assert open_charter(ORIGIN.sign_charter(charter)) == charter


@given(stamps)
def test_any_rotation_survives_the_journey(stamp: Stamp) -> None:
    """With the signatures of both keys."""
    rotation = a_rotation(ORIGIN, SUCCESSOR, stamp)

    assert open_rotation(ORIGIN.sign_rotation(rotation, SUCCESSOR)) == rotation


def test_a_charter_has_room_for_a_thousand_stewards() -> None:
    """Not for one more."""
    charter = replace(a_charter(), stewards=((OTHER.instance_id, later(1)),) * 1000)

    assert open_charter(ORIGIN.sign_charter(charter)) == charter
    with pytest.raises(RecordInvalid, match="at most"):
        Charter.parse(changed("charter", stewards=[{"instance_id": "A", "until": None}] * 1001))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        *[(kind, {name: ...}) for kind, record in RECORDS.items() for name in json.loads(record.payload())],
        *[(kind, {"schema": "odst.else.v1"}) for kind in RECORDS],
        *[(kind, {"stamp": wrong}) for kind in RECORDS for wrong in ("now", 1764000000000, None, "1764000000000.3")],
        ("meta", {"package_id": "no-uuid"}),
        ("meta", {"field": "colour"}),
        ("meta", {"field": "raised", "value": False}),
        ("meta", {"field": "tags", "value": True}),
        ("meta", {"field": "tags", "value": ["*"]}),
        ("meta", {"field": "tags", "value": "test"}),
        ("meta", {"value": "true"}),
        ("meta", {"value": 1}),
        ("meta", {"value": float("nan")}),
        ("meta", {"person": None}),
        ("meta", {"person": {"name": "anna"}}),
        ("meta", {"author": str(OTHER.instance_id)}),
        ("meta", {"author_key": base64.b64encode(OTHER.public_bytes).decode()}),
        ("meta", {"author_key": "%%%"}),
        ("charter", {"instance_id": str(OTHER.instance_id)}),
        ("charter", {"name": 7}),
        ("charter", {"tags": ["Upper"]}),
        ("charter", {"stewards": "none"}),
        ("charter", {"stewards": [{"instance_id": "ABC", "until": None}]}),
        ("charter", {"stewards": [{"instance_id": str(OTHER.instance_id)}]}),
        ("charter", {"revoked": [{"instance_id": str(OTHER.instance_id), "since": None}]}),
        ("charter", {"revoked": None}),
        *[("charter", {"census": {"count": wrong, "digest": "0" * 64}}) for wrong in (-1, True, 1.5, 10**30, "7")],
        *[("charter", {"census": {"count": 1, "digest": wrong}}) for wrong in ("0" * 63, "\ud800" * 64, None, "G" * 64)],
        ("rotation", {"new": str(ORIGIN.instance_id), "new_key": base64.b64encode(ORIGIN.public_bytes).decode()}),
        ("rotation", {"new": str(OTHER.instance_id)}),
        ("rotation", {"old_key": base64.b64encode(OTHER.public_bytes).decode()}),
    ],
)
def test_a_field_that_is_wrong_is_refused(kind: str, fields: dict[str, Any]) -> None:
    """With one kind of error, though the signature is true."""
    with pytest.raises(RecordInvalid):
        OPENERS[kind](sealed(kind, changed(kind, **fields)))


@pytest.mark.parametrize("kind", RECORDS)
@given(st.data())
def test_no_value_in_any_field_is_worth_a_stack(kind: str, data: st.DataObject) -> None:
    """What is wrong is refused, what is right is read: there is no third outcome."""
    name = data.draw(st.sampled_from(sorted(json.loads(RECORDS[kind].payload()))))
    payload = changed(kind, **{name: data.draw(junk_values)})
    with contextlib.suppress(RecordInvalid):
        OPENERS[kind](sealed(kind, payload))


JUNK = [b"", b"null", b"[]", b"{}", b"\xff\xfe", b'"text"', b"[" * 4000, b'{"schema":' * 800, b"1e999", b"9" * 4000, b'{"schema": NaN}']


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("kind", RECORDS)
def test_junk_is_refused(kind: str, junk: bytes) -> None:
    """As an envelope, and as a payload that is truly signed."""
    for envelope in (junk, sealed(kind, junk)):
        with pytest.raises(RecordInvalid):
            OPENERS[kind](envelope)


@pytest.mark.parametrize(
    ("kind", "limit"), [("meta", MAX_ENVELOPE_BYTES), ("charter", MAX_CHARTER_BYTES), ("rotation", MAX_ENVELOPE_BYTES)]
)
def test_a_giant_is_not_even_parsed(kind: str, limit: int) -> None:
    """Neither as an envelope nor as a payload."""
    with pytest.raises(RecordInvalid, match="limit"):
        OPENERS[kind](b" " * (limit + 1))
    with pytest.raises(RecordInvalid, match="at most"):
        OPENERS[kind](sealed(kind, changed(kind, colour="x" * (limit // 2))))


@pytest.mark.parametrize("kind", RECORDS)
def test_one_of_two_equal_keys_counts_the_same_everywhere(kind: str) -> None:
    """The last: so no instance can be shown another reading of the same bytes."""
    payload = RECORDS[kind].payload().replace(b'"schema":', b'"stamp":"0000000000001.0000","schema":', 1)

    assert OPENERS[kind](sealed(kind, payload)) == RECORDS[kind]


@pytest.mark.parametrize("kind", RECORDS)
def test_fields_of_a_later_version_are_ignored(kind: str) -> None:
    """And survive in the bytes that are kept."""
    assert OPENERS[kind](sealed(kind, changed(kind, colour="green"))) == RECORDS[kind]


@pytest.mark.parametrize("kind", RECORDS)
def test_a_changed_payload_is_refused(kind: str) -> None:
    """One byte is enough."""
    document = json.loads(sealed(kind))
    payload = base64.b64decode(document["payload"]).replace(b".0000", b".0001", 1)
    document["payload"] = base64.b64encode(payload).decode()

    with pytest.raises(RecordInvalid, match="not signed"):
        OPENERS[kind](json.dumps(document).encode())


@pytest.mark.parametrize("kind", RECORDS)
def test_only_the_author_may_sign(kind: str) -> None:
    """Not another under its own id, not another under the author's, and not nobody."""
    own = seal(RECORDS[kind].payload(), TYPES[kind], OTHER, SUCCESSOR)
    forged = own.replace(str(OTHER.instance_id).encode(), str(ORIGIN.instance_id).encode())
    bare = json.loads(own) | {"signatures": []}

    for envelope in (own, forged, json.dumps(bare).encode()):
        with pytest.raises(RecordInvalid):
            OPENERS[kind](envelope)


@pytest.mark.parametrize(("kind", "field"), [("meta", "author_key"), ("charter", "instance_key"), ("rotation", "old_key")])
def test_a_key_under_the_id_of_another_is_refused(kind: str, field: str) -> None:
    """Though the signature by that key is true: an id belongs to one key."""
    payload = changed(kind, **{field: base64.b64encode(OTHER.public_bytes).decode()})
    own = seal(payload, TYPES[kind], OTHER, SUCCESSOR)

    with pytest.raises(RecordInvalid, match="not that of its author"):
        OPENERS[kind](own.replace(str(OTHER.instance_id).encode(), str(ORIGIN.instance_id).encode()))


@pytest.mark.parametrize("signers", [(ORIGIN,), (SUCCESSOR,), (ORIGIN, OTHER), (SUCCESSOR, OTHER)])
def test_a_rotation_needs_both_keys(signers: tuple[InstanceKey, ...]) -> None:
    """Nobody is made the successor of another, or the predecessor, without having said so."""
    with pytest.raises(RecordInvalid, match="not signed"):
        open_rotation(seal(RECORDS["rotation"].payload(), charters.ROTATION_TYPE, *signers))


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("taken_for", RECORDS)
def test_a_record_is_never_taken_for_one_of_another_kind(kind: str, taken_for: str) -> None:
    """Neither by its payload type, which is signed with it, nor by its schema under a type that fits."""
    if kind != taken_for:
        for envelope in (sealed(kind), sealed(kind, payload_type=TYPES[taken_for])):
            with pytest.raises(RecordInvalid):
                OPENERS[taken_for](envelope)
        with pytest.raises(ManifestInvalid):
            open_manifest(sealed(kind))
    with pytest.raises(RecordInvalid):
        OPENERS[kind](ORIGIN.sign_manifest(a_manifest()))


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "\x1b[31mred", "line\nline", "\u202e"])
def test_text_for_people_can_be_shown_and_stored(text: str) -> None:
    """What would break a terminal, or a database, is replaced; the record as such is good."""
    record = open_meta(sealed("meta", changed("meta", person=text)))
    charter = open_charter(sealed("charter", changed("charter", name=text)))

    assert record.person.isprintable()
    assert charter.name.isprintable()
    assert "\N{REPLACEMENT CHARACTER}" in record.person


def test_long_text_is_cut() -> None:
    """A name has sixty characters at most, a person twice as many."""
    assert len(open_meta(sealed("meta", changed("meta", person="x" * 500))).person) == meta.MAX_PERSON
    assert len(open_charter(sealed("charter", changed("charter", name="x" * 500))).name) == 60


def test_the_latest_of_two_records_is_the_greater() -> None:
    """Of the same moment, the one with the greater author: the same on every instance."""
    early, late = a_meta(stamp=later(1)), a_meta(stamp=later(2))
    one, other = sorted((a_meta(author=ORIGIN), a_meta(author=OTHER)), key=lambda record: record.author.text)

    assert early.order < late.order
    assert one.order < other.order
    assert one.key != other.key


@given(st.lists(st.from_regex(r"[0-9a-f]{64}", fullmatch=True), max_size=4), st.randoms(use_true_random=False))
def test_the_digest_of_records_knows_no_order(digests: list[str], chance: Any) -> None:
    """It depends on all of them, and on nothing else."""
    shuffled = list(digests)
    chance.shuffle(shuffled)

    assert digest_of(shuffled) == digest_of(digests)
    assert digest_of([*digests, "0" * 64]) != digest_of(digests)
    assert digest_of(()) == meta.NO_META


def test_a_deletion_has_no_tags() -> None:
    """Only a record about tags has."""
    assert a_meta().tags == frozenset()
    assert a_meta(MetaField.TAGS, value=("production", "test")).tags == {"production", "test"}


def test_the_heartbeat_changes_no_relations() -> None:
    """Trust need not be worked out anew because a charter was reissued."""
    charter = a_charter(stewards=[OTHER])

    assert a_charter(stewards=[OTHER], stamp=later(9), census=Census(5, "ab" * 32)).relations == charter.relations
    assert a_charter(until={OTHER: later(9)}).relations != charter.relations
    assert a_charter(stewards=[OTHER], revoked={SUCCESSOR: later(1)}).relations != charter.relations


def test_a_rotation_parses_to_its_two_ids() -> None:
    """Old to new."""
    rotation = Rotation.parse(RECORDS["rotation"].payload())

    assert (rotation.old, rotation.new) == (ORIGIN.instance_id, SUCCESSOR.instance_id)


def test_a_meta_record_parses_without_its_envelope() -> None:
    """For what was verified when it came."""
    assert MetaRecord.parse(RECORDS["meta"].payload()) == RECORDS["meta"]
