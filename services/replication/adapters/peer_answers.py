"""Reading what peers answer in JSON: every type, length and form is checked before anything else sees it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from services.replication.domain.catalogue import Holding
from services.replication.domain.records import (
    CHARTER,
    GONE,
    PACKAGE,
    RECORD,
    ROTATION,
    Buckets,
    FeedItem,
    FeedPage,
    PackageRecords,
    Records,
    Versions,
)
from shared.core.errors import InvalidInput, PeerLied
from shared.core.staging import read_tags

PORTION = 200
"""Most records or packages in one question."""
_MOST_NUMBER = 1 << 60
_PACKAGE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_INSTANCE_ID = re.compile(r"[A-Z2-7]{52}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_STAMP = re.compile(r"\d{13}\.\d{4}", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_STATE = re.compile(r"[a-z_]{1,20}", re.ASCII)
_BUCKETS = 256
_T = TypeVar("_T")


def feed_page(document: dict[str, Any], limit: int) -> FeedPage:
    """A page of a change feed; kinds that are not known are skipped."""
    return _read("the change feed", lambda: _feed_page(document, limit))


def records(document: dict[str, Any]) -> Records:
    """The answer to a question for records: envelopes in base64, unopened."""
    return _read("the answer with records", lambda: _records(document))


def holdings(document: dict[str, Any]) -> dict[str, Holding]:
    """What a peer has of the packages that it was asked for."""
    return _read("the list of holdings", lambda: {_id(key): _holding(value) for key, value in _few(document["packages"].items(), PORTION)})


def buckets(document: dict[str, Any]) -> Buckets:
    """A peer's bucket digests."""
    return _read("the list of buckets", lambda: _buckets(document))


def bucket(document: dict[str, Any]) -> Versions:
    """The packages in one bucket."""
    items = _read("the bucket", lambda: list(document["items"]))
    return _read(
        "the bucket", lambda: {_id(item["id"]): (_match(_SHA256, item["digest"]), _match(_SHA256, item["meta"])) for item in items}
    )


def receipt(document: dict[str, Any]) -> bytes:
    """The envelope of a receipt, unopened."""
    return _read("the receipt", lambda: base64.b64decode(_match(_BASE64, document["receipt"])))


def checkpoints(document: dict[str, Any]) -> list[bytes]:
    """Envelopes of checkpoints, unopened."""
    return _read(
        "the list of checkpoints", lambda: [base64.b64decode(_match(_BASE64, one)) for one in _few(document["checkpoints"], PORTION)]
    )


def _read(what: str, reading: Callable[[], _T]) -> _T:
    try:
        return reading()
    except (KeyError, TypeError, ValueError, AttributeError, InvalidInput) as error:
        raise PeerLied(f"{what} is malformed: {error}"[:300]) from error


def _feed_page(document: dict[str, Any], limit: int) -> FeedPage:
    items = tuple(_item(item) for item in _few(document["items"], limit) if item["kind"] in _FORMS)
    more, protocol = document["more"], document.get("protocol", 1)
    if type(more) is not bool or not isinstance(document["epoch"], str):
        raise ValueError("epoch and more are text and truth")
    return FeedPage(document["epoch"][:64], items, _number(document["next"]), more, min(_number(protocol), 99))


def _item(item: dict[str, Any]) -> FeedItem:
    kind = str(item["kind"])
    digest, meta, stamp = item.get("digest"), item.get("meta"), item.get("stamp")
    return FeedItem(
        kind,
        _match(_FORMS[kind], item["id"]),
        "" if digest is None else _match(_SHA256, digest),
        None if meta is None else _match(_SHA256, meta),
        None if stamp is None else _match(_STAMP, stamp),
    )


def _records(document: dict[str, Any]) -> Records:
    return Records(
        tuple(_package(one) for one in document.get("packages", [])),
        tuple(_match(_BASE64, one) for one in document.get("charters", [])),
        tuple(_match(_BASE64, one) for one in document.get("rotations", [])),
    )


def _package(one: dict[str, Any]) -> PackageRecords:
    manifest = one.get("manifest")
    meta = tuple(_match(_BASE64, record) for record in one.get("meta", []))
    return PackageRecords(_id(one["id"]), None if manifest is None else _match(_BASE64, manifest), meta)


def _holding(value: dict[str, Any]) -> Holding:
    percent = value.get("percent")
    if percent is not None and (type(percent) is not int or not 0 <= percent <= 100):  # noqa: PLR2004 - per cent
        raise ValueError("percent is a whole number from 0 to 100")
    return Holding(_match(_STATE, value["state"]), value["bytes_here"] is True, percent)


def _buckets(document: dict[str, Any]) -> Buckets:
    digests = tuple(_match(_SHA256, digest) for digest in document["buckets"])
    if len(digests) != _BUCKETS:
        raise ValueError(f"there are {len(digests)} buckets, not {_BUCKETS}")
    return Buckets(str(document["epoch"])[:64], tuple(sorted(read_tags(document["tags"], bearer=True))), digests)


def _few(values: Iterable[_T], most: int) -> list[_T]:
    listed = list(values)
    if len(listed) > most:
        raise ValueError(f"{len(listed)} items are more than {most}")
    return listed


def _id(value: object) -> str:
    return _match(_PACKAGE_ID, value)


def _match(form: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError(f"{str(value)[:80]!r} has not the form that it must have")
    return value


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _MOST_NUMBER:
        raise ValueError(f"{str(value)[:40]!r} is no whole number that can be used")
    return value


_FORMS = {PACKAGE: _PACKAGE_ID, RECORD: _PACKAGE_ID, GONE: _PACKAGE_ID, CHARTER: _INSTANCE_ID, ROTATION: _INSTANCE_ID}
