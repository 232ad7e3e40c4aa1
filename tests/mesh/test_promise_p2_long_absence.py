"""Promise P2: who was away while a lot was changed catches up, and gets only what is current in the end."""

from __future__ import annotations

import random
from typing import Any

import pytest

from shared.testing.hands import Hands, hands_on
from shared.testing.instance import Instance
from shared.testing.mesh import agree, packages_at, view
from shared.testing.sites import AWAY, bytes_fetched, download
from shared.testing.waiting import wait_for

CATCH_UP_SECONDS = 300
pytestmark = [pytest.mark.mesh, pytest.mark.slow, pytest.mark.promise("P2"), pytest.mark.timeout(CATCH_UP_SECONDS + 300)]
CHANGES, CHANGES_IN_SHORT = 10_000, 1_000
_CHANGES_PER_NAME = 20
_COUNTED = ("packages_published", "packages_superseded", "packages_deleted", "packages_wanted")


def _change(hands: Hands, chance: random.Random, live: list[str], count: int) -> None:
    """So many changes by chance: of the packages `live`, and of others that are uploaded meanwhile."""
    deleted: list[str] = []
    names = [f"absence-{number}.pkg" for number in range(count // _CHANGES_PER_NAME)]
    for number in range(count):
        kind = chance.choices(("upload", "retag", "delete", "undelete", "raise"), (50, 15, 20, 5, 10))[0]
        if kind == "upload" or (kind == "undelete" and not deleted):
            live.append(hands.upload(chance.choice(names), b"%d " % number + chance.randbytes(chance.randrange(2000))))
        elif kind == "retag":
            hands.retag(chance.choice(live), *chance.sample(("development", "test", "production"), chance.randrange(3)))
        elif kind == "delete":
            deleted.append(live.pop(chance.randrange(len(live))))
            hands.delete(deleted[-1])
        elif kind == "undelete":
            live.append(deleted.pop(chance.randrange(len(deleted))))
            hands.undelete(live[-1])
        else:
            hands.make_current(chance.choice(live))


def _counts(instance: Instance) -> dict[str, int]:
    """Packages by state; nothing if the service is too busy to say."""
    figures = instance.api("GET", "/status").json()["services"]["storage"]
    return {name: figures[name] for name in _COUNTED if name in figures}


def _moved_to(instance: Instance) -> set[str]:
    """Ids of the packages of the latest transfers."""
    return {transfer["package_id"] for transfer in instance.api("GET", "/transfers?limit=1000").json()["items"]}


def test_who_was_away_for_many_changes_catches_up(pair: Any, chance: random.Random, *, long_run: bool) -> None:
    """P2: down through 10,000 changes, and killed while it catches up: the same view within 5 minutes;
    nothing deleted comes back, nothing superseded is fetched.
    """
    a, b = pair.a, pair.b
    known = [a.uploaded(a.upload(f"absence-{number}.pkg", chance.randbytes(500)))["package_id"] for number in range(8)]
    agree(a, b)
    had, fetched, moved = {package["sha256"] for package in packages_at(b)}, bytes_fetched(b), _moved_to(b)
    deleted = [wait_for(lambda: _counts(b), "B counts its packages")["packages_deleted"]]
    for instance in (a, b):
        instance.kill()
    with hands_on(a) as hands:
        _change(hands, chance, known, CHANGES if long_run else CHANGES_IN_SHORT)
    a.start().wait_ready()
    expected, counts = view(a), wait_for(lambda: _counts(a), "A counts its packages")
    b.start().wait_ready()

    wait_for(lambda: _note_deleted(b, deleted) and deleted[-1] > deleted[0], "B learns of deletions", tolerate=AWAY)
    b.kill("services")
    b.start("services").wait_ready()
    what = f"B catches up with {counts}"
    wait_for(lambda: _caught_up(b, counts, deleted), what, deadline_seconds=CATCH_UP_SECONDS, tolerate=(*AWAY, LookupError))
    agree(a, b, on=expected)
    assert deleted == sorted(deleted), "what was deleted came back for a while"
    packages = list(packages_at(a))
    current = {package["package_id"]: package for package in packages if package["state"] == "published"}
    news = sum(package["size"] for package in current.values() if package["sha256"] not in had)
    assert _moved_to(b) - moved <= current.keys()
    assert 0 < bytes_fetched(b) - fetched <= news
    shown = {package["name"] for package in current.values()}
    gone = {package["name"] for package in packages} - shown
    assert [download(b, name) for name in sorted(gone)] == [None] * len(gone)


def _note_deleted(instance: Instance, deleted: list[int]) -> dict[str, int]:
    counts = _counts(instance)
    deleted.append(counts.get("packages_deleted", deleted[-1]))
    return counts


def _caught_up(instance: Instance, counts: dict[str, int], deleted: list[int]) -> bool:
    seen = _note_deleted(instance, deleted)
    if seen != counts:
        raise LookupError(seen)
    return True
