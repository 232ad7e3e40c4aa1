"""Checks of what version 2 added: records and who wrote them, holdings, and the digests of the drift check."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from cli.conformance.framework import Checks
from cli.conformance.packages import SAMPLE
from cli.conformance.scene import Scene
from cli.conformance.violation import NothingToCheck, require
from shared.core.charter import Charter
from shared.core.clock import Stamp
from shared.core.meta import MetaRecord, digest_of
from shared.core.trust import Trust
from shared.runtime.keys import InstanceKey, open_charter, open_manifest, open_meta, open_rotation

records = Checks("`POST /ods/v1/records`", second=True)
trusted = Checks("Who may write", second=True)
stamps = Checks("Stamps", second=True)
holdings = Checks("`POST /ods/v1/holdings`", second=True)
buckets = Checks("`GET /ods/v1/buckets?tags=`", second=True)
bucket = Checks("`GET /ods/v1/buckets/{n}?tags=`", second=True)
RECORDS = "/ods/v1/records"
HOLDINGS = "/ods/v1/holdings"
_BUCKETS = 256
_LOOKED_INTO = 8
Entry = dict[str, Any]


def _raw(texts: Iterable[str]) -> list[bytes]:
    return [base64.b64decode(text, validate=True) for text in texts]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _packages(scene: Scene) -> list[tuple[Entry, Entry]]:
    """Items of the feed with the records of the same package."""
    items = {item["id"]: item for item in scene.of_kind("package", "record")[-SAMPLE:]}
    if not items:
        raise NothingToCheck("no package in the feed: publish one")
    told = {entry["id"]: entry for entry in scene.told("POST", RECORDS, {"packages": list(items)})["packages"]}
    require(set(told) <= set(items), "no packages but those that were asked for", sorted(set(told) - set(items)))
    require(told, "records of the packages in the feed", "none")
    return [(items[package_id], entry) for package_id, entry in told.items()]


def _charters(scene: Scene) -> list[tuple[bytes, Charter]]:
    return [(raw, open_charter(raw)) for raw in _raw(scene.told("POST", RECORDS, {"charters": ["*"]})["charters"])]


def _meta(entry: Entry) -> list[MetaRecord]:
    return [open_meta(raw) for raw in _raw(entry["meta"])]


@records.add()
def manifests_are_those_of_the_feed(scene: Scene) -> None:
    """Manifests in records have the digests that the feed says, and are signed by their origins."""
    for item, entry in _packages(scene):
        (raw,) = _raw([entry["manifest"]])
        require(_sha256(raw) == item["digest"], f"the digest of the feed, {item['digest']}", _sha256(raw))
        require(open_manifest(raw).package_id == item["id"], f"the manifest of {item['id']}", entry["id"])


@records.add()
def meta_records_are_those_of_the_feed(scene: Scene) -> None:
    """Meta records are signed by their authors, about their package, and have together the digest that the feed says."""
    for item, entry in _packages(scene):
        require(all(record.package_id == item["id"] for record in _meta(entry)), f"records about {item['id']}", entry["meta"])
        digest = digest_of(map(_sha256, _raw(entry["meta"])))
        require(digest == item["meta"], f"the digest of the feed, {item['meta']}", digest)


@records.add()
def one_word_of_each_author(scene: Scene) -> None:
    """Of each author there is one meta record on each field of a package."""
    for item, entry in _packages(scene):
        keys = [record.key for record in _meta(entry)]
        require(len(set(keys)) == len(keys), f"one record of each author on each field of {item['id']}", keys)


@records.each({"charter": "instance_id", "rotation": "old"})
def relations_are_those_of_the_feed(scene: Scene, subject: str) -> None:
    """Charters and rotations are signed by whom they are about, and have the digests and stamps that the feed says."""
    kind = "charter" if subject == "instance_id" else "rotation"
    items = {item["id"]: item for item in scene.of_kind(kind)}
    if not items:
        raise NothingToCheck(f"no {kind} in the feed")
    told = _raw(scene.told("POST", RECORDS, {f"{kind}s": list(items)[:SAMPLE]})[f"{kind}s"])
    require(told, f"{kind}s of the feed", "none")
    for raw in told:
        opened: Any = open_charter(raw) if kind == "charter" else open_rotation(raw)
        item = items[str(getattr(opened, subject))]
        require((_sha256(raw), str(opened.stamp)) == (item["digest"], item["stamp"]), "digest and stamp of the feed", item)


@records.add()
def it_says_what_it_is(scene: Scene) -> None:
    """The instance has a charter of its own, with the name and the tags of its status."""
    own = [charter for _, charter in _charters(scene) if charter.instance_id == scene.instance_id]
    require(len(own) == 1, "one charter of the instance", len(own))
    told = own[0].name, sorted(own[0].tags)
    require(told == (scene.status["name"], sorted(scene.status["tags"])), "name and tags of its status", told)


@records.add()
def strangers_are_left_out(scene: Scene) -> None:
    """What is unknown is left out, and fields of later versions are ignored."""
    stranger = str(InstanceKey.generate().instance_id)
    wish = {"packages": [str(uuid4())], "charters": [stranger], "rotations": [stranger], "of a later version": True}
    told = scene.told("POST", RECORDS, wish)
    require((told["packages"], told["charters"], told["rotations"]) == ([], [], []), "three empty lists", told)


WRONG_WISHES: Mapping[str, Entry] = {
    "for 201 packages": {"packages": [str(uuid4())] * 201},
    "for 201 records of all kinds": {"packages": [str(uuid4())] * 200, "charters": [str(InstanceKey.generate().instance_id)]},
    "for a text": {"packages": "all"},
    "for a number": {"packages": [1]},
}
WRONG_QUESTIONS: Mapping[str, Entry] = {
    "for 201 packages": WRONG_WISHES["for 201 packages"],
    "for nothing": {},
    "for a text": {"packages": "all"},
}


@records.each(WRONG_WISHES)
def refuses_wishes(scene: Scene, wish: Entry) -> None:
    """A wish is refused with 400 BODY_INVALID."""
    answer = scene.ask("POST", RECORDS, wish)
    require((answer.status, answer.code) == (400, "BODY_INVALID"), "400 BODY_INVALID", answer)


@trusted.add()
def authors_are_entitled(scene: Scene) -> None:
    """Meta records are relayed only of authors that may write, by the charters and rotations that the instance shows."""
    turned = (open_rotation(raw) for raw in _raw(scene.told("POST", RECORDS, {"rotations": ["*"]})["rotations"]))
    trust = Trust.of((charter for _, charter in _charters(scene)), turned)
    for _, entry in _packages(scene):
        origin = open_manifest(_raw([entry["manifest"]])[0]).origin
        wrong = [record for record in _meta(entry) if not trust.may_steward(record.author, origin, record.stamp)]
        require(not wrong, f"stewards of {origin} only", [str(record.author) for record in wrong])


@stamps.add()
def nothing_is_of_the_future(scene: Scene) -> None:
    """No record is of the future, by more than five minutes."""
    now = dt.datetime.now(dt.UTC)
    written = [charter.stamp for _, charter in _charters(scene)]
    written += [Stamp.parse(item["stamp"]) for item in scene.of_kind("charter", "rotation")]
    if scene.of_kind("package", "record"):
        written += [record.stamp for _, entry in _packages(scene) for record in _meta(entry)]
    for stamp in written:
        stamp.check_not_ahead(now)


@holdings.add()
def holdings_fit_the_feed(scene: Scene) -> None:
    """Of a package in the feed the bytes are here, of a record they are not to be had."""
    items = {item["id"]: item for item in scene.of_kind("package", "record")[-SAMPLE:]}
    if not items:
        raise NothingToCheck("no package in the feed: publish one")
    told = scene.told("POST", HOLDINGS, {"packages": [*items, str(uuid4())]})["packages"]
    require(set(told) == set(items), "what was asked for and is known", sorted(set(told) ^ set(items)))
    for package_id, holding in told.items():
        fits = isinstance(holding["state"], str) and isinstance(holding["bytes_here"], bool)
        percent = holding["percent"]
        require(fits and (percent is None or 0 <= percent <= 100), "state, bytes_here and percent", holding)  # noqa: PLR2004
        require(holding["bytes_here"] or items[package_id]["kind"] == "record", "bytes of what the feed offers", holding)


@holdings.each(WRONG_QUESTIONS)
def refuses_questions(scene: Scene, wish: Entry) -> None:
    """A question is refused with 400 BODY_INVALID."""
    answer = scene.ask("POST", HOLDINGS, wish)
    require((answer.status, answer.code) == (400, "BODY_INVALID"), "400 BODY_INVALID", answer)


def _expected(items: Iterable[Entry]) -> list[str]:
    lines: dict[int, list[str]] = defaultdict(list)
    for item in sorted(items, key=lambda one: str(one["id"])):
        lines[int(item["id"][:2], 16)].append(f"{item['id']} {item['digest']} {item['meta']}\n")
    return [_sha256("".join(lines[number]).encode()) for number in range(_BUCKETS)]


@buckets.add()
def buckets_follow_from_the_feed(scene: Scene) -> None:
    """The digests are those of all packages in the feed, if the asker shows all of its own."""
    told = scene.told("GET", "/ods/v1/buckets?tags=*")
    pages = scene.pages()
    feed = {item["id"]: item for page in pages for item in page["items"] if item["kind"] in ("package", "record")}
    wrong = [number for number, digest in enumerate(_expected(feed.values())) if told["buckets"][number : number + 1] != [digest]]
    require(not wrong and len(told["buckets"]) == _BUCKETS, "256 digests that follow from the feed", f"others in {wrong[:10]}")
    require(told["epoch"] == pages[-1]["epoch"], f"the epoch of the feed, {pages[-1]['epoch']}", told["epoch"])
    require(sorted(told["tags"]) == sorted(scene.status["view_tags"]), "the tags of status", told["tags"])


@bucket.each({"all tags": "*", "no tags": "", "one tag": "conformance"})
def buckets_can_be_looked_into(scene: Scene, tags: str) -> None:
    """The packages of a bucket make its digest, and are in the feed as they stand there."""
    told = scene.told("GET", f"/ods/v1/buckets?tags={tags}")["buckets"]
    feed = {item["id"]: item for page in scene.pages() for item in page["items"]}
    empty = _sha256(b"")
    for number in [number for number, digest in enumerate(told) if digest != empty][:_LOOKED_INTO]:
        items = scene.told("GET", f"/ods/v1/buckets/{number}?tags={tags}")["items"]
        require(_expected(items)[number] == told[number], f"packages that make {told[number]}", items[:2])
        strange = [
            item for item in items if (item["digest"], item["meta"]) != tuple(feed[item["id"]].get(name) for name in ("digest", "meta"))
        ]
        require(not strange, "packages as the feed has them", strange[:1])


@bucket.each({number: number for number in ("256", "-1", "x", "9" * 30)})
def there_is_no_other_bucket(scene: Scene, number: str) -> None:
    """There is no bucket of that number: 404."""
    answer = scene.ask("GET", f"/ods/v1/buckets/{number}?tags=")
    require(answer.status == 404, "404", answer)  # noqa: PLR2004 - as in the page


@buckets.each({"in capitals": "TEST", "too many": ",".join(f"t{number}" for number in range(33))})
def refuses_tags(scene: Scene, tags: str) -> None:
    """Tags that are none are refused with 400 QUERY_INVALID."""
    answer = scene.ask("GET", f"/ods/v1/buckets?tags={tags}")
    require((answer.status, answer.code) == (400, "QUERY_INVALID"), "400 QUERY_INVALID", answer)
