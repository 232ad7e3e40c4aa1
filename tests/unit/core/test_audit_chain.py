"""Claims about the hash chain of the audit log: whatever is done to it, what is wrong is named."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.audit_chain import NOTHING, Anchor, Link, Position, Wrong, check_anchors, check_end, check_run, text_of
from shared.core.errors import InvalidInput

Chain = list[Link]


def chain(length: int) -> Chain:
    """As many entries as asked for."""
    links: Chain = []
    for number in range(1, length + 1):
        fields = {"number": number, "previous": links[-1].hash if links else NOTHING, "person": f"person {number}", "data": {"x": number}}
        links.append(Link.made(fields))
    return links


def with_fields(link: Link, **fields: Any) -> Link:
    """The same hash, another entry."""
    changed = {**json.loads(link.text), **fields}
    return replace(link, number=changed["number"], previous=changed["previous"], text=text_of(changed))


def edited(links: Chain) -> Chain:
    """Entry 4 is somebody else's."""
    return [*links[:3], with_fields(links[3], person="nobody"), *links[4:]]


def edited_with_its_hash(links: Chain) -> Chain:
    """Entry 4, and its hash made anew."""
    return [*links[:3], Link.made({**json.loads(links[3].text), "person": "nobody"}), *links[4:]]


def edited_with_all_hashes(links: Chain) -> Chain:
    """Entry 4, and every hash from there on."""
    made = links[:3]
    for link in links[3:]:
        fields = {**json.loads(link.text), "previous": made[-1].hash} | ({"person": "nobody"} if link.number == 4 else {})
        made.append(Link.made(fields))
    return made


def deleted(links: Chain) -> Chain:
    """Entries 4 and 5 are gone."""
    return links[:3] + links[5:]


def deleted_and_renumbered(links: Chain) -> Chain:
    """Entry 4 is gone, and those after it moved up."""
    return links[:3] + [with_fields(link, number=link.number - 1) for link in links[4:]]


def swapped(links: Chain) -> Chain:
    """What was said in 4 is in 7, and the other way round; numbers and hashes stayed."""
    places = {4: links[6], 7: links[3]}
    return [with_fields(link, **_said(places[link.number])) if link.number in places else link for link in links]


def swapped_with_hashes(links: Chain) -> Chain:
    """4 and 7 have each other's numbers."""
    numbers = {4: 7, 7: 4}
    return sorted((with_fields(link, number=numbers.get(link.number, link.number)) for link in links), key=lambda link: link.number)


def _said(link: Link) -> dict[str, Any]:
    return {name: value for name, value in json.loads(link.text).items() if name not in ("number", "previous")}


@pytest.mark.parametrize(
    ("harm", "faults"),
    [
        (edited, [(Wrong.EDITED, 4, 4)]),
        (edited_with_its_hash, [(Wrong.REWRITTEN, 4, 4)]),
        (deleted, [(Wrong.MISSING, 4, 5)]),
        (deleted_and_renumbered, [(Wrong.MOVED, number, number) for number in range(4, 10)]),
        (swapped, [(Wrong.SWAPPED, 4, 7)]),
        (swapped_with_hashes, [(Wrong.SWAPPED, 4, 7)]),
        (list, []),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_what_was_done_to_a_chain_is_named(harm: Callable[[Chain], Chain], faults: list[tuple[Wrong, int, int]]) -> None:
    """With the entries that it was done to, and no others."""
    found = check_run(harm(chain(10)), Position())

    assert [(fault.kind, fault.first, fault.last) for fault in found] == faults


def test_hashes_that_were_made_anew_are_caught_by_who_remembers() -> None:
    """The chain holds in itself; what differs lies between what still agrees and what does not."""
    links, good = edited_with_all_hashes(chain(10)), chain(10)
    anchors = [Anchor(number, good[number - 1].hash, f"witness of {number}") for number in (2, 6, 9)]

    (fault,) = check_anchors(links, anchors)

    assert check_run(links, Position()) == []
    assert (fault.kind, fault.first, fault.last) == (Wrong.REWRITTEN, 3, 6)
    assert "witness of 6" in fault.detail
    assert check_anchors(good, anchors) == []


def test_an_end_that_was_cut_is_caught_by_who_remembers_more() -> None:
    """The chain holds as far as it goes."""
    (fault,) = check_end(7, [Anchor(3, "x", "A"), Anchor(9, "x", "B")])

    assert (fault.kind, fault.first, fault.last, "B" in fault.detail) == (Wrong.CUT, 8, 9, True)
    assert check_end(9, [Anchor(9, "x", "B")]) == []


def test_a_portion_goes_on_where_the_one_before_ended() -> None:
    """And one that is tied to another chain is told from it."""
    links = chain(10)

    assert check_run(links[4:], Position(4, links[3].hash)) == []
    assert [fault.first for fault in check_run(links[4:], Position(4, "f" * 64))] == [4]
    assert [fault.kind for fault in check_run(links[4:], Position(2, links[1].hash))] == [Wrong.MISSING]


@given(st.integers(1, 30), st.randoms(use_true_random=False), st.sampled_from(["edit", "delete", "swap"]))
def test_no_change_of_any_kind_is_overlooked(length: int, chance: random.Random, harm: str) -> None:
    """Wherever it is done; only the end can be cut without the chain itself noticing."""
    links, place = chain(length + 1), chance.randrange(length)
    other = (place + 1 + chance.randrange(length)) % (length + 1)
    if harm == "edit":
        links[place] = with_fields(links[place], data={"x": -1})
    elif harm == "delete":
        del links[place]
    else:
        links[place], links[other] = links[other], links[place]

    assert check_run(links, Position())


def test_a_line_of_an_export_is_what_was_hashed() -> None:
    """Twenty lines of anything can check it, without writing JSON anew: see docs/audit-log.md."""
    link = Link.made(
        {"number": 1, "previous": NOTHING, "person": "Zo\N{LATIN SMALL LETTER E WITH DIAERESIS} \ud800\x00", "data": {"b": -1.5, "a": None}}
    )

    entry, digest = link.line[9:-75], link.line[-66:-2]
    assert hashlib.sha256(entry.encode("ascii")).hexdigest() == digest == link.hash
    assert entry.startswith('{"data":{"a":null,"b":-1.5},"number":1,"person":"Zo\\u00eb \\ud800\\u0000"')
    assert Link.of_line(link.line + "\n") == link


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        '{"entry":{},"hash":"x"}',
        '{"entry":{"number":"1","previous":""},"hash":"' + NOTHING + '"}',
        "[" * 5000,
        '{"entry":{"number":1},"hash":"' + NOTHING + '"}',
    ],
)
def test_a_line_that_is_none_is_refused(line: str) -> None:
    """With a code; nothing is guessed."""
    with pytest.raises(InvalidInput) as caught:
        Link.of_line(line)

    assert caught.value.code == "AUDIT_LINE_MALFORMED"
