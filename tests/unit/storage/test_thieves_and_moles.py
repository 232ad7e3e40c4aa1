"""Claims about keys that two have, and about instances that our stewards revoked, by whichever of their ids."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from shared.contracts import events
from shared.testing.records import later
from tests.unit.storage.speaking import Author
from tests.unit.storage.storage_bench import Bench

ORIGIN, STEWARD, STRANGER = Author(), Author(), Author()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty storage."""
    return Bench(tmp_path)


@pytest.mark.parametrize("thief_first", [False, True])
def test_a_key_that_was_rotated_to_two_others_raises_the_alarm_once(bench: Bench, thief_first: bool) -> None:  # noqa: FBT001
    """The earlier stamp counts, also if a thief chose it; so people are told of both, in whatever order and however often they come."""
    new, thief = Author(), Author()
    pair = [ORIGIN.rotation(new, later(0)), ORIGIN.rotation(thief, later(-1))]
    for _ in range(2):
        for envelope in pair[::-1] if thief_first else pair:
            bench.learn(rotations=[envelope])
        contested = events.InstanceContestedV1(old_id=ORIGIN.id, new_id=thief.id, rival_id=new.id)
        assert bench.events(events.InstanceContestedV1) == [contested]

    assert [item["digest"] for item in bench.feed() if item["kind"] == "rotation"] == [hashlib.sha256(pair[1]).hexdigest()]


def test_every_further_rival_is_told_up_to_a_number(bench: Bench) -> None:
    """Whoever has a key signs as many rotations as it likes; the alarm is no way to fill the audit log."""
    rivals = [Author() for _ in range(20)]
    for number, rival in enumerate(rivals):
        bench.learn(rotations=[ORIGIN.rotation(rival, later(number))])

    told = bench.events(events.InstanceContestedV1)
    assert [(one.new_id, one.rival_id) for one in told] == [(rivals[0].id, rival.id) for rival in rivals[1:8]]


def test_who_rotates_a_key_of_ours_raises_the_alarm_here(bench: Bench) -> None:
    """It is refused, whatever its stamp: we know what we did. Elsewhere it may count."""
    thief = Author(), Author()
    ours = Author(bench.key)
    assert bench.learn(rotations=[ours.rotation(thief[0], later(-5))]) == [("rotation", "RECORD_REFUSED")]
    assert bench.events(events.InstanceContestedV1) == [events.InstanceContestedV1(old_id=ours.id, new_id=ours.id, rival_id=thief[0].id)]

    bench.do.relations.rotate("anna")
    bench.learn(rotations=[ours.rotation(thief[1], later(-5))])

    new_id = str(bench.key.instance_id)
    assert bench.last(events.InstanceContestedV1) == events.InstanceContestedV1(old_id=ours.id, new_id=new_id, rival_id=thief[1].id)


def revoked_among(bench: Bench, *asked: Author) -> dict[str, str]:
    """Which of these may no longer be our peers, and who said so."""
    answer: dict[str, str] = bench.do.relations.revoked_among([one.id for one in asked])["revoked"]
    return answer


def test_whom_a_steward_revoked_is_found_by_every_id_that_it_had(bench: Bench) -> None:
    """The charter may name the key before, or the key after; the registration here another one; charter and rotation in any order."""
    before, after, other = Author(), Author(), Author()
    bench.declare(STEWARD)
    for named in (before, after):
        bench.learn(charters=[STEWARD.charter(revoked={named: later(0)}, stamp=later(1 if named is before else 2))])
        if named is before:
            assert revoked_among(bench, before, after) == {before.id: STEWARD.id}
            bench.learn(rotations=[before.rotation(after, later(0))])
        assert revoked_among(bench, before, after, other) == {before.id: STEWARD.id, after.id: STEWARD.id}


def test_what_a_steward_revoked_before_it_was_one_counts(bench: Bench) -> None:
    """And ends to count when it is dismissed; a stranger's word never does."""
    mole = Author()
    bench.learn(charters=[STEWARD.charter(revoked={mole: later(-9000)}, stamp=later(-8000))])
    bench.learn(charters=[STRANGER.charter(revoked={STEWARD: later(-9000)}, stamp=later(-8000))])
    assert revoked_among(bench, mole, STEWARD) == {}

    bench.declare(STEWARD)
    assert revoked_among(bench, mole, STEWARD) == {mole.id: STEWARD.id}

    bench.clock.pass_seconds(1)
    bench.declare(until={STEWARD: later(0)})
    assert revoked_among(bench, mole, STEWARD) == {}


def test_our_own_revocations_are_no_word_of_stewards(bench: Bench) -> None:
    """Whoever is admitted again is not shut out because our charter has not heard of it yet; a steward's clock may be ahead a little."""
    ours, theirs = Author(), Author()
    bench.declare(STEWARD, revoked={ours: later(-1000)})
    bench.learn(charters=[STEWARD.charter(revoked={theirs: later(60_000)}, stamp=later(60_000))])

    assert revoked_among(bench, ours, theirs) == {theirs.id: STEWARD.id}
