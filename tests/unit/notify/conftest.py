"""What the tests of notify share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.notify.notify_fakes import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A service to which nobody subscribed."""
    made = Desk(tmp_path)
    yield made
    made.database.close()
