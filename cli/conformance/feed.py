"""Checks of the change feed, of announcements and of status."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from cli.conformance.framework import Checks
from cli.conformance.scene import PAGE, Scene
from cli.conformance.violation import NothingToCheck, require
from shared.core.clock import Stamp
from shared.core.identity import InstanceId

rings = Checks("`POST /ods/v1/announcements`")
feed = Checks("`GET /ods/v1/changes?epoch=&since=&limit=`")
status = Checks("`GET /ods/v1/status`")
versions = Checks("Versions")
RING = "/ods/v1/announcements"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIRST_FIELDS = {"seq": int, "kind": str, "id": str, "rev": int, "digest": str}
_SECOND_CALLS = (
    ("POST", "/ods/v1/records"),
    ("POST", "/ods/v1/holdings"),
    ("POST", "/ods/v1/rotations"),
    ("GET", "/ods/v1/buckets"),
    ("GET", "/ods/v1/buckets/0"),
)
_TRIES = 3
_SMALL_PAGES = 40


@rings.add()
def hears(scene: Scene) -> None:
    """A ring is heard; fields of later versions are ignored."""
    told = scene.told("POST", RING, {"epoch": "conformance", "seq": 0, "of a later version": [1]})
    require(told.get("heard") is True, '{"heard": true}', told)


@rings.each(
    {
        "without seq": {"epoch": "e"},
        "without epoch": {"seq": 1},
        "with a negative seq": {"epoch": "e", "seq": -1},
        "with a text for seq": {"epoch": "e", "seq": "1"},
        "with an epoch of 65 characters": {"epoch": "e" * 65, "seq": 1},
        "that is a list": [],
    }
)
def refuses_rings(scene: Scene, ring: Any) -> None:
    """A ring is refused with 400 BODY_INVALID."""
    answer = scene.ask("POST", RING, json.dumps(ring).encode())
    require((answer.status, answer.code) == (400, "BODY_INVALID"), "400 BODY_INVALID", answer)


@status.add()
def says_who_it_is(scene: Scene) -> None:
    """Status has the instance's id, name, versions, time, tags and free space."""
    kinds = {"instance_id": str, "name": str, "protocol": list, "time": str, "tags": list, "free_bytes": int}
    wrong = {name: scene.status.get(name) for name, kind in kinds.items() if not isinstance(scene.status.get(name), kind)}
    require(not wrong, f"fields {', '.join(kinds)}", wrong)
    require(scene.status["instance_id"] == str(scene.instance_id), "the id in the invitation", scene.status["instance_id"])
    require(set(scene.status["protocol"]) & {1, 2}, "a version that this program speaks", scene.status["protocol"])


@status.add(second=True)
def says_what_we_may_see(scene: Scene) -> None:
    """Status has the staging tags that the asker bears in the instance's eyes."""
    require(isinstance(scene.status.get("view_tags"), list), "a list view_tags", scene.status)
    require(2 in scene.status["protocol"], "2 among the versions", scene.status["protocol"])  # noqa: PLR2004 - version 2


@feed.add()
def pages_have_their_fields(scene: Scene) -> None:
    """A page has epoch, items, next and more."""
    page = scene.page()
    well_formed = (
        isinstance(page.get("epoch"), str)
        and 0 < len(page["epoch"]) <= 64  # noqa: PLR2004 - as in the page
        and isinstance(page.get("items"), list)
        and type(page.get("next")) is int
        and isinstance(page.get("more"), bool)
    )
    require(well_formed, "epoch (1 to 64 characters), items, next and more", {name: page.get(name) for name in ("epoch", "next", "more")})


@feed.add()
def rises(scene: Scene) -> None:
    """Numbers rise, over pages too, and no record stands there twice."""
    numbers = [item["seq"] for item in scene.items]
    require(all(earlier < later for earlier, later in pairwise(numbers)), "rising numbers", numbers[:20])
    twice = [record for record, count in Counter(map(_record, scene.items)).items() if count > 1]
    require(not twice, "one row for each record", twice[:3])


def _record(item: dict[str, Any]) -> tuple[str, str]:
    return "package" if item["kind"] in ("record", "gone") else item["kind"], item["id"]


@feed.add()
def limits_hold(scene: Scene) -> None:
    """A page has at most as many items as were asked for, and its cursor is not before its last item."""
    for limit in (1, 3):
        page = scene.page(limit=limit)
        require(len(page["items"]) <= limit, f"at most {limit} items", len(page["items"]))
        require(all(item["seq"] <= page["next"] for item in page["items"]), "next at or after the last item", page["next"])


@feed.add()
def is_free_of_gaps(scene: Scene) -> None:
    """Small pages and large ones bring the same items, in the same order."""
    whole, pages = _both(scene)
    small = [item for page in pages for item in page["items"]]
    common = min(len(small), len(whole))
    require(small[:common] == whole[:common], "the same items", [item["seq"] for item in small][:20])
    require(pages[-1]["more"] or len(small) >= len(whole), f"all {len(whole)} items", len(small))


def _both(scene: Scene) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The items of one large page, and small pages of the same moment."""
    for _ in range(_TRIES):
        whole: list[dict[str, Any]] = scene.page()["items"]
        pages = scene.pages(limit=7, most=_SMALL_PAGES)
        if scene.page()["items"] == whole:
            return whole, pages
    raise NothingToCheck("the feed changes faster than it can be compared")


@feed.add()
def goes_on_from_a_cursor(scene: Scene) -> None:
    """Read from the cursor of a page, the feed goes on behind it; at its end there is nothing."""
    first = scene.page(limit=1)
    second = scene.page(first["epoch"], first["next"], 1)
    require(all(item["seq"] > first["next"] for item in second["items"]), f"numbers after {first['next']}", second)
    last = scene.pages()[-1]
    after = scene.page(last["epoch"], last["next"])
    require(all(item["seq"] > last["next"] for item in after["items"]), "nothing but news after the end", after["items"][:3])
    require(after["next"] >= last["next"], "a cursor that does not go back", after["next"])


@feed.add()
def begins_anew_for_unknown_epochs(scene: Scene) -> None:
    """A reader with another epoch gets the feed from its start, under its own name."""
    page, other = scene.page(limit=1), scene.page("of-another-numbering", 1 << 40, 1)
    require(other["epoch"] == page["epoch"], f"the epoch {page['epoch']}", other["epoch"])
    require([item["id"] for item in other["items"]] == [item["id"] for item in page["items"]], "the first item", other["items"])


@feed.each({name: name for name in ("limit=0", f"limit={PAGE + 1}", "limit=x", "limit=-1", "since=-1", "since=x", "since=1e3")})
def refuses_queries(scene: Scene, query: str) -> None:
    """A query is refused with 400 QUERY_INVALID."""
    answer = scene.ask("GET", f"/ods/v1/changes?{query}")
    require((answer.status, answer.code) == (400, "QUERY_INVALID"), "400 QUERY_INVALID", answer)


_RULES: dict[str, Callable[[dict[str, Any]], object]] = {
    "package": lambda item: item["rev"] >= 1 and _SHA256.fullmatch(item["digest"]) and _SHA256.fullmatch(item["meta"]),
    "record": lambda item: item["rev"] >= 1 and _SHA256.fullmatch(item["digest"]) and _SHA256.fullmatch(item["meta"]),
    "gone": lambda item: item["id"],
    "charter": lambda item: _SHA256.fullmatch(item["digest"]) and InstanceId.parse(item["id"]) and Stamp.parse(item["stamp"]),
    "rotation": lambda item: _SHA256.fullmatch(item["digest"]) and InstanceId.parse(item["id"]) and Stamp.parse(item["stamp"]),
}


@feed.each({kind: kind for kind in _RULES}, second=True)
def items_have_their_fields(scene: Scene, kind: str) -> None:
    """Items of a kind have the fields of that kind."""
    found = scene.of_kind(kind)
    if not found:
        raise NothingToCheck(f"no {kind} in the feed")
    wrong = [item for item in found if not _RULES[kind](item)]
    require(not wrong, f"the fields of a {kind}", wrong[:1])


@versions.add()
def can_be_read_by_the_first(scene: Scene) -> None:
    """A reader of version 1 finds what it knows."""
    packages = scene.of_kind("package")
    if not packages:
        raise NothingToCheck("no package in the feed: publish one")
    wrong = [item for item in packages if any(type(item.get(name)) is not kind for name, kind in _FIRST_FIELDS.items())]
    require(not wrong, f"fields {', '.join(_FIRST_FIELDS)}", wrong[:1])


@versions.each({f"{method} {target}": (method, target) for method, target in _SECOND_CALLS})
def has_all_calls_of_its_version(scene: Scene, call: tuple[str, str]) -> None:
    """A call of version 2 is there if the feed says so, and 404 if it does not."""
    answer = scene.ask(*call, document=b"{}" if call[0] == "POST" else None)
    if scene.speaks_second:
        require(answer.status != 404, "anything but 404", answer)  # noqa: PLR2004 - as in the page
    else:
        require(answer.status == 404, "404", answer)  # noqa: PLR2004 - as above


@versions.add()
def says_the_same_everywhere(scene: Scene) -> None:
    """Status and feed agree about the version that is spoken."""
    require((2 in scene.status["protocol"]) == scene.speaks_second, "the same versions", scene.status["protocol"])  # noqa: PLR2004
