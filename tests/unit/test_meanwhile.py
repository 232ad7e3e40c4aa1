"""Claims about what is done again and again beside a test."""

from __future__ import annotations

import threading

import pytest

from shared.testing.beside import meanwhile


def test_it_is_done_again_and_again_until_the_end() -> None:
    """With the next number each time; afterwards it is not done any more."""
    done: list[int] = []
    often = threading.Event()

    def act(number: int) -> None:
        done.append(number)
        if number == 3:
            often.set()

    with meanwhile(act, every_seconds=0.001):
        assert often.wait(30)
    at_the_end = list(done)

    assert at_the_end == list(range(len(at_the_end)))
    assert done == at_the_end


def test_what_goes_wrong_beside_a_test_is_told_to_it() -> None:
    """A test does not pass because its helper died."""
    begun = threading.Event()

    def act(_number: int) -> None:
        begun.set()
        raise OSError("the line is dead")

    with pytest.raises(OSError, match="the line is dead"), meanwhile(act, every_seconds=0.001):
        assert begun.wait(30)
