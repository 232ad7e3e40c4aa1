"""Claims about times as text."""

from __future__ import annotations

import datetime as dt

import pytest

from shared.core.manifest import Manifest
from shared.core.times import rfc3339, to_text, to_time
from shared.testing.builders import a_manifest

FIRST = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
MOMENTS = [FIRST, dt.datetime(999, 12, 31, 23, 59, 59, 999_999, dt.UTC), dt.datetime(2026, 11, 24, 9, 5, 7, 80, dt.UTC)]


@pytest.mark.parametrize("time", MOMENTS, ids=str)
def test_what_is_written_is_read_again(time: dt.datetime) -> None:
    """In every year that there is: of four digits."""
    assert to_time(to_text(time)) == time
    assert dt.datetime.fromisoformat(rfc3339(time)) == time.replace(microsecond=0)


def test_times_are_in_utc_and_sort_as_text() -> None:
    """Whatever zone they come in."""
    noon = dt.datetime(2026, 11, 24, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))

    assert (to_text(noon), rfc3339(noon)) == ("2026-11-24T10:00:00.000000Z", "2026-11-24T10:00:00Z")
    assert sorted(map(to_text, reversed(MOMENTS))) == [to_text(time) for time in MOMENTS]


def test_a_manifest_of_the_first_century_is_read_as_it_was_signed() -> None:
    """Nobody has a clock like that, and anybody may say so."""
    manifest = a_manifest(created=FIRST)

    assert Manifest.parse(manifest.payload()) == manifest
