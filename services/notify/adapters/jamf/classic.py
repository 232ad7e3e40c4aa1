"""The Classic API of Jamf Pro (`/JSSResource`), in XML: for servers that are older than the present one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from services.notify.adapters.jamf.failures import JamfFailed
from services.notify.adapters.jamf.session import JamfSession
from services.notify.domain.jamf.records import HIDDEN, Change, PackageRecord, PackageWish, PointWish, Write, differences

XML = "application/xml"
PACKAGES, POINTS = "/JSSResource/packages", "/JSSResource/distributionpoints"
_NONE_YET = "/id/0"
_SHOWN = ("id", "name", "filename", "hash_type", "hash_value")


class ClassicPackages:
    """Package records. What a request leaves out, the server leaves as it is."""

    def __init__(self, session: JamfSession) -> None:
        """In this conversation."""
        self._session = session
        self._ids: list[str] | None = None
        self._known: dict[str, PackageRecord | None] = {}

    def page(self, number: int, size: int) -> tuple[Sequence[PackageRecord], bool]:
        """A page of records by id, each read, and whether there are more."""
        ids = self._all_ids()
        some = ids[number * size : (number + 1) * size]
        return [one for one in map(self._by_id, some) if one], (number + 1) * size < len(ids)

    def with_file(self, file_name: str) -> Sequence[PackageRecord]:
        """Those of a file. The list has names only: the record of the same name is tried first, then all are read."""
        named = [one for one in self.with_name(file_name) if one.file_name == file_name]
        if named:
            return named
        return [one for one in map(self._by_id, self._all_ids()) if one and one.file_name == file_name]

    def with_name(self, name: str) -> Sequence[PackageRecord]:
        """Those of a name: one, or none."""
        found = self._read(f"{PACKAGES}/name/{quote(name, safe='')}")
        return [found] if found else []

    def _all_ids(self) -> list[str]:
        if self._ids is None:
            found = _parsed(self._session.ask("GET", PACKAGES, accept=XML).content)
            self._ids = sorted((one.text or "" for one in found.iterfind("package/id")), key=lambda text: (len(text), text))
        return self._ids

    def _by_id(self, record_id: str) -> PackageRecord | None:
        if record_id not in self._known:  # read once in a conversation, whatever is looked for
            self._known[record_id] = self._read(f"{PACKAGES}/id/{quote(record_id, safe='')}")
        return self._known[record_id]

    def _read(self, path: str) -> PackageRecord | None:
        answer = self._session.ask("GET", path, accept=XML, absent_ok=True)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        found = _parsed(answer.content)
        raw = {child.tag: child.text or "" for child in found if not len(child)}
        record_id, name, file_name, hash_type, hash_value = (raw.get(name, "") for name in _SHOWN)
        return PackageRecord(record_id, name, file_name, hash_type, hash_value, raw)

    def creation(self, wish: PackageWish) -> Write:
        """The request that makes a record."""
        defaults = wish.defaults
        fields: dict[str, Any] = {
            "name": wish.file_name,
            **_owned(wish),
            "priority": defaults.priority,
            "reboot_required": defaults.reboot_required,
            **{name: text for name, text in (("info", defaults.info), ("notes", defaults.notes)) if text},
        }
        return _write("POST", PACKAGES + _NONE_YET, "package", differences({}, fields), fields)

    def update(self, record: PackageRecord, wish: PackageWish) -> Write | None:
        """The request that changes what is ours in a record; none if there is nothing to change."""
        changes = differences(record.raw, _owned(wish))
        path = f"{PACKAGES}/id/{quote(record.record_id, safe='')}"
        return _write("PUT", path, "package", changes, {one.field: one.after for one in changes}) if changes else None


class ClassicPoints:
    """Distribution points."""

    def __init__(self, session: JamfSession) -> None:
        """In this conversation."""
        self._session = session

    def write(self, wish: PointWish) -> Write | None:
        """The request that makes or changes the point; none if it is there as it should be."""
        fields = _point(wish)
        answer = self._session.ask("GET", f"{POINTS}/name/{quote(wish.name, safe='')}", accept=XML, absent_ok=True)
        if answer.status == HTTPStatus.NOT_FOUND:
            return _write("POST", POINTS + _NONE_YET, "distribution_point", _veiled(differences({}, fields)), fields)
        found = _parsed(answer.content)
        raw = {child.tag: child.text or "" for child in found}
        seen = {name: _text(value) for name, value in fields.items() if name not in ("http_password", "http_url")}
        changes = differences(raw, seen)
        path = f"{POINTS}/id/{quote(raw.get('id', ''), safe='')}"
        return _write("PUT", path, "distribution_point", changes, fields) if changes else None


def _owned(wish: PackageWish) -> dict[str, Any]:
    return {"filename": wish.file_name, "hash_type": wish.hash_type, "hash_value": wish.hash_value}


def _point(wish: PointWish) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": wish.name,
        "ip_address": wish.host,
        "http_downloads_enabled": True,
        "http_url": f"https://{wish.host}:{wish.port}/{wish.context}",
        "protocol": "https",
        "port": wish.port,
        "context": wish.context,
        "no_authentication_required": not wish.username,
        "username_password_required": bool(wish.username),
    }
    return fields | ({"http_username": wish.username, "http_password": wish.password} if wish.username else {})


def _veiled(changes: Sequence[Change]) -> list[Change]:
    return [Change(one.field, one.before, HIDDEN) if one.field.rpartition("_")[2] == "password" else one for one in changes]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _write(method: str, path: str, root: str, changes: Sequence[Change], fields: Mapping[str, Any]) -> Write:
    element = Element(root)
    for name, value in fields.items():
        SubElement(element, name).text = _text(value)
    return Write(method, path, changes, tostring(element, "utf-8", xml_declaration=True), XML)


def _parsed(content: bytes) -> Element:
    try:
        found: Element = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise JamfFailed(f"Jamf Pro answered XML that cannot be read: {type(error).__name__}") from error
    return found
