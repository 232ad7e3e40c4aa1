"""A Jamf Pro server, whichever of its two APIs it has."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from services.notify.adapters.jamf import pro
from services.notify.adapters.jamf.classic import ClassicPackages, ClassicPoints
from services.notify.adapters.jamf.pro import ProPackages, ProPoints
from services.notify.adapters.jamf.session import JamfSession
from services.notify.domain.jamf.choosing import chosen
from services.notify.domain.jamf.records import PackageRecord, PackageWish, PointWish, Write
from shared.runtime.logging import get_logger

log = get_logger(__name__)
_REMEMBERED_SECONDS = 3600.0
"""After this time a server is asked again which API it has: it may have been updated."""


@dataclass
class Generations:
    """Which resources which servers have in the Classic API only, as they answered."""

    _classic: dict[tuple[str, str], float] = field(default_factory=dict)

    def is_classic(self, session: JamfSession, path: str) -> bool:
        """Whether this server knows nothing of a path of the present API."""
        key = (session.channel.url, path)
        known = self._classic.get(key)
        if known is not None and known > time.monotonic():
            return True
        answer = session.ask("GET", f"{path}?page=0&page-size=1", absent_ok=True)
        is_absent = answer.status == HTTPStatus.NOT_FOUND
        self._classic.pop(key, None)
        if is_absent:
            self._classic[key] = time.monotonic() + _REMEMBERED_SECONDS
        return is_absent


@dataclass
class HttpJamfServer:
    """`JamfServer` over HTTPS."""

    session: JamfSession
    generations: Generations
    _packages: ProPackages | ClassicPackages | None = None

    @property
    def packages(self) -> ProPackages | ClassicPackages:
        """Package records, by the API that this server has."""
        if self._packages is None:
            is_classic = self.generations.is_classic(self.session, pro.PACKAGES)
            self._packages = ClassicPackages(self.session) if is_classic else ProPackages(self.session)
        return self._packages

    @property
    def points(self) -> ProPoints | ClassicPoints:
        """Distribution points, by the API that this server has."""
        return ClassicPoints(self.session) if self.generations.is_classic(self.session, pro.POINTS) else ProPoints(self.session)

    def find(self, file_name: str) -> PackageRecord | None:
        """The record of a file."""
        by_file = self.packages.with_file(file_name)
        return chosen(by_file, [] if by_file else self.packages.with_name(file_name), file_name)

    def page(self, number: int, size: int) -> tuple[Sequence[PackageRecord], bool]:
        """A page of all records, and whether there are more."""
        return self.packages.page(number, size)

    def package_write(self, wish: PackageWish) -> Write | None:
        """What makes the record of a package right; none if it is."""
        found = self.find(wish.file_name)
        return self.packages.creation(wish) if found is None else self.packages.update(found, wish)

    def point_write(self, wish: PointWish) -> Write | None:
        """What makes the distribution point right; none if it is."""
        return self.points.write(wish)

    def send(self, write: Write) -> None:
        """Have it so."""
        self.session.ask(write.method, write.path, (write.body, write.content_type), accept=write.content_type)
        log.info("jamf_written", method=write.method, path=write.path, fields=[one.field for one in write.changes])

    def version(self) -> str:
        """Of Jamf Pro."""
        return str(self.session.ask("GET", "/api/v1/jamf-pro-version").document().get("version", ""))
