"""Claims about versions of things: what somebody changed is another version, what changed by itself is not."""

from __future__ import annotations

import pytest

from shared.core.errors import PreconditionFailed
from shared.core.versions import check_expected, tag_of, version_in, version_of

SEEN = frozenset({"seen"})
THING = {"name": "a", "tags": ["x"], "seen": 1}


def test_a_version_is_about_what_somebody_changes() -> None:
    """Not about the order of fields, and not about what changes by itself."""
    version = version_of(THING, SEEN)

    assert version == version_of({"seen": 2, "tags": ["x"], "name": "a"}, SEEN)
    assert version != version_of({**THING, "tags": ["y"]}, SEEN)
    assert version != version_of({**THING, "more": None}, SEEN)


def test_a_tag_tells_any_difference_and_has_the_version_in_it() -> None:
    """So that one tag serves both who wants to change and who wants the newest."""
    before, after = tag_of(THING, SEEN), tag_of({**THING, "seen": 2}, SEEN)

    assert before != after
    assert version_in(before) == version_in(after) == version_of(THING, SEEN)


def test_what_is_expected_is_one_of_several_or_anything() -> None:
    """Nothing expected is no condition."""
    present = version_of(THING, SEEN)

    for expected in (None, ["*"], [present], ["other", present]):
        check_expected(expected, THING, SEEN)


@pytest.mark.parametrize("expected", [[], ["other"], "*", {"*": 1}, [["*"]]])
def test_anything_else_is_refused_with_the_present_version(expected: object) -> None:
    """Whoever decides anew need not look again to know the tag."""
    with pytest.raises(PreconditionFailed, match=version_of(THING, SEEN)):
        check_expected(expected, THING, SEEN)
