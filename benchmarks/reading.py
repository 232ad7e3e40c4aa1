"""Reading an instance's catalogue from outside, as a peer and as an administrator does, and how long each answer takes."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests

from shared.testing.instance import Instance
from shared.testing.peer import TestPeer

_PAGE = 500
_ENOUGH = 100
"""Answers of which a 99th percentile can be told."""
EVERY_TAG = ["*"]

Ask = Callable[[str], dict[str, Any]]
"""Gets what is behind a path; fails unless it is answered."""


def invite(instance: Instance) -> str:
    """An invitation whose guest may see all packages, whatever their staging tags."""
    return str(instance.api("POST", "/invitations", json={"tags": EVERY_TAG}, expect=201).json()["invitation"])


def feed_pages(peer: TestPeer, instance: Instance) -> list[float]:
    """Seconds of each page of the change feed, read to its end as often as it takes to have enough of them."""
    ask, taken = _as_peer(peer, instance), list[float]()
    while len(taken) < _ENOUGH:
        taken += _seconds(_feed(ask))
    return taken


def list_pages(instance: Instance) -> list[float]:
    """Seconds of each page of the packages in the Admin API, likewise."""
    taken = list[float]()
    while len(taken) < _ENOUGH:
        taken += _seconds(_list(lambda path: dict(instance.api("GET", path).json())))
    return taken


def bucket_digests(peer: TestPeer, instance: Instance, times: int = 11) -> float:
    """Seconds for the digests of the whole catalogue, in 256 parts; the median of several times."""
    ask = _as_peer(peer, instance)
    return statistics.median(_seconds(ask("/ods/v1/buckets?tags=*") for _ in range(times)))


def _as_peer(peer: TestPeer, instance: Instance) -> Ask:
    def ask(path: str) -> dict[str, Any]:
        response = peer.request(instance, "GET", path)
        assert response.status_code == requests.codes.ok, response.text[:300]
        return dict(response.json())

    peer.id_of(instance)  # Asked beforehand, as it is asked once.
    return ask


def _feed(ask: Ask) -> Iterator[dict[str, Any]]:
    page: dict[str, Any] = {"epoch": "", "next": 0, "more": True}
    while page["more"]:
        yield (page := ask(f"/ods/v1/changes?epoch={page['epoch']}&since={page['next']}&limit={_PAGE}"))


def _list(ask: Ask) -> Iterator[dict[str, Any]]:
    after: str | None = ""
    while after is not None:
        page = ask(f"/packages?limit={_PAGE}" + (f"&after={after}" if after else ""))
        yield page
        after = page["next"]


def _seconds(answers: Iterator[Any]) -> list[float]:
    """How long each answer took."""
    moments = [time.perf_counter()]
    for _ in answers:
        moments.append(time.perf_counter())  # noqa: PERF401 - one moment an answer, not one for all of them
    return [after - before for before, after in itertools.pairwise(moments)]
