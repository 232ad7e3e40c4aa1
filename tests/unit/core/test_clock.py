"""Claims about stamps: one order in time for all instances, whatever their clocks say."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.clock import MAX_AHEAD, Stamp, next_stamp
from shared.core.errors import ClockAhead, InvalidInput
from shared.testing.fakes.clock import NOON

stamps = st.builds(Stamp, st.integers(0, 10**13 - 2), st.integers(0, 9999))
times = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2286, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001 - Hypothesis wants them so


@given(stamps)
def test_a_stamp_is_read_as_it_was_written(stamp: Stamp) -> None:
    """As text of 13 digits, a dot and 4 digits."""
    assert Stamp.parse(str(stamp)) == stamp
    assert len(str(stamp)) == 18


@given(stamps, stamps)
def test_stamps_sort_as_text(one: Stamp, other: Stamp) -> None:
    """So that a database needs to know nothing about them."""
    assert (one < other) == (str(one) < str(other))
    assert (one == other) == (str(one) == str(other))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1764000000000",
        "1764000000000.3",
        "176400000000.0003",
        "-764000000000.0003",
        "1764000000000.0003\n",
        "１764000000000.0003",
        None,
        7,
    ],
)
def test_anything_else_is_no_stamp(text: Any) -> None:
    """Digits of other scripts and a newline at the end included."""
    with pytest.raises(InvalidInput) as caught:
        Stamp.parse(text)
    assert caught.value.code == "STAMP_INVALID"


@given(times, st.lists(stamps))
def test_the_next_stamp_is_later_than_all_that_were_seen(now: dt.datetime, seen: list[Stamp]) -> None:
    """And never before the author's own clock."""
    stamp = next_stamp(now, seen)

    assert all(stamp > one for one in seen)
    assert stamp >= Stamp.of(now)


@given(times, st.lists(stamps))
def test_the_next_stamp_is_no_later_than_it_must_be(now: dt.datetime, seen: list[Stamp]) -> None:
    """At the author's clock, or within a millisecond of the latest that was seen: stamps do not run away."""
    latest = max((one.milliseconds for one in seen), default=0)

    assert next_stamp(now, seen).milliseconds <= max(Stamp.of(now).milliseconds, latest + 1)


def test_many_writes_in_one_moment_have_an_order() -> None:
    """Also when the counter is full."""
    written = [Stamp(Stamp.of(NOON).milliseconds, 9998)]
    for _ in range(4):
        written.append(next_stamp(NOON, written))

    assert written == sorted(set(written))
    assert str(written[2]).endswith(".0000")


@given(times)
def test_a_stamp_says_the_moment_to_the_millisecond(time: dt.datetime) -> None:
    """And back."""
    assert dt.timedelta(0) <= time - Stamp.of(time).time < dt.timedelta(milliseconds=1)


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_clock_that_is_decades_off_gives_a_stamp_nevertheless(year: int) -> None:
    """Of the form that sorts."""
    stamp = Stamp.of(dt.datetime(year, 1, 1, tzinfo=dt.UTC))

    assert Stamp.parse(str(stamp)) == stamp


def test_a_stamp_from_the_future_is_refused() -> None:
    """Beyond what clocks may differ; the message says by how much, and what to do."""
    Stamp.of(NOON + MAX_AHEAD).check_not_ahead(NOON)
    Stamp.of(NOON - dt.timedelta(days=3000)).check_not_ahead(NOON)

    with pytest.raises(ClockAhead, match="301 seconds in the future") as caught:
        Stamp.of(NOON + dt.timedelta(seconds=301)).check_not_ahead(NOON)
    assert caught.value.code == "CLOCK_AHEAD"
