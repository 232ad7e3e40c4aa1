"""Downloads: what client machines see. `/packages/<name>`, and `/<context>/Packages/<name>` as Jamf's clients ask."""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict

from flask import Blueprint, Response

from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http.sending import Representation, send
from services.api_gateway.ports import Services
from shared.core.digest import Digest
from shared.core.errors import InvalidInput, NotFound
from shared.core.names import PackageName
from shared.runtime.bytestore.filesystem import FilesystemByteStore

_REMEMBERED = 4096


class PublicFiles:
    """What is published, asked of storage once for each file that is in the public folder.

    Publishing replaces the file, so its inode tells whether what is remembered still holds: clients of a popular package cost a
    `stat`, not a call. A name that is no longer published has no file, and is not found at once.
    """

    def __init__(self, services: Services, store: FilesystemByteStore) -> None:
        """Nothing is remembered yet."""
        self._services, self._store = services, store
        self._known: OrderedDict[tuple[str, int, int], Representation] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, name: str) -> Representation:
        """What a client gets under `name`.

        Raises:
            NotFound: if nothing is published under it.
        """
        try:
            path = self._store.layout.public_file(PackageName.parse(name))
            stat = path.stat()
        except (InvalidInput, OSError) as error:
            raise NotFound("nothing is published under that name") from error
        key = (name, stat.st_ino, stat.st_size)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = self._ask(name)
        if found.size == stat.st_size:
            self._remember(key, found)
        return found

    def _ask(self, name: str) -> Representation:
        package = self._services.call("storage", "locate_public", name=name)
        modified = dt.datetime.fromisoformat(package["created"])
        return Representation(Digest("sha256", package["sha256"]), package["size"], modified, package["name"])

    def _remember(self, key: tuple[str, int, int], representation: Representation) -> None:
        with self._lock:
            self._known[key] = representation
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def doors(services: Services, store: FilesystemByteStore, settings: ApiGatewaySettings) -> Blueprint:
    """Both addresses of every package."""
    site = Blueprint("downloads", __name__)
    files = PublicFiles(services, store)

    def download(name: str) -> Response:
        representation = files.find(name)
        blob = store.layout.blob(representation.sha256)
        accel = f"{settings.accel_prefix}/{blob.relative_to(store.layout.blobs)}" if settings.accel_prefix else None
        try:
            return send(representation, blob, accel)
        except FileNotFoundError as error:
            raise NotFound("nothing is published under that name") from error

    site.add_url_rule("/packages/<path:name>", "by_name", download, methods=["GET"])
    site.add_url_rule(f"/{settings.distribution_context}/Packages/<path:name>", "by_name_jamf", download, methods=["GET"])
    return site
