"""Meshes of whole instances: how they are registered with each other, what each of them believes, and when they agree."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import requests

from shared.testing.instance import Instance
from shared.testing.sites import AWAY, join
from shared.testing.waiting import wait_for

ALL = ("*",)
View = list[tuple[Any, ...]]
_VIEWED = ("package_id", "name", "sha256", "revision", "tags", "deleted", "raised", "state")
_PAGE = 1000


def register_in_line(*instances: Instance) -> None:
    """Each registers with the one before it; nothing is held back. Everybody may write about packages of those that follow."""
    for inviter, joiner in pairwise(instances):
        join(joiner, inviter, sees=ALL, shows=ALL)


def register_in_ring(*instances: Instance) -> None:
    """A line of which the first registers with the last: everybody may write about everything, once all have heard of all."""
    register_in_line(*instances)
    join(instances[0], instances[-1], sees=ALL, shows=ALL)
    for instance in instances:
        wait_for(partial(_knows_ring, instance, len(instances)), f"{instance.name} knows whom everybody trusts", tolerate=AWAY)


def _knows_ring(instance: Instance, size: int) -> bool:
    known = instance.api("GET", "/instances").json()["items"]
    return sum(bool(one["stewards"]) for one in known) == size


def packages_at(instance: Instance) -> Iterator[dict[str, Any]]:
    """Every package that an instance knows.

    Raises:
        requests.RequestException: if it cannot say now.
    """
    after = ""
    while True:
        response = instance.api("GET", f"/packages?limit={_PAGE}{after}", expect=None)
        response.raise_for_status()
        page = response.json()
        yield from page["items"]
        if page["next"] is None:
            return
        after = f"&after={page['next']}"


def view(instance: Instance) -> View:
    """All that an instance believes of its packages and that entitled instances have to agree on."""
    return sorted(tuple(str(package[field]) for field in _VIEWED) for package in packages_at(instance))


def agree(*instances: Instance, on: View | None = None, deadline_seconds: float = 60) -> View:
    """Wait until all believe the same (that, if it is given), and nothing is on its way any more; what they believe."""
    names = ", ".join(instance.name for instance in instances)

    def agreed() -> tuple[View] | None:
        first, *others = (view(instance) for instance in instances)
        wanted = first if on is None else on
        at_rest = all(entry[-1] != "wanted" for entry in first)
        return (first,) if at_rest and all(one == wanted for one in (first, *others)) else None

    try:
        found = wait_for(agreed, f"{names} agree", deadline_seconds=deadline_seconds, tolerate=(requests.RequestException,))
        return found[0] if found else []
    except AssertionError as error:
        raise AssertionError(f"{error}; {_differences(instances)}") from None


def _differences(instances: tuple[Instance, ...]) -> str:
    views = {instance.name: set(view(instance)) for instance in instances}
    common = set.intersection(*views.values())
    return f"not shared by all: { {name: sorted(seen - common)[:10] for name, seen in views.items()} }"


def forget(instance: Instance, service: str) -> None:
    """Remove a service's database; the service does not run."""
    for path in instance.data.joinpath("databases").glob(f"{service}.sqlite3*"):
        path.unlink()


def back_up(instance: Instance, folder: Path, *services: str) -> None:
    """Copy the databases of these services as they are now, also while they run."""
    folder.mkdir(parents=True, exist_ok=True)
    for service in services:
        source = sqlite3.connect(instance.data / "databases" / f"{service}.sqlite3")
        with closing(source), closing(sqlite3.connect(folder / f"{service}.sqlite3")) as copy:
            source.backup(copy)


def restore(instance: Instance, folder: Path, *services: str) -> None:
    """Put copies in the place of the databases; the services do not run."""
    for service in services:
        forget(instance, service)
        (instance.data / "databases" / f"{service}.sqlite3").write_bytes((folder / f"{service}.sqlite3").read_bytes())


def delete(instance: Instance, reference: str) -> str:
    """Delete a package; its id."""
    return str(instance.api("DELETE", f"/packages/{reference}").json()["package_id"])


def undelete(instance: Instance, package_id: str) -> None:
    """Bring a deleted package back."""
    instance.api("POST", f"/packages/{package_id}/undelete")


def make_current(instance: Instance, package_id: str) -> None:
    """Let this version be the one that clients get under its name."""
    instance.api("POST", f"/packages/{package_id}/raise")
