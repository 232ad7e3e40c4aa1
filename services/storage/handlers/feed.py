"""The change feed, as peers read it, and the records behind it; nothing here changes what is known about packages.

What anybody was told is remembered in a file beside the database before it is told; see `healing` for what that is good for.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from services.storage.domain.package import View, may_have_seen
from services.storage.ports import Catalogue, FeedRow, Known, ToldFile
from shared.core.errors import InvalidInput
from shared.core.staging import entitled

MAX_PAGE, MAX_RECORDS = 1000, 200
MAX_ANSWER_CHARACTERS = 700_000
"""What does not fit into one answer is asked for again."""
ALL = "*"


@dataclass
class FeedHandlers:
    """Reads for peers."""

    catalogue: Catalogue
    told: ToldFile

    def changes(self, epoch: str | None, since: int, limit: int, view: dict[str, Any] | None) -> dict[str, Any]:
        """A page of what a peer may see. Another epoch than ours, or another view than it read with, begins at the start."""
        seen, limit = View.of(view), max(1, min(MAX_PAGE, limit))
        page = self.catalogue.changes(max(0, since), limit)
        if epoch != _epoch_name(page.epoch, seen):
            page = self.catalogue.changes(0, limit)
        self.told.tell(page.epoch, page.next)
        items = [item for row in page.rows if (item := _item(row, seen)) is not None]
        return {"epoch": _epoch_name(page.epoch, seen), "items": items, "next": page.next, "more": page.more}

    def position(self) -> dict[str, Any]:
        """Epoch and highest number, for announcements."""
        epoch, seq = self.catalogue.feed_position()
        self.told.tell(epoch, seq)
        return {"epoch": epoch, "seq": seq}

    def compare(self, items: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
        """Of the items of a peer's feed, the ids of what is unknown here or different."""
        about = {str(item["id"]): item for item in items if item.get("kind") in ("package", "record")}
        known = {one.package_id: one for one in self.catalogue.known(list(about))}
        wanted = [one for one, item in about.items() if _differs(known.get(one), item)]
        return {"packages": wanted, "charters": self._other_charters(items), "rotations": self._other_rotations(items)}

    def _other_charters(self, items: Sequence[dict[str, Any]]) -> list[str]:
        told = {str(item["id"]): (str(item.get("stamp")), str(item.get("digest"))) for item in items if item.get("kind") == "charter"}
        known = {str(one.charter.instance_id): one.order for one in self.catalogue.charters()} if told else {}
        return [one for one, order in told.items() if known.get(one, ("", "")) < order]

    def _other_rotations(self, items: Sequence[dict[str, Any]]) -> list[str]:
        told = {str(item["id"]): str(item.get("digest")) for item in items if item.get("kind") == "rotation"}
        known = {str(one.rotation.old): hashlib.sha256(one.envelope).hexdigest() for one in self.catalogue.rotations()} if told else {}
        return [one for one, digest in told.items() if known.get(one) != digest]

    def records(
        self, packages: Collection[str], charters: Collection[str], rotations: Collection[str], view: dict[str, Any] | None
    ) -> dict[str, Any]:
        """The signed records themselves: of packages that the peer may see, and of those that it may no longer see what was said."""
        seen, room = View.of(view), _Room(MAX_ANSWER_CHARACTERS)
        kept = [(str(one.charter.instance_id), one.envelope) for one in self.catalogue.charters()] if charters else []
        turned = [(str(one.rotation.old), one.envelope) for one in self.catalogue.rotations()] if rotations else []
        return {
            "charters": room.take(_text(envelope) for one, envelope in kept if one in charters or ALL in charters),
            "rotations": room.take(_text(envelope) for one, envelope in turned if one in rotations or ALL in rotations),
            "packages": self._package_records(list(packages)[:MAX_RECORDS], seen, room),
        }

    def _package_records(self, package_ids: Sequence[str], seen: View, room: _Room) -> list[dict[str, Any]]:
        said = self.catalogue.meta(package_ids)
        found = []
        for package in self.catalogue.packages(package_ids):
            shown = package.may_go_to(seen)
            if package.is_refused:
                continue
            if not shown and not may_have_seen(package.ever, seen):
                continue
            document: dict[str, Any] = {"id": package.package_id, "meta": [_text(one.envelope) for one in said.get(package.package_id, ())]}
            if shown:
                document["manifest"] = _text(package.envelope)
            if room.has(len(json.dumps(document))):
                found.append(document)
        return found

    def holdings(self, package_ids: Sequence[str], tags: list[str] | None) -> dict[str, Any]:
        """What is here of these packages, for a peer with these tags, or for ourselves."""
        borne = {ALL} if tags is None else set(tags)
        found = self.catalogue.packages(list(package_ids)[:MAX_RECORDS])
        told = [one for one in found if entitled(one.tags, borne) and (tags is None or not one.is_refused)]
        return {"packages": {one.package_id: {"state": one.state.value, "bytes_here": one.bytes_here} for one in told}}

    def outline(self, after: str | None, limit: int) -> dict[str, Any]:
        """All packages in brief, by id."""
        limit = max(1, min(MAX_PAGE, limit))
        found = self.catalogue.outline(after, limit)
        items = [
            {
                "package_id": one.package_id,
                "name": one.name,
                "size": one.manifest.size,
                "tags": sorted(one.tags),
                "state": one.state.value,
                "bytes_here": one.bytes_here,
                "origin": str(one.manifest.origin),
            }
            for one in found
        ]
        return {"items": items, "next": found[-1].package_id if len(found) == limit else None}

    def digest_buckets(self, shown: Collection[str], seen: Collection[str]) -> dict[str, Any]:
        """256 digests of the packages that have one of `shown` and one of `seen`, or no staging tag.

        To a peer, `shown` are the tags that we let it see, and `seen` those that it means.
        """
        made = {bucket: _digest(members) for bucket, members in groupby(self._shared(shown, seen), key=_bucket_of)}
        nothing = _digest(())
        return {"epoch": self.catalogue.feed_position()[0], "buckets": [made.get(f"{number:02x}", nothing) for number in range(256)]}

    def list_bucket(self, bucket: int, shown: Collection[str], seen: Collection[str]) -> dict[str, Any]:
        """What is behind one of these digests.

        Raises:
            InvalidInput: BUCKET_INVALID.
        """
        if not 0 <= bucket < 256:  # noqa: PLR2004 - one for each first byte of a package id
            raise InvalidInput("buckets are numbered from 0 to 255", "BUCKET_INVALID")
        found = (one for one in self._shared(shown, seen, f"{bucket:02x}"))
        return {"items": [{"id": one.package_id, "digest": one.manifest_digest, "meta": one.meta_digest} for one in found]}

    def _shared(self, shown: Collection[str], seen: Collection[str], prefix: str = "") -> Iterable[Known]:
        for one in self.catalogue.known_from(prefix):
            if not one.refused and entitled(one.tags, shown) and entitled(one.tags, seen):
                yield one


def _epoch_name(epoch: str, view: View) -> str:
    return f"{epoch}.{view.number}" if view.number else epoch


def _item(row: FeedRow, view: View) -> dict[str, Any] | None:
    item: dict[str, Any] = {"seq": row.seq, "kind": row.kind, "id": row.record_id}
    if row.kind != "package":
        return item | {"rev": row.revision, "digest": row.digest, "stamp": row.stamp}
    if entitled(row.tags, view.tags) and not row.refused:
        kind = "package" if row.offered else "record"
        return item | {"kind": kind, "rev": row.revision, "digest": row.digest, "meta": row.meta}
    return item | {"kind": "gone"} if may_have_seen(row.ever, view) else None


def _differs(known: Known | None, item: dict[str, Any]) -> bool:
    return (
        known is None
        or known.gone
        or known.refused
        or known.manifest_digest != item.get("digest")
        or known.meta_digest != item.get("meta", known.meta_digest)
    )


def _bucket_of(known: Known) -> str:
    return known.package_id[:2]


def _digest(members: Iterable[Known]) -> str:
    lines = "".join(f"{one.package_id} {one.manifest_digest} {one.meta_digest}\n" for one in members)
    return hashlib.sha256(lines.encode()).hexdigest()


def _text(envelope: bytes) -> str:
    return base64.b64encode(envelope).decode()


class _Room:
    """How much still fits into an answer."""

    def __init__(self, characters: int) -> None:
        self._left = characters

    def has(self, characters: int) -> bool:
        """Take the room, if there is enough."""
        if characters > self._left:
            return False
        self._left -= characters
        return True

    def take(self, texts: Iterable[str]) -> list[str]:
        """Those that still fit."""
        return [text for text in texts if self.has(len(text))]
