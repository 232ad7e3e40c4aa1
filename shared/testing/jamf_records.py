"""What a Jamf Pro server keeps, as strict as the documented one: required fields, unique names, privileges, nodes that lag behind.

Written from Jamf's published API description and from what programs that are known to work send and get. Fields that are not in the
description are ignored; a PUT replaces the record, so that what is left out is lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]
_NAMES = ("packageName", "fileName", "categoryId")
_FLAGS = (
    "fillUserTemplate",
    "rebootRequired",
    "osInstall",
    "suppressUpdates",
    "suppressFromDock",
    "suppressEula",
    "suppressRegistration",
)
_OPTIONAL = (
    "info", "notes", "osRequirements", "fillExistingUsers", "swu", "selfHealNotify", "selfHealingAction", "serialNumber",
    "parentPackageId", "basePath", "ignoreConflicts", "installLanguage", "md5", "sha256", "hashType", "hashValue", "osInstallerVersion",
    "manifest", "manifestFileName", "format",
)  # fmt: skip
_POINT = ("name", "serverName", "fileSharingConnectionType")
_POINT_OPTIONAL = (
    "principal", "backupDistributionPointId", "httpsEnabled", "httpsPort", "httpsContext", "httpsSecurityType", "httpsUsername",
    "httpsPassword", "shareName", "port", "readOnlyUsername", "readWriteUsername", "enableLoadBalancing",
)  # fmt: skip
FILTERS = {
    "packages": {"id", "fileName", "packageName", "categoryId", "info", "notes", "manifestFileName", "cloudTransferStatus"},
    "distribution-points": {"name", "serverName", "principal", "fileSharingConnectionType", "httpsEnabled"},
}
UNIQUE = {"packages": "packageName", "distribution-points": "name"}
_FILTER = re.compile(r'(\w+)==(?:"((?:[^"\\]|\\.)*)"|(\S+))')


class Refused(Exception):
    """An error in Jamf's own shape."""

    def __init__(self, status: int, code: str, where: str = "", description: str = "") -> None:
        super().__init__(code)
        self.status = status
        fault = {"code": code, "description": description or code, "id": "0", "field": where or None}
        self.document = {"httpStatus": status, "errors": [fault]}


@dataclass
class Kept:
    """The database of one kind of record, and what each node has seen of it."""

    kind: str
    nodes: int
    rows: dict[str, Record] = field(default_factory=dict)
    seen: list[dict[str, Record]] = field(default_factory=list)
    last: int = 0

    def __post_init__(self) -> None:
        """No node has seen anything."""
        self.seen = [{} for _ in range(self.nodes)]

    def sync(self) -> None:
        """Every node has seen everything."""
        self.seen = [dict(self.rows) for _ in range(self.nodes)]

    def add(self, document: Mapping[str, Any], node: int) -> str:
        """Make a record; its id."""
        row = checked(self.kind, document)
        self._check_unique(row, None)
        self.last += 1
        self._put(str(self.last), row, node)
        return str(self.last)

    def replace(self, record_id: str, document: Mapping[str, Any], node: int) -> Record:
        """Write a record anew, whole."""
        if record_id not in self.seen[node]:
            raise Refused(404, "NOT_FOUND", "id")
        row = checked(self.kind, document)
        self._check_unique(row, record_id)
        return self._put(record_id, row, node)

    def _put(self, record_id: str, row: Record, node: int) -> Record:
        self.rows[record_id] = self.seen[node][record_id] = {"id": record_id, **row}
        return self.rows[record_id]

    def _check_unique(self, row: Record, record_id: str | None) -> None:
        name = UNIQUE[self.kind]
        taken = {one[name].casefold() for key, one in self.rows.items() if key != record_id}
        if row[name].casefold() in taken:
            raise Refused(400, "DUPLICATE_FIELD", name, f"duplicate {name}")

    def find(self, record_id: str, node: int) -> Record:
        """A record, as a node has it."""
        if record_id not in self.seen[node]:
            raise Refused(404, "NOT_FOUND", "id")
        return shown(self.seen[node][record_id])

    def page(self, query: Mapping[str, str], node: int) -> Record:
        """A page of what a node has."""
        number, size = int(query.get("page", "0")), int(query.get("page-size", "100"))
        if query.get("sort", "id:asc") != "id:asc" or not 1 <= size <= 2000 or number < 0:  # noqa: PLR2004 - Jamf's own limits
            raise Refused(400, "INVALID_PARAMETER")
        found = [shown(row) for _, row in sorted(self.seen[node].items(), key=lambda item: int(item[0]))]
        if query.get("filter"):
            name, text = self._filter(query["filter"])
            found = [row for row in found if str(row.get(name)).casefold() == text.casefold()]
        return {"totalCount": len(found), "results": found[number * size : (number + 1) * size]}

    def _filter(self, text: str) -> tuple[str, str]:
        match = _FILTER.fullmatch(text)
        if not match or match[1] not in FILTERS[self.kind]:
            raise Refused(400, "INVALID_FILTER", "filter")
        return match[1], match[3] or re.sub(r"\\(.)", r"\1", match[2])


def shown(row: Record) -> Record:
    """A record as it is given out: no password."""
    return {name: value for name, value in row.items() if "assword" not in name}


def checked(kind: str, document: Mapping[str, Any]) -> Record:
    """What is kept of a document, with null for what it leaves out."""
    return _package(document) if kind == "packages" else _point(document)


def _package(document: Mapping[str, Any]) -> Record:
    for name in (*_NAMES, "priority", *_FLAGS):
        if document.get(name) is None:
            raise Refused(400, "REQUIRED", name, "must not be null")
    if not all(isinstance(document[name], str) and document[name] for name in _NAMES) or type(document["priority"]) is not int:
        raise Refused(400, "INVALID_FIELD", "packageName")
    if document.get("hashType") not in (None, "", "MD5", "SHA_512"):
        raise Refused(400, "INVALID_FIELD", "hashType")
    lengths = {"MD5": 32, "SHA_512": 128}
    if document.get("hashType") and len(document.get("hashValue") or "") != lengths[document["hashType"]]:
        raise Refused(400, "INVALID_FIELD", "hashValue")
    required = {name: document[name] for name in (*_NAMES, "priority", *_FLAGS)}
    return required | {name: document.get(name) for name in _OPTIONAL} | {"indexed": False, "cloudTransferStatus": None, "size": None}


def _point(document: Mapping[str, Any]) -> Record:
    for name in _POINT:
        if not document.get(name):
            raise Refused(400, "REQUIRED", name)
    if document["fileSharingConnectionType"] not in ("NONE", "SMB", "AFP"):
        raise Refused(400, "INVALID_FIELD", "fileSharingConnectionType")
    if document["fileSharingConnectionType"] == "NONE" and document.get("httpsEnabled") is not True:
        raise Refused(400, "INVALID_FIELD", "httpsEnabled")
    if document.get("httpsEnabled"):
        for name in ("httpsPort", "httpsContext", "httpsSecurityType"):
            if document.get(name) is None:
                raise Refused(400, "REQUIRED", name)
        if document["httpsSecurityType"] == "USERNAME_PASSWORD" and not document.get("httpsUsername"):
            raise Refused(400, "REQUIRED", "httpsUsername")
    return {name: document[name] for name in _POINT} | {name: document.get(name) for name in _POINT_OPTIONAL}
