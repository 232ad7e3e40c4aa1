"""The present API of Jamf Pro (`/api/v1`), in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from services.notify.adapters.jamf.failures import JamfFailed
from services.notify.adapters.jamf.session import JamfSession
from services.notify.domain.jamf.records import HIDDEN, Change, PackageRecord, PackageWish, PointRecord, PointWish, Write, differences
from shared.core.errors import Conflict

PACKAGES, POINTS = "/api/v1/packages", "/api/v1/distribution-points"
_FOUND_AT_MOST = 10
_SHOWN = ("id", "packageName", "fileName", "hashType", "hashValue")
_ALSO_KEPT = {"md5": "md5", "sha256": "sha256"}


class ProPackages:
    """Package records."""

    def __init__(self, session: JamfSession) -> None:
        """In this conversation."""
        self._session = session

    def page(self, number: int, size: int) -> tuple[Sequence[PackageRecord], bool]:
        """A page of records by id, and whether there are more."""
        records, total = self._listed({"page": number, "page-size": size, "sort": "id:asc"})
        return records, (number + 1) * size < total

    def with_file(self, file_name: str) -> Sequence[PackageRecord]:
        """Those of a file."""
        return [one for one in self._search("fileName", file_name) if one.file_name == file_name]

    def with_name(self, name: str) -> Sequence[PackageRecord]:
        """Those of a name: one, or none. Names are unique there whatever their capital letters."""
        return [one for one in self._search("packageName", name) if one.name.casefold() == name.casefold()]

    def _search(self, field: str, text: str) -> Sequence[PackageRecord]:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        return self._listed({"page": 0, "page-size": _FOUND_AT_MOST, "filter": f'{field}=="{quoted}"'})[0]

    def _listed(self, query: Mapping[str, Any]) -> tuple[list[PackageRecord], int]:
        document = self._session.ask("GET", f"{PACKAGES}?{urlencode(query, quote_via=quote)}").document()
        results, total = document.get("results"), document.get("totalCount")
        if not isinstance(results, list) or not isinstance(total, int):
            raise JamfFailed("Jamf Pro answered with no list of packages")
        return [_package(one) for one in results if isinstance(one, dict)], total

    def creation(self, wish: PackageWish) -> Write:
        """The request that makes a record, with all that is required."""
        defaults = wish.defaults
        fields: dict[str, Any] = {
            "packageName": wish.file_name,
            **_owned(wish),
            "categoryId": defaults.category_id,
            "priority": defaults.priority,
            "rebootRequired": defaults.reboot_required,
            **dict.fromkeys(("fillUserTemplate", "osInstall", "suppressUpdates", "suppressFromDock", "suppressEula"), False),
            "suppressRegistration": False,
            **{name: text for name, text in (("info", defaults.info), ("notes", defaults.notes)) if text},
        }
        return _write("POST", PACKAGES, differences({}, fields), fields)

    def update(self, record: PackageRecord, wish: PackageWish) -> Write | None:
        """The request that changes what is ours in a record, read anew; none if there is nothing to change."""
        path = f"{PACKAGES}/{quote(record.record_id, safe='')}"
        whole = self._session.ask("GET", path).document()
        own = {"md5": wish.digests.md5, "sha256": wish.sha256}
        beside = {name: own[of] for name, of in _ALSO_KEPT.items() if whole.get(name)}
        changes = differences(whole, _owned(wish) | beside)
        return _write("PUT", path, changes, whole | {one.field: one.after for one in changes}) if changes else None


class ProPoints:
    """Distribution points."""

    def __init__(self, session: JamfSession) -> None:
        """In this conversation."""
        self._session = session

    def named(self, name: str) -> PointRecord | None:
        """The one of this name."""
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        query = urlencode({"page": 0, "page-size": _FOUND_AT_MOST, "filter": f'name=="{quoted}"'}, quote_via=quote)
        results = self._session.ask("GET", f"{POINTS}?{query}").document().get("results")
        found = [one for one in results or [] if isinstance(one, dict) and str(one.get("name")).casefold() == name.casefold()]
        return PointRecord(str(found[0].get("id")), name, found[0]) if found else None

    def write(self, wish: PointWish) -> Write | None:
        """The request that makes or changes the point; none if it is there as it should be."""
        found = self.named(wish.name)
        if found is None:
            fields = _point(wish) | {"principal": False, "backupDistributionPointId": "-1"}
            return _write("POST", POINTS, _veiled(differences({}, fields)), fields)
        if str(found.raw.get("fileSharingConnectionType", "NONE")) != "NONE":
            raise Conflict(
                f"Jamf Pro has a file share of the name {wish.name!r}, which is left as it is: give this channel another point_name",
                "JAMF_NAME_TAKEN",
            )
        path = f"{POINTS}/{quote(found.record_id, safe='')}"
        whole = self._session.ask("GET", path).document()
        seen = {name: value for name, value in _point(wish).items() if name != "httpsPassword"}
        changes = differences(whole, seen)
        return _write("PUT", path, changes, whole | _point(wish)) if changes else None


def _package(raw: Mapping[str, Any]) -> PackageRecord:
    record_id, name, file_name, hash_type, hash_value = (str(raw.get(name) or "") for name in _SHOWN)
    return PackageRecord(record_id, name, file_name, hash_type, hash_value, raw)


def _owned(wish: PackageWish) -> dict[str, Any]:
    return {"fileName": wish.file_name, "hashType": wish.hash_type, "hashValue": wish.hash_value}


def _point(wish: PointWish) -> dict[str, Any]:
    fields = {
        "name": wish.name,
        "serverName": wish.host,
        "fileSharingConnectionType": "NONE",
        "httpsEnabled": True,
        "httpsPort": wish.port,
        "httpsContext": wish.context,
        "httpsSecurityType": wish.security,
    }
    return fields | ({"httpsUsername": wish.username, "httpsPassword": wish.password} if wish.username else {})


def _veiled(changes: Sequence[Change]) -> list[Change]:
    return [Change(one.field, one.before, HIDDEN) if "assword" in one.field else one for one in changes]


def _write(method: str, path: str, changes: Sequence[Change], document: Mapping[str, Any]) -> Write:
    return Write(method, path, changes, json.dumps(dict(document)).encode())
