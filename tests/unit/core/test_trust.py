"""Claims about trust: who may write about whose packages, decided from signed facts alone."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.charter import Charter, Rotation
from shared.core.clock import Stamp
from shared.core.identity import InstanceId
from shared.core.trust import Trust
from shared.runtime.keys import InstanceKey
from shared.testing.records import a_charter, a_rotation, later

KEYS = sorted((InstanceKey.generate() for _ in range(6)), key=lambda key: key.instance_id.text)
A, B, C, D, E, F = KEYS
IDS = [key.instance_id for key in KEYS]
MOMENTS = [later(number) for number in range(-1, 7)]


def may(trust: Trust, author: InstanceKey, origin: InstanceKey, at: int = 0) -> bool:
    """The answer for a moment so many milliseconds after noon."""
    return trust.may_steward(author.instance_id, origin.instance_id, later(at))


def test_everyone_stewards_its_own_packages_and_nobody_else_does() -> None:
    """Whether anything is known about it or not."""
    for trust in (Trust.of([]), Trust.of([a_charter(A), a_charter(B)])):
        assert may(trust, A, A)
        assert not may(trust, B, A)


def test_a_steward_is_named_by_the_origin() -> None:
    """Not by itself, and not the other way round."""
    trust = Trust.of([a_charter(A, stewards=[B]), a_charter(B), a_charter(C, stewards=[A])])

    assert may(trust, B, A)
    assert not may(trust, A, B)
    assert not may(trust, C, A)


def test_stewardship_goes_over_any_number_of_steps() -> None:
    """Those between need not be neighbours of the origin."""
    trust = Trust.of([a_charter(one, stewards=[following]) for one, following in itertools.pairwise(KEYS)])

    assert all(may(trust, key, A) for key in KEYS)
    assert not may(trust, A, F)


def test_a_circle_of_stewards_ends() -> None:
    """Everyone in it may write about everyone's packages."""
    trust = Trust.of([a_charter(one, stewards=[following]) for one, following in [(A, B), (B, C), (C, A)]])

    assert all(may(trust, author, origin) for author in (A, B, C) for origin in (A, B, C))


def test_a_dismissed_steward_keeps_what_it_wrote_before() -> None:
    """And so does whom it had named itself."""
    trust = Trust.of([a_charter(A, until={B: later(5)}), a_charter(B, stewards=[C])])

    for author in (B, C):
        assert may(trust, author, A, at=5)
        assert not may(trust, author, A, at=6)


def test_a_dismissed_steward_can_be_named_by_another() -> None:
    """Then it is one again."""
    trust = Trust.of([a_charter(A, stewards=[C], until={B: later(5)}), a_charter(C, stewards=[B])])

    assert may(trust, B, A, at=6)


def test_who_was_revoked_writes_nothing_after_that() -> None:
    """What it wrote before stays; whom it named falls with it."""
    trust = Trust.of([a_charter(A, stewards=[B], revoked={B: later(5)}), a_charter(B, stewards=[C])])

    for author in (B, C):
        assert may(trust, author, A, at=5)
        assert not may(trust, author, A, at=6)


def test_a_steward_revokes_for_the_origin() -> None:
    """However many steps away it is; a stranger does not."""
    chain = [a_charter(A, stewards=[B, D]), a_charter(B, stewards=[C]), a_charter(C, revoked={D: later(5)})]

    assert may(Trust.of(chain), D, A, at=5)
    assert not may(Trust.of(chain), D, A, at=6)
    assert may(Trust.of([a_charter(A, stewards=[D]), a_charter(C, revoked={D: later(5)})]), D, A, at=6)


def test_who_revokes_does_so_while_it_is_a_steward() -> None:
    """Once dismissed, its word no longer counts, neither for new writes nor against others."""
    trust = Trust.of([a_charter(A, stewards=[D], until={C: later(5)}), a_charter(C, revoked={D: later(2)})])

    assert not may(trust, D, A, at=4)
    assert may(trust, D, A, at=6)


def test_a_steward_may_revoke_the_origin_until_the_origin_dismisses_it() -> None:
    """Who joins puts itself under who invited it: a stolen site is silenced by its steward. What it could not do before it can again."""
    revoking = a_charter(B, revoked={A: later(0)})

    assert not may(Trust.of([a_charter(A, stewards=[B]), revoking]), A, A, at=3)
    assert may(Trust.of([a_charter(A, until={B: later(5)}), revoking]), A, A, at=6)
    assert may(Trust.of([a_charter(A, stewards=[B]), revoking]), A, A, at=0)


def test_two_that_revoked_each_other_keep_their_own_packages() -> None:
    """Whoever was first."""
    trust = Trust.of([a_charter(A, stewards=[B], revoked={B: later(1)}), a_charter(B, stewards=[A], revoked={A: later(0)})])

    assert may(trust, A, A, at=2)
    assert may(trust, B, B, at=2)
    assert not may(trust, A, B, at=2)
    assert not may(trust, B, A, at=2)


def test_nobody_revokes_itself_by_mistake() -> None:
    """Its own charter does not count against it."""
    assert may(Trust.of([a_charter(A, revoked={A: later(0)})]), A, A, at=2)


def test_the_new_key_speaks_for_what_the_old_one_made() -> None:
    """Own packages, and those that it stewards, though only the old id was named; over several rotations."""
    rotations = [a_rotation(B, C, later(3)), a_rotation(C, D, later(4))]
    trust = Trust.of([a_charter(A, stewards=[B])], rotations)

    assert may(trust, D, B, at=5)
    assert may(trust, D, A, at=5)
    assert trust.present(B.instance_id) == D.instance_id


def test_who_stole_a_key_that_was_rotated_away_is_nobody() -> None:
    """Of its own packages too. What was signed before the rotation stays."""
    trust = Trust.of([a_charter(A, stewards=[B])], [a_rotation(B, C, later(3))])

    for origin in (A, B):
        assert may(trust, B, origin, at=3)
        assert not may(trust, B, origin, at=4)


def test_a_stolen_key_issues_no_charter_after_the_rotation() -> None:
    """Neither instead of the new key's, nor while that has issued none."""
    theft = a_charter(B, stewards=[F], stamp=later(9))
    rotation = a_rotation(B, C, later(3))

    for known in ([theft], [theft, a_charter(C, stewards=[D], stamp=later(4))]):
        trust = Trust.of(known, [rotation])
        assert not may(trust, F, B, at=10)
    assert may(trust, D, B, at=10)


def test_the_charter_of_the_old_key_holds_until_the_new_one_issues_its_own() -> None:
    """Nobody loses its stewards by rotating."""
    old, rotation = a_charter(A, stewards=[B]), a_rotation(A, C, later(3))

    assert may(Trust.of([old], [rotation]), B, A, at=5)
    assert may(Trust.of([old], [rotation]), B, C, at=5)
    assert not may(Trust.of([old, a_charter(C, stamp=later(3))], [rotation]), B, A, at=5)


def test_of_rival_rotations_the_earliest_counts() -> None:
    """A stolen key cannot replace a rotation that was made before."""
    true, theft = a_rotation(A, F, later(3)), a_rotation(A, B, later(4))

    for rotations in ([true, theft], [theft, true]):
        trust = Trust.of([], rotations)
        assert may(trust, F, A, at=5)
        assert not may(trust, B, A, at=5)


def test_a_circle_of_rotations_ends() -> None:
    """Whatever the answer: it is always the same."""
    circle = [a_rotation(A, B, later(1)), a_rotation(B, C, later(2)), a_rotation(C, A, later(3))]

    assert len({Trust.of([], order).present(A.instance_id) for order in itertools.permutations(circle)}) == 1


def test_revocation_follows_the_key() -> None:
    """Nobody escapes by rotating, before or after; who revoked may rotate too."""
    charters = [a_charter(A, stewards=[B, D]), a_charter(B, revoked={D: later(2)})]
    trust = Trust.of(charters, [a_rotation(D, E, later(1)), a_rotation(B, C, later(4))])

    assert may(trust, E, A, at=2)
    assert not may(trust, E, A, at=3)
    assert not may(trust, D, A, at=3)


def test_of_several_charters_of_an_instance_the_latest_counts() -> None:
    """In whatever order they come."""
    early, late = a_charter(A, stewards=[B]), a_charter(A, stewards=[C], stamp=later(1))

    for charters in ([early, late], [late, early]):
        assert not may(Trust.of(charters), B, A)
        assert may(Trust.of(charters), C, A)


def test_what_is_not_known_is_not_trusted() -> None:
    """No charter, no rotation: nobody but the author."""
    trust = Trust.of([])

    assert trust.charter_of(A.instance_id) is None
    assert trust.present(A.instance_id) == A.instance_id
    assert trust.stewards_of(A.instance_id, later(0)) == {A.instance_id}


def test_of_two_keys_that_became_one_the_same_speaks_whatever_came_first() -> None:
    """A and B both rotated to C, and said two things at the same moment."""
    a, b = a_charter(A, stewards=[D]), a_charter(B, stewards=[])
    rotations = [a_rotation(A, C, later(5)), a_rotation(B, C, later(5))]

    one, other = (Trust.of(charters, rotations) for charters in ([a, b], [b, a]))

    assert one.charter_of(C.instance_id) == other.charter_of(C.instance_id)


ids, moments = st.sampled_from(IDS), st.sampled_from(MOMENTS)


def _charter_of(number: int, stewards: dict[InstanceId, Stamp | None], revoked: dict[InstanceId, Stamp], stamp: Stamp) -> Charter:
    return a_charter(KEYS[number], stamp=stamp, stewards=(), **_relations(stewards, revoked))


def _relations(stewards: dict[InstanceId, Stamp | None], revoked: dict[InstanceId, Stamp]) -> dict[str, Any]:
    by_id = {key.instance_id: key for key in KEYS}
    return {
        "until": {by_id[one]: until for one, until in stewards.items()},
        "revoked": {by_id[one]: since for one, since in revoked.items()},
    }


some_charters = st.lists(
    st.builds(
        _charter_of,
        st.integers(0, 5),
        st.dictionaries(ids, st.one_of(st.none(), moments), max_size=4),
        st.dictionaries(ids, moments, max_size=2),
        moments,
    ),
    max_size=9,
)
some_rotations = st.lists(
    st.tuples(st.permutations(KEYS), moments).map(lambda drawn: a_rotation(drawn[0][0], drawn[0][1], drawn[1])), max_size=5
)


def answers(trust: Trust) -> list[bool]:
    """Of every question that can be asked."""
    return [trust.may_steward(author, origin, stamp) for author in IDS for origin in IDS for stamp in MOMENTS]


@given(some_charters, some_rotations, st.randoms(use_true_random=False))
def test_trust_knows_no_order(charters: list[Charter], rotations: list[Rotation], chance: Any) -> None:
    """Any charters and rotations, circles and rivals included, in any order, asked in any order: the same answers."""
    expected = answers(Trust.of(charters, rotations))
    chance.shuffle(charters)
    chance.shuffle(rotations)
    trust = Trust.of(charters, rotations)
    for _ in range(5):
        trust.may_steward(chance.choice(IDS), chance.choice(IDS), chance.choice(MOMENTS))

    assert answers(trust) == expected


@given(some_charters, some_rotations)
def test_only_whom_somebody_named_may_write(charters: list[Charter], rotations: list[Rotation]) -> None:
    """Whoever stewards another's packages is in its charter, or in that of one that is: checked against the plainest search."""
    trust = Trust.of(charters, rotations)
    for origin, stamp in itertools.product(IDS, MOMENTS):
        reached = _reached(trust, trust.present(origin), stamp)
        for author in IDS:
            assert not trust.may_steward(author, origin, stamp) or trust.present(author) in reached


def _reached(trust: Trust, start: InstanceId, stamp: Stamp) -> set[InstanceId]:
    found = {start}
    for _ in IDS:
        for charter in [one for one in map(trust.charter_of, found) if one]:
            found |= {trust.present(one) for one, until in charter.stewards if until is None or stamp <= until}
    return found


@given(some_charters, some_rotations, ids, moments)
def test_naming_nobody_and_revoking_is_safe(charters: list[Charter], rotations: list[Rotation], origin: InstanceId, stamp: Stamp) -> None:
    """An instance that names no stewards is alone with its packages, whatever all others say."""
    key = next(one for one in KEYS if one.instance_id == origin)
    alone = Trust.of([*charters, a_charter(key, stamp=later(9))], [one for one in rotations if origin not in (one.old, one.new)])

    assert [one for one in IDS if alone.may_steward(one, origin, stamp)] == [origin]


@pytest.mark.parametrize("size", [300])
def test_a_large_mesh_is_no_burden(size: int) -> None:
    """Each instance is looked at once for each origin, not once for every other: counted, not timed."""
    keys = [InstanceKey.generate() for _ in range(size)]
    trust = Trust.of([a_charter(one, stewards=[following]) for one, following in itertools.pairwise(keys)])
    looked = 0
    original = trust.charter_of

    def counting(instance_id: InstanceId) -> Charter | None:
        nonlocal looked
        looked += 1
        return original(instance_id)

    object.__setattr__(trust, "charter_of", counting)
    assert all(may(trust, key, keys[0]) for key in keys)
    assert looked == size
