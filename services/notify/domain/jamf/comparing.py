"""Drift: where the records of Jamf Pro and the files here differ."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from services.notify.domain.jamf.records import Digests, PackageRecord


class Difference(StrEnum):
    """In what way."""

    FILE_MISSING = "file_missing"
    """A record, and no such file can be downloaded here."""
    RECORD_MISSING = "record_missing"
    """A file here, and Jamf Pro has no record of it."""
    HASH_WRONG = "hash_wrong"
    """The record has the hash of other bytes: policies refuse what Macs download."""
    HASH_MISSING = "hash_missing"
    """The record has no hash: nothing is checked."""
    HASH_UNKNOWN = "hash_unknown"
    """The digests of the file here are being computed: look again later."""
    FILE_NAME_WRONG = "file_name_wrong"
    """The record has a file here in mind, and spells its name otherwise: downloads fail."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference."""

    difference: Difference
    record_id: str | None
    record_name: str | None
    file_name: str
    package_id: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Here:
    """A package that clients can download now."""

    package_id: str
    name: str
    sha256: str
    size: int


def judge_record(record: PackageRecord, here: Here | None, digests: Digests | None, resembling: Here | None) -> Drift | None:
    """What is wrong with a record; `here` is the file that it names, `resembling` one with nearly the same name."""
    if here is None and resembling is not None:
        return _drift(record, resembling, Difference.FILE_NAME_WRONG, f"the file here is called {resembling.name!r}")
    if here is None:
        return _drift(record, None, Difference.FILE_MISSING, "no such file can be downloaded here")
    if not record.hash_value:
        return _drift(record, here, Difference.HASH_MISSING, "the record has no hash, so that policies check nothing")
    if digests is None:
        return _drift(record, here, Difference.HASH_UNKNOWN, "the digests of the file here are being computed")
    if record.says_hash("MD5", digests.md5) or record.says_hash("SHA_512", digests.sha512):
        return None
    return _drift(record, here, Difference.HASH_WRONG, f"its {record.hash_type} is {record.hash_value}, which is not that of the file here")


def record_missing(here: Here) -> Drift:
    """A file without a record."""
    return Drift(Difference.RECORD_MISSING, None, None, here.name, here.package_id, "Jamf Pro has no record of this file")


def folded(name: str) -> str:
    """By which names that people take for the same are the same: capital letters, the form of accents, spaces around."""
    return unicodedata.normalize("NFC", name).strip().casefold()


def _drift(record: PackageRecord, here: Here | None, difference: Difference, detail: str) -> Drift:
    return Drift(difference, record.record_id, record.name, record.file_name, here.package_id if here else None, detail)
