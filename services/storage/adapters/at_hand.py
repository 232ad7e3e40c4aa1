"""The packages of one transaction: each is read once, and all that were saved are written together.

To execute a statement for each of several hundred packages costs more than everything else that is done with them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, select

from services.storage.adapters import rows
from services.storage.adapters.schema import packages
from services.storage.domain.package import Package
from shared.runtime.database import replace_rows, select_where


class PackagesAtHand:
    """What was read or saved in a transaction that is alone among all writers, so that nobody else changes it meanwhile."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is at hand yet."""
        self._connection = connection
        self._known: dict[str, Package] = {}
        self._absent: set[str] = set()
        self._ids_of: dict[str, set[str]] = {}
        """By name, of those names of which all packages are at hand."""
        self._unwritten: dict[str, Package] = {}

    def expect(self, package_ids: Collection[str], names: Collection[str]) -> None:
        """Read all of these at once."""
        self._read_named(names)
        others = [one for one in package_ids if one not in self._known]
        self._keep(self._rows(select(packages).where(packages.c.package_id.in_(others))))
        self._absent.update(one for one in others if one not in self._known)

    def get(self, package_id: str) -> Package | None:
        """A package."""
        if package_id not in self._known and package_id not in self._absent:
            self._keep(self._rows(select_where(packages, "package_id"), package_id=package_id))
        return self._known.get(package_id)

    def named(self, name: str) -> Sequence[Package]:
        """All packages of a name."""
        if name not in self._ids_of:
            self._read_named([name])
        return [self._known[package_id] for package_id in self._ids_of[name]]

    def save(self, package: Package) -> None:
        """It is written with the others."""
        self._known[package.package_id] = self._unwritten[package.package_id] = package
        self._absent.discard(package.package_id)
        if package.name in self._ids_of:
            self._ids_of[package.name].add(package.package_id)

    def write(self) -> None:
        """Write what was saved; needed before anything else than this class reads the table."""
        replace_rows(self._connection, packages, ("package_id",), [rows.package_row(package) for package in self._unwritten.values()])
        self._unwritten.clear()

    def _read_named(self, names: Collection[str]) -> None:
        found = self._keep(self._rows(select(packages).where(packages.c.name.in_(names))))
        self._ids_of |= {name: set() for name in names}
        for package in found:
            self._ids_of[package.name].add(package.package_id)

    def _rows(self, query: Any, **keys: str) -> Iterable[Any]:
        self.write()
        return self._connection.execute(query, keys).all()

    def _keep(self, found: Iterable[Any]) -> list[Package]:
        kept = [rows.package_of(row) for row in found]
        self._known |= {package.package_id: package for package in kept}
        return kept
