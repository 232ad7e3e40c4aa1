"""What tests of the mesh ask of instances: who may see what, where a package is, what was written down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests

from shared.core.layout import Layout
from shared.core.times import rfc3339
from shared.runtime.keys import InstanceKey, key_file, read_private
from shared.testing.instance import Instance
from shared.testing.waiting import wait_for

AWAY = (requests.ConnectionError, requests.Timeout)
"""What a question runs into while nobody is at home."""
_AUDIT_PAGE = 1000


def start_together(*instances: Instance) -> None:
    """Start these side by side, or what of them does not run; all are ready afterwards."""
    for instance in instances:
        instance.start()
    for instance in instances:
        instance.wait_ready()


@contextmanager
def running(*instances: Instance) -> Iterator[None]:
    """Start these side by side; they are ready within, and ended afterwards."""
    try:
        start_together(*instances)
        yield
    finally:
        for instance in instances:
            instance.close()


def id_of(instance: Instance) -> str:
    """The id by which an instance goes now."""
    return str(instance.api("GET", "/status").json()["instance"]["instance_id"])


def key_of(instance: Instance) -> InstanceKey:
    """An instance's own private key, out of its folder: what a thief would have."""
    return InstanceKey(read_private(key_file(Layout(instance.data))))


# Peers


def join(joiner: Instance, inviter: Instance, *, sees: Iterable[str] = (), shows: Iterable[str] = (), steward: bool = False) -> None:
    """Register with `inviter`: the joiner `sees` packages with these tags there, and `shows` those with these of its own.

    The inviter becomes a steward of the joiner's packages; the other way round only if said so.
    """
    wish = {"tags": list(sees), "steward": steward}
    invitation = inviter.api("POST", "/invitations", json=wish, expect=201).json()["invitation"]
    joiner.api("POST", "/peers", json={"invitation": invitation, "tags": list(shows)}, expect=201)


def peer_at(instance: Instance, name: str) -> dict[str, Any]:
    """An active peer of an instance, by its name."""
    peers = instance.api("GET", "/peers").json()["items"]
    return next(peer for peer in peers if peer["name"] == name and peer["state"] == "active")


def change_peer(instance: Instance, name: str, **changes: Any) -> dict[str, Any]:
    """Change what a peer may see (`tags`) or do (`steward`)."""
    changed: dict[str, Any] = instance.api("PATCH", f"/peers/{peer_at(instance, name)['peer_id']}", json=changes).json()
    return changed


def pull(*instances: Instance) -> None:
    """Have them read the feeds of all their peers now."""
    for instance in instances:
        instance.api("POST", "/peers/pull", expect=202)


def read_feed(instance: Instance, name: str) -> None:
    """Have an instance read the feed of a peer to its end, from now on."""
    begun = rfc3339(dt.datetime.now(dt.UTC))

    def read() -> bool:
        pull(instance)
        return str(peer_at(instance, name)["last_pull"]) > begun

    wait_for(read, f"{instance.name} has read the feed of {name}", tolerate=AWAY)


# Packages


def put(instance: Instance, name: str, data: bytes, *tags: str) -> str:
    """Upload a package with these staging tags; its id once it is published there."""
    headers = {"Ods-Tags": ",".join(tags)} if tags else {}
    return str(instance.uploaded(instance.upload(name, data, **headers))["package_id"])


def package_at(instance: Instance, reference: str) -> dict[str, Any] | None:
    """A package as an instance knows it."""
    response = instance.api("GET", f"/packages/{reference}", expect=None)
    if response.status_code == requests.codes.not_found:
        return None
    assert response.status_code == requests.codes.ok, response.text
    package: dict[str, Any] = response.json()
    return package


def wait_package(instance: Instance, reference: str, deadline_seconds: float = 60, **fields: Any) -> dict[str, Any]:
    """Wait until a package is known somewhere with these fields, such as `state="withheld"`."""

    def so() -> dict[str, Any] | None:
        package = package_at(instance, reference)
        seen = {name: package[name] for name in fields} if package else None
        return package if package and seen == fields else None

    what = f"{reference} at {instance.name} is {fields}"
    return wait_for(so, what, deadline_seconds=deadline_seconds, tolerate=AWAY) or {}


def wait_published(package_id: str, *instances: Instance) -> None:
    """Wait until a package is what clients get under its name at all of these."""
    for instance in instances:
        wait_package(instance, package_id, state="published", bytes_here=True)


def retag(instance: Instance, reference: str, *tags: str) -> None:
    """Let a package have these staging tags, and no others."""
    instance.api("POST", f"/packages/{reference}/tags", json={"tags": list(tags)})


def download(instance: Instance, name: str) -> bytes | None:
    """What a client gets; None if there is nothing by that name."""
    response = requests.get(f"{instance.url}/packages/{name}", timeout=60)
    return response.content if response.status_code == requests.codes.ok else None


def bytes_fetched(instance: Instance) -> int:
    """Bytes of packages that an instance ever took from peers."""
    return int(instance.api("GET", "/status").json()["services"]["replication"]["bytes_fetched"])


# What was written down


def audited(instance: Instance, event: str, /, **data: Any) -> list[dict[str, Any]]:
    """Entries of the audit log about events of a type whose data has these values."""
    entries = instance.api("GET", f"/audit?limit={_AUDIT_PAGE}").json()["items"]
    return [entry for entry in entries if entry["type"] == event and _has(entry["data"], data)]


def _has(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(data.get(name) == value for name, value in wanted.items())


def wait_audited(instance: Instance, event: str, /, *, more_than: int = 0, **data: Any) -> dict[str, Any]:
    """Wait until an event is written down, and if it may have been before, once more; the latest entry."""

    def written() -> dict[str, Any] | None:
        entries = audited(instance, event, **data)
        return entries[0] if len(entries) > more_than else None

    return wait_for(written, f"{instance.name} wrote down {event} {data}", tolerate=AWAY) or {}
