"""Long or short: `ODST_CHAOS=long` runs the promises at full size; without it, a short version fit for CI."""

from __future__ import annotations

import os
import random

import pytest

LONG = os.environ.get("ODST_CHAOS") == "long"


@pytest.fixture
def long_run() -> bool:
    """True if this is the long run."""
    return LONG


@pytest.fixture
def chance() -> random.Random:
    """Random, with a seed that is printed, and set by ODST_SEED to repeat a run."""
    seed = int(os.environ.get("ODST_SEED") or random.randrange(1 << 32))
    print(f"seed: ODST_SEED={seed}")
    return random.Random(seed)
