"""Claims about errors: one tree, a code each, and they survive the journey over the bus."""

from __future__ import annotations

import pytest

from shared.core import errors
from shared.core.errors import OdstError, PermanentError, TransientError, from_wire

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, OdstError)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_comes_out_as_it_went_in(kind: type[OdstError]) -> None:
    """Class, sentence and code."""
    error = kind("what is wrong", "FINER_CODE")

    again = from_wire(type(error).__name__, *error.args)

    assert (type(again), str(again), again.code) == (kind, "what is wrong", "FINER_CODE")


def test_every_error_has_a_code_of_its_own() -> None:
    """And is either worth another try or not."""
    codes = [kind.default_code for kind in KINDS]

    assert len(set(codes)) == len(codes)
    assert all(issubclass(kind, TransientError | PermanentError) for kind in KINDS if kind is not OdstError)


def test_an_unknown_kind_is_still_an_error_of_ours() -> None:
    """A newer service talks to an older one."""
    error = from_wire("KindOfTomorrow", "what is wrong", "CODE_OF_TOMORROW")

    assert (type(error), error.code) == (OdstError, "CODE_OF_TOMORROW")
