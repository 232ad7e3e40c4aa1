"""Claims about settling: what becomes of all packages of one name, as a pure function."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.storage.domain.package import Package, PackageState
from services.storage.domain.settling import GonePolicy, House, settle
from shared.core.clock import Stamp
from shared.testing.builders import ORIGIN, a_package
from shared.testing.fakes.clock import NOON
from shared.testing.records import later

HOUSE = House(frozenset(), frozenset({"production"}), superseded_kept=1, trash=dt.timedelta(days=30))
PUBLISHED, SUPERSEDED, WANTED = PackageState.PUBLISHED, PackageState.SUPERSEDED, PackageState.WANTED
DELETED, WITHHELD, QUARANTINED = PackageState.DELETED, PackageState.WITHHELD, PackageState.QUARANTINED


def version(number: int, **fields: object) -> Package:
    """One of several versions of a name, made a minute after the one before."""
    return a_package(bytes([number]), created=NOON + dt.timedelta(minutes=number), **fields)


def states(packages: Sequence[Package], house: House = HOUSE, now: dt.datetime = NOON) -> list[PackageState]:
    """Where each of them ends, in the order in which they were given."""
    settled = {one.package_id: one.state for one in settle(packages, house, now)}
    return [settled[one.package_id] for one in packages]


@st.composite
def any_versions(draw: st.DrawFn) -> list[Package]:
    """Versions of one name, with whatever may be known about them."""
    return [
        version(
            number,
            state=QUARANTINED
            if draw(st.integers(0, 5)) == 0
            else draw(st.sampled_from([WANTED, PUBLISHED, SUPERSEDED, WITHHELD, DELETED])),
            bytes_here=draw(st.booleans()),
            deleted=draw(st.sampled_from([None, None, later(0), later(5)])),
            raised=draw(st.sampled_from([None, None, later(120_000), later(600_000)])),
            tags=draw(st.sampled_from([frozenset[str](), frozenset({"test"}), frozenset({"production"})])),
            gone=draw(st.booleans()),
        )
        for number in range(draw(st.integers(1, 6)))
    ]


houses = st.builds(
    House,
    ids=st.sampled_from([frozenset(), frozenset({ORIGIN.instance_id})]),
    tags=st.sampled_from([frozenset[str](), frozenset({"production"}), frozenset({"*"})]),
    gone_policy=st.sampled_from(list(GonePolicy)),
    superseded_kept=st.integers(0, 3),
)


@given(any_versions(), houses, st.randoms())
def test_a_name_has_one_answer_whatever_the_order(packages: list[Package], house: House, chance: object) -> None:
    """Above the first tombstone the greatest that is here is published; only the greatest can be wanted; the rest is superseded."""
    settled = settle(packages, house, NOON)
    shuffled = list(packages)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert settle(shuffled, house, NOON) == settled

    above = takewhile(lambda one: one.deleted is None or not house.concerns(one), settled)
    live = [one for one in above if one.state in (PUBLISHED, WANTED, SUPERSEDED)]
    assert [one.state for one in live].count(PUBLISHED) == any(one.bytes_here for one in live)
    assert [one for one in live if one.state is WANTED] == [one for one in live[:1] if not one.bytes_here]
    assert next((one for one in live if one.bytes_here), None) == next((one for one in settled if one.state is PUBLISHED), None)
    assert [one for one in settled if one.state is WANTED] == [one for one in live if one.state is WANTED]


@given(any_versions(), houses)
def test_settling_what_is_settled_changes_nothing(packages: list[Package], house: House) -> None:
    """Also later: what is due stays due when it was."""
    settled = settle(packages, house, NOON)

    assert settle(settled, house, NOON + dt.timedelta(days=1)) == settled


@given(any_versions(), houses)
def test_what_is_shown_is_never_due(packages: list[Package], house: House) -> None:
    """Only bytes that are here can be due, and never those that clients get; of the rest, no more than are kept have no date."""
    settled = settle(packages, house, NOON)

    assert all(one.bytes_here and one.state in (DELETED, SUPERSEDED, WITHHELD) for one in settled if one.remove_after)
    kept = [one for one in settled if one.state is SUPERSEDED and one.bytes_here and one.remove_after is None]
    assert len(kept) <= house.superseded_kept
    assert all(one.remove_after for one in settled if one.state is DELETED and one.bytes_here)


def test_a_greater_one_is_wanted_while_the_lesser_one_is_shown() -> None:
    """Clients get the latest that is here; what is below it is not fetched."""
    packages = [version(1), version(2, bytes_here=True), version(3), version(4)]

    assert states(packages) == [SUPERSEDED, PUBLISHED, SUPERSEDED, WANTED]


def test_nothing_below_a_tombstone_comes_back_by_itself() -> None:
    """Deleting the current version leaves the name empty, until one is raised or made anew; deleting one below changes nothing."""
    old, new = version(1, bytes_here=True), version(2, bytes_here=True)
    gone = replace(new, deleted=later(9))

    assert states([old, gone]) == [SUPERSEDED, DELETED]
    assert states([replace(old, raised=later(150_000)), gone]) == [PUBLISHED, DELETED]
    assert states([old, gone, version(3, bytes_here=True)]) == [SUPERSEDED, DELETED, PUBLISHED]
    assert states([replace(old, deleted=later(9)), new]) == [DELETED, PUBLISHED]


def test_a_tombstone_that_is_not_for_us_hides_nothing() -> None:
    """What was deleted in another stage leaves this one as it is."""
    other = version(2, tags=frozenset({"test"}), deleted=later(9))

    assert states([version(1, bytes_here=True), other])[0] is PUBLISHED


def test_what_lies_below_a_tombstone_is_kept_as_superseded_ones_are() -> None:
    """It can be raised for as long as the house keeps superseded ones."""
    packages = [version(number, bytes_here=True) for number in range(4)]
    settled = settle([*packages, version(5, deleted=later(9))], HOUSE, NOON)

    assert [one.remove_after is None for one in settled if one.state is SUPERSEDED] == [True, False, False, False]


@pytest.mark.parametrize("above", [{"tags": frozenset({"test"})}, {"gone": True}, {"state": QUARANTINED}])
def test_what_may_not_be_here_hides_nothing(above: dict[str, object]) -> None:
    """A greater version that is for others, or was refused, leaves the lesser one where it is."""
    assert states([version(1, bytes_here=True), version(2, **above)])[0] is PUBLISHED


def test_what_was_raised_goes_before_what_came_after_it() -> None:
    """By the later of the two moments, and what is made after that goes before it again."""
    old, new = version(1, bytes_here=True, raised=later(150_000)), version(2, bytes_here=True)

    assert states([old, new]) == [PUBLISHED, SUPERSEDED]
    assert states([old, new, version(3, bytes_here=True)])[2] is PUBLISHED


def test_of_two_made_at_once_the_greater_id_is_current() -> None:
    """So every instance picks the same."""
    one, other = sorted([version(1, bytes_here=True), version(1, bytes_here=True)], key=lambda package: package.package_id)

    assert states([one, other]) == [SUPERSEDED, PUBLISHED]


def test_the_bytes_of_the_latest_superseded_ones_are_kept() -> None:
    """As many as the house keeps; of the others they are due at once."""
    settled = settle([version(number, bytes_here=True) for number in range(4)], HOUSE, NOON)

    assert [one.remove_after for one in settled] == [None, None, NOON, NOON]
    assert [one.state for one in settled] == [PUBLISHED, SUPERSEDED, SUPERSEDED, SUPERSEDED]


def test_what_is_to_be_kept_after_all_is_no_longer_due() -> None:
    """The house may keep more than before."""
    settled = settle([version(number, bytes_here=True) for number in range(3)], HOUSE, NOON)

    assert [one.remove_after for one in settle(settled, replace(HOUSE, superseded_kept=9), NOON)] == [None, None, None]


def test_bytes_stay_in_the_trash_from_the_stamp_on() -> None:
    """However late the tombstone arrived; and a house that keeps its trash longer or shorter does so with what is in it already."""
    deleted = settle([version(1, bytes_here=True, deleted=Stamp.of(NOON))], HOUSE, NOON + dt.timedelta(days=10))

    assert deleted[0].remove_after == NOON + dt.timedelta(days=30)
    for days in (5, 90):
        settled = settle(deleted, replace(HOUSE, trash=dt.timedelta(days=days)), NOON)
        assert settled[0].remove_after == NOON + dt.timedelta(days=days)


@pytest.mark.parametrize(
    ("policy", "state", "due"),
    [(GonePolicy.KEEP, PUBLISHED, None), (GonePolicy.HIDE, WITHHELD, None), (GonePolicy.REMOVE, WITHHELD, NOON)],
)
@pytest.mark.parametrize("why", [{"tags": frozenset({"test"})}, {"gone": True}])
def test_what_is_no_longer_for_us_follows_the_policy(
    policy: GonePolicy, state: PackageState, due: dt.datetime | None, why: dict[str, object]
) -> None:
    """Kept, hidden or removed; whether its tags say so or nobody shows it any more."""
    (package,) = settle([version(1, bytes_here=True, **why)], replace(HOUSE, gone_policy=policy), NOON)

    assert (package.state, package.remove_after) == (state, due)


@pytest.mark.parametrize("policy", list(GonePolicy))
def test_what_never_came_is_withheld_under_every_policy(policy: GonePolicy) -> None:
    """Keeping is for what is here."""
    assert states([version(1, tags=frozenset({"test"}))], replace(HOUSE, gone_policy=policy)) == [WITHHELD]


def test_what_we_made_is_ours_whatever_its_tags() -> None:
    """Under any id that we ever had."""
    house = replace(HOUSE, ids=frozenset({ORIGIN.instance_id}))

    assert states([version(1, bytes_here=True, tags=frozenset({"test"}), gone=True)], house) == [PUBLISHED]
