"""Promise P1: announcements are hints; without them a poll finds whatever is new."""

from __future__ import annotations

import random
from typing import Any

import pytest

from shared.testing.instance import FAST
from shared.testing.links import ANNOUNCEMENTS
from shared.testing.mesh import agree, delete, undelete, view
from shared.testing.sites import download, id_of, put, retag

pytestmark = [pytest.mark.mesh, pytest.mark.slow, pytest.mark.promise("P1")]
POLL_AND_30_SECONDS = float(FAST["ODST_POLL_SECONDS"]) * 1.2 + 30


def test_without_announcements_all_changes_are_found_by_polling(pair: Any, chance: random.Random) -> None:
    """P1: all announcements dropped: uploads, new versions, tags, deletions and undeletions converge within a poll and 30 s."""
    a, b = pair.a, pair.b
    contents = [chance.randbytes(1000 + number) for number in range(4)]
    with pair.links.deaf():
        for number, content in enumerate(contents):
            put(a, f"deaf-{number}.pkg", content)
        put(a, "deaf-0.pkg", b"a new version" + contents[0])
        agree(b, on=view(a), deadline_seconds=POLL_AND_30_SECONDS)

        retag(a, "deaf-1.pkg", "test")
        deleted = delete(b, "deaf-2.pkg")
        delete(a, "deaf-3.pkg")
        put(b, "deaf-4.pkg", contents[0])
        agree(a, b, deadline_seconds=POLL_AND_30_SECONDS)
        assert [download(instance, f"deaf-{number}.pkg") for instance in (a, b) for number in (2, 3)] == [None] * 4

        undelete(a, deleted)
        agree(b, on=view(a), deadline_seconds=POLL_AND_30_SECONDS)

    assert {(call.sender, call.path) for call in pair.links.stopped} == {(id_of(a), ANNOUNCEMENTS), (id_of(b), ANNOUNCEMENTS)}
    for instance in (a, b):
        shown = [download(instance, f"deaf-{number}.pkg") for number in range(5)]
        assert shown == [b"a new version" + contents[0], contents[1], contents[2], None, contents[0]]
