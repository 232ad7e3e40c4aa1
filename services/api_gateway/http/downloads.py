"""Downloads: what client machines see. `/packages/<name>`, `/<context>/Packages/<name>` as Jamf's clients ask, and bytes by digest."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

from flask import Blueprint, Response

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http.sending import Representation, Sending
from services.api_gateway.ports import Services
from shared.core.digest import Digest
from shared.core.errors import InvalidInput, NotFound
from shared.core.names import PackageName
from shared.runtime.bytestore.filesystem import FilesystemByteStore

_REMEMBERED, _FRESH_SECONDS = 4096, 5.0


class PublicFiles:
    """What is published, asked of storage once in a while for each file that is in the public folder.

    Publishing replaces the file, so its inode and the time of its link tell whether what is remembered still holds: clients of a
    popular package cost a `stat`, not a call. A name that is not published has no file, and is not found at once. The same bytes
    published anew keep their file, and only their time changes: so what is remembered is forgotten after some seconds.
    """

    def __init__(self, services: Services, store: FilesystemByteStore) -> None:
        """Nothing is remembered yet."""
        self._services, self._layout = services, store.layout
        self._known: OrderedDict[tuple[str, int, int], tuple[float, Representation]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, name: str) -> Representation:
        """What a client gets under `name`.

        Raises:
            NotFound: if nothing is published under it.
        """
        try:
            path = self._layout.public_file(PackageName.parse(name))
            stat = path.stat()
        except (InvalidInput, OSError) as error:
            raise NotFound("nothing is published under that name") from error
        key = (path.name, stat.st_ino, stat.st_ctime_ns)
        found = self._recall(key)
        if found is None:
            found = self._ask(path.name)
            if _has_inode(self._layout.blob(found.sha256), stat.st_ino):
                self._remember(key, found)
        return found

    def find_digest(self, sha256: str) -> Representation:
        """Bytes by their SHA-256: also those of a version that is not current any more.

        Raises:
            NotFound: if they cannot be had here.
        """
        return _representation(self._services.call("storage", "locate_digest", sha256=sha256[:80].lower()))

    def _ask(self, name: str) -> Representation:
        return _representation(self._services.call("storage", "locate_public", name=name))

    def _recall(self, key: tuple[str, int, int]) -> Representation | None:
        with self._lock:
            asked, found = self._known.get(key, (0.0, None))
        return found if time.monotonic() - asked < _FRESH_SECONDS else None

    def _remember(self, key: tuple[str, int, int], representation: Representation) -> None:
        with self._lock:
            self._known[key] = time.monotonic(), representation
            self._known.move_to_end(key)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def _representation(package: dict[str, Any]) -> Representation:
    modified = dt.datetime.fromisoformat(package["created"])
    return Representation(Digest("sha256", package["sha256"]), package["size"], modified, package["name"])


def _has_inode(path: Path, inode: int) -> bool:
    try:
        return path.stat().st_ino == inode
    except FileNotFoundError:
        return False


def doors(services: Services, store: FilesystemByteStore, settings: ApiGatewaySettings) -> Blueprint:
    """Both addresses of what is current under a name, and that of all bytes that are kept."""
    site = Blueprint("downloads", __name__)
    files, sending = PublicFiles(services, store), Sending(store, settings.accel_prefix)

    def download(name: str) -> Response:
        return sending.answer(files.find(name))

    def download_digest(sha256: str) -> Response:
        return sending.answer(files.find_digest(sha256))

    site.add_url_rule("/digests/sha256/<sha256>", "by_digest", download_digest, methods=["GET"])
    site.add_url_rule("/packages/<name:name>", "by_name", download, methods=["GET"])
    site.add_url_rule(f"/{settings.distribution_context}/Packages/<name:name>", "by_name_jamf", download, methods=["GET"])
    return site
