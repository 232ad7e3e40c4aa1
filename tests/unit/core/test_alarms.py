"""Claims about alarms: what lasts is told once, and what flaps never."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shared.core.alarms import Alarm, AlarmKind, Condition, Patience, Severity, Turn, judged
from shared.testing.fakes.clock import NOON

LOW = Condition(AlarmKind.DISK_LOW, "data", Severity.WARNING, "little is left")
PATIENCE = Patience(settle=dt.timedelta(seconds=120), repeat=dt.timedelta(hours=24))
HERE, GONE = LOW, None


def told(looks: list[tuple[float, Condition | None]], patience: Patience = PATIENCE) -> list[tuple[float, Turn]]:
    """What is told at which second, if it is looked at these seconds and this is found."""
    known: Alarm | None = None
    said: list[tuple[float, Turn]] = []
    for second, found in looks:
        known, turn = judged(known, found, NOON + dt.timedelta(seconds=second), patience)
        said += [(second, turn)] if turn else []
    return said


def test_what_lasts_is_raised_once_and_cleared_once() -> None:
    """Each after it was so for long enough."""
    looks = [(0, HERE), (60, HERE), (120, HERE), (180, HERE), (240, GONE), (300, GONE), (360, GONE), (420, GONE)]

    assert told(looks) == [(120, Turn.RAISED), (360, Turn.CLEARED)]


def test_what_comes_and_goes_is_not_told() -> None:
    """Neither that it is there while it is not raised, nor that it is gone while it is."""
    flapping = [(60.0 * minute, HERE if minute % 2 else GONE) for minute in range(20)]
    raised = [(0.0, HERE), (120.0, HERE)]

    assert told(flapping) == []
    assert told(raised + [(120 + second, found) for second, found in flapping]) == [(120, Turn.RAISED)]


def test_what_lasts_is_told_again_once_a_day() -> None:
    """And counted; the clearing says how often."""
    known, _ = judged(None, replace(LOW, hold=dt.timedelta(0)), NOON, PATIENCE)
    for hour in range(1, 60):
        known, _ = judged(known, LOW, NOON + dt.timedelta(hours=hour), PATIENCE)

    assert known is not None
    assert (known.repeated, known.since) == (2, NOON)


def test_what_moved_is_another_condition() -> None:
    """A transfer that brings bytes now and then does not stand still; one that moves again is cleared though it is still there."""
    slow = [(60.0 * minute, replace(LOW, mark=str(minute // 2))) for minute in range(20)]
    stalled = [(0.0, LOW), (120.0, LOW)]
    moving = [(180.0 + 60 * minute, replace(LOW, mark=str(minute + 1))) for minute in range(4)]

    assert told(slow) == []
    assert told(stalled + moving) == [(120, Turn.RAISED), (300, Turn.CLEARED)]


def test_a_clock_that_was_ahead_keeps_no_alarm_waiting() -> None:
    """What was found tomorrow counts as found now."""
    known, _ = judged(None, LOW, NOON + dt.timedelta(days=1), PATIENCE)
    known, _ = judged(known, LOW, NOON, PATIENCE)

    turns = [judged(known, LOW, NOON + dt.timedelta(seconds=second), PATIENCE)[1] for second in (119, 120)]

    assert turns == [None, Turn.RAISED]


@given(st.lists(st.tuples(st.integers(0, 200), st.booleans()), max_size=40))
def test_raising_and_clearing_take_turns(steps: list[tuple[int, bool]]) -> None:
    """Whatever happens when: first it is raised, then cleared, then raised; and never twice within the time to settle."""
    second, looks = 0.0, []
    for wait, there in steps:
        second += wait
        looks.append((second, HERE if there else GONE))
    turns = [(at, turn) for at, turn in told(looks) if turn is not Turn.REPEATED]

    assert [turn for _, turn in turns] == [(Turn.RAISED, Turn.CLEARED)[number % 2] for number in range(len(turns))]
    assert all(later - earlier >= 120 for (earlier, _), (later, _) in itertools.pairwise(turns))
