"""The view over instances: what is where, what would move and why, who is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Unpack

from odst_client.operations import Group, operation
from odst_client.packages import Wanted
from shared.contracts.admin.mesh import Instance, InstanceList, Matrix, Plan


class Mesh(Group):
    """`client.mesh`."""

    @operation("GET", "/api/v1/matrix")
    def matrix_page(self, after: str | None = None, limit: int | None = None, **wanted: Unpack[Wanted]) -> Matrix:
        """Show a page of at most `limit` of the packages that are wanted, and where each of them is.

        The next one is `after` the `next` of this one, with the same order and filters.
        """
        return self._read(self.matrix_page, Matrix, query={"after": after, "limit": limit, **wanted})

    def matrix_pages(self, **wanted: Unpack[Wanted]) -> Iterator[Matrix]:
        """All pages of it, as they are asked for."""
        page = self.matrix_page(**wanted)
        yield page
        while page.next:
            page = self.matrix_page(after=page.next, **wanted)
            yield page

    @operation("GET", "/api/v1/plan")
    def plan(self, package: str | None = None, tags: Sequence[str] | None = None) -> Plan:
        """Say what will move and why; or what would, if a package (name or package_id) had these tags."""
        return self._read(self.plan, Plan, query={"package": package, "tags": None if tags is None else ",".join(tags)})

    @operation("GET", "/api/v1/instances")
    def instances(self) -> list[Instance]:
        """List all instances that said something of themselves, over any number of hops."""
        return self._read(self.instances, InstanceList).items
