"""Claims about when the end of something is near."""

from __future__ import annotations

import datetime as dt

import pytest

from shared.core.alarms import Severity
from shared.core.endings import Lifetime
from shared.testing.fakes.clock import NOON

DAY = dt.timedelta(days=1)
FORTNIGHT = 14 * DAY


@pytest.mark.parametrize(
    ("days_of_life", "first_day", "first_critical_day"),
    [(365, 14, 2), (90, 14, 2), (40, 10, 10 / 7), (8, 2, 2 / 7)],
)
def test_the_end_is_near_for_a_quarter_of_a_life_and_no_longer_than_is_said(
    days_of_life: float, first_day: float, first_critical_day: float
) -> None:
    """What is renewed every week is not near its end from its first day on; the last seventh of that time is critical."""
    life = Lifetime(NOON, NOON + days_of_life * DAY)
    a_little = dt.timedelta(seconds=1)

    def at(days_before: float, more: dt.timedelta = dt.timedelta(0)) -> Severity | None:
        return life.nearing(life.ends - days_before * DAY + more, FORTNIGHT)

    assert (at(first_day, -a_little), at(first_day, a_little)) == (None, Severity.WARNING)
    assert (at(first_critical_day, -a_little), at(first_critical_day, a_little)) == (Severity.WARNING, Severity.CRITICAL)


def test_what_has_ended_is_critical() -> None:
    """However long ago; also what was never valid."""
    assert Lifetime(NOON - 90 * DAY, NOON - DAY).nearing(NOON, FORTNIGHT) is Severity.CRITICAL
    assert Lifetime(NOON, NOON - DAY).nearing(NOON, FORTNIGHT) is Severity.CRITICAL


def test_nobody_is_told_who_does_not_want_to_be() -> None:
    """With no time of warning, nothing is ever near."""
    assert Lifetime(NOON - 90 * DAY, NOON - DAY).nearing(NOON, dt.timedelta(0)) is None
