"""Claims about staging tags: who may have what is decided by one rule."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.errors import InvalidInput
from shared.core.staging import EVERY_TAG, MAX_TAGS, Stages, entitled, read_tags

STAGES = Stages(("development", "test", "production"))
tag_sets = st.frozensets(st.sampled_from(["development", "test", "production", "lab"]))


@pytest.mark.parametrize(
    ("package", "borne", "answer"),
    [
        ((), (), True),
        ((), ("test",), True),
        (("test",), (), False),
        (("test",), ("test",), True),
        (("test",), ("production",), False),
        (("test", "production"), ("production", "lab"), True),
        (("test",), (EVERY_TAG,), True),
        ((), (EVERY_TAG,), True),
    ],
)
def test_a_tagged_package_goes_only_to_whom_bears_one_of_its_tags(
    package: tuple[str, ...], borne: tuple[str, ...], *, answer: bool
) -> None:
    """One without tags goes everywhere."""
    assert entitled(package, borne) is answer


@given(tag_sets, tag_sets, tag_sets)
def test_whoever_bears_more_gets_no_less(package: frozenset[str], borne: frozenset[str], more: frozenset[str]) -> None:
    """And who bears everything gets everything."""
    assert entitled(package, borne | more) >= entitled(package, borne)
    assert entitled(package, {EVERY_TAG})


@pytest.mark.parametrize("value", ["Test", "", "-test", "a" * 41, "te st", "tést", "test\n", "*", None, 7, ["test"], {}])
def test_a_malformed_tag_is_refused(value: Any) -> None:
    """Whatever its type; a package cannot have all tags at once."""
    with pytest.raises(InvalidInput) as caught:
        read_tags([value])
    assert caught.value.code == "TAG_INVALID"


@pytest.mark.parametrize("values", ["test", None, {"test": 1}, 3, [f"t{number}" for number in range(MAX_TAGS + 1)]])
def test_only_a_short_list_is_a_list_of_tags(values: Any) -> None:
    """A word is not read as the list of its letters."""
    with pytest.raises(InvalidInput):
        read_tags(values)


def test_a_bearer_may_have_all_tags() -> None:
    """By the asterisk."""
    assert read_tags(["test", EVERY_TAG, "test"], bearer=True) == {"test", EVERY_TAG}


def test_an_unknown_stage_is_refused_by_name() -> None:
    """With those that are known, and the setting."""
    assert STAGES.check(["test", "production"]) == {"test", "production"}
    assert STAGES.check([EVERY_TAG], bearer=True) == {EVERY_TAG}
    with pytest.raises(InvalidInput, match="no stage 'lab' here: the stages are development, test, production") as caught:
        STAGES.check(["test", "lab"])
    assert caught.value.code == "STAGE_UNKNOWN"
    with pytest.raises(InvalidInput, match="none is configured"):
        Stages(()).check(["test"])


@pytest.mark.parametrize(
    ("tags", "following"),
    [
        (["development"], "test"),
        (["development", "test"], "production"),
        (["test", "lab"], "production"),
        (["production"], None),
        (["lab"], None),
        ([], None),
    ],
)
def test_the_stage_after_is_that_of_the_last_one(tags: list[str], following: str | None) -> None:
    """There is none after the last, none of a tag that is no stage, and none of a package that goes everywhere already."""
    assert STAGES.after(tags) == following
