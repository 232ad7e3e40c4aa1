"""Promise P2: who was away while a lot was changed catches up, and gets only what is current in the end."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.testing.hands import Hands, hands_on
from shared.testing.instance import Instance
from shared.testing.mesh import agree, packages_at, view
from shared.testing.sites import bytes_fetched, download
from shared.testing.waiting import wait_for

CATCH_UP_SECONDS = 300
pytestmark = [pytest.mark.mesh, pytest.mark.slow, pytest.mark.promise("P2"), pytest.mark.timeout(CATCH_UP_SECONDS + 900)]
CHANGES, CHANGES_IN_SHORT = 10_000, 1_000
_CHANGES_PER_NAME = 20


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


def _states(instance: Instance) -> dict[str, str]:
    """The state of every package by its id: out of the database, which says it also while the services are busy, or just killed."""
    path = instance.data / "databases" / "storage.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return dict(database.execute("SELECT package_id, state FROM packages"))


@dataclass
class _Watch:
    """Looks at an instance again and again: whatever is deleted in the end may be there only as long as its deletion was not heard of."""

    instance: Instance
    before: Mapping[str, str]
    """States before it was away."""
    dead: frozenset[str]
    buried: set[str] = field(default_factory=set)

    def look(self) -> Counter[str]:
        """How many packages are in each state now.

        Raises:
            AssertionError: if one is back, or came at all.
        """
        states = _states(self.instance)
        alive = {one for one in self.dead & states.keys() if states[one] != "deleted"}
        assert alive <= self.before.keys() - self.buried, (
            f"deleted, and yet there: {sorted(alive - (self.before.keys() - self.buried))[:5]}"
        )
        self.buried |= (self.dead & states.keys()) - alive
        return Counter(states.values())

    def has_learned(self) -> bool:
        """True if it has heard of a deletion that was made while it was away."""
        self.look()
        return any(self.before.get(one) != "deleted" for one in self.buried)


def _moved_to(instance: Instance) -> set[str]:
    """Ids of the packages of the latest transfers."""
    return {transfer["package_id"] for transfer in instance.api("GET", "/transfers?limit=1000").json()["items"]}


def test_who_was_away_for_many_changes_catches_up(pair: Any, chance: random.Random, *, long_run: bool) -> None:
    """P2: down through 10,000 changes, and killed while it catches up: the same view within 5 minutes of its start;
    nothing that was deleted is back at any moment, nothing superseded is fetched.
    """
    a, b = pair.a, pair.b
    known = [a.uploaded(a.upload(f"absence-{number}.pkg", chance.randbytes(500)))["package_id"] for number in range(8)]
    agree(a, b)
    had, fetched, moved = {package["sha256"] for package in packages_at(b)}, bytes_fetched(b), _moved_to(b)
    for instance in (a, b):
        instance.kill()
    before = _states(b)
    with hands_on(a) as hands:
        _change(hands, chance, known, CHANGES if long_run else CHANGES_IN_SHORT)
    a.start().wait_ready()
    expected, counts = view(a), Counter(_states(a).values())
    watch = _Watch(b, before, frozenset(one for one, state in _states(a).items() if state == "deleted"))
    deadline = time.monotonic() + CATCH_UP_SECONDS
    b.start().wait_ready()

    wait_for(watch.has_learned, "B learns of deletions", tolerate=(sqlite3.Error,))
    b.kill("services")
    b.start("services").wait_ready()
    what = f"B catches up with {counts}, and has {watch.look()}"
    wait_for(lambda: watch.look() == counts, what, deadline_seconds=deadline - time.monotonic(), tolerate=(sqlite3.Error,))
    agree(a, b, on=expected, deadline_seconds=deadline - time.monotonic())
    watch.look()
    assert watch.buried == watch.dead
    packages = list(packages_at(a))
    current = {package["package_id"]: package for package in packages if package["state"] == "published"}
    news = sum(package["size"] for package in current.values() if package["sha256"] not in had)
    assert _moved_to(b) - moved <= current.keys()
    assert 0 < bytes_fetched(b) - fetched <= news
    shown = {package["name"] for package in current.values()}
    gone = {package["name"] for package in packages} - shown
    assert [download(b, name) for name in sorted(gone)] == [None] * len(gone)
