"""Packages: look, tag, delete, bring back; and which version of a name is current."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

import requests

from odst_client.failures import CallFailed
from odst_client.operations import Group, operation, wish
from shared.contracts.admin.packages import History, Package, PackageList, PackageOrder, Rollback, Tagging


class Wanted(TypedDict, total=False):
    """Which packages are meant, all of it together, and in which order."""

    tag: Sequence[str]
    """It has all of these staging tags."""
    untagged: bool
    """True: it has none."""
    state: Sequence[str]
    """It is in one of these."""
    text: str | None
    """Part of its name; case does not count."""
    origin: str | None
    """Id of the instance that it comes from."""
    created_after: dt.datetime | None
    """The first moment that is meant."""
    created_before: dt.datetime | None
    """The first moment that is not meant any more."""
    bytes_here: bool | None
    sort: PackageOrder
    """`-` in front: falling. Ids decide between equals."""


class Packages(Group):
    """`client.packages`. A `reference` is a name or a package_id; a name means the current package of that name.

    What changes one takes `if_match`, the `etag` of an answer: if it was changed since, PRECONDITION_FAILED, and nothing is changed.
    """

    @operation("GET", "/api/v1/packages")
    def page(self, after: str | None = None, limit: int | None = None, **wanted: Unpack[Wanted]) -> PackageList:
        """List the packages that are wanted, by name unless `sort` says otherwise: one page of at most `limit`.

        The next one is `after` the `next` of this one, with the same order and filters.

        Raises:
            CallFailed: QUERY_INVALID, TAG_INVALID, INSTANCE_ID_INVALID; CURSOR_INVALID, if order or filters are others than before.
        """
        return self._read(self.page, PackageList, query={"after": after, "limit": limit, **wanted})

    def all(self, **wanted: Unpack[Wanted]) -> Iterator[Package]:
        """List all packages that are wanted; page by page, as they are asked for."""
        page = self.page(**wanted)
        yield from page.items
        while page.next:
            page = self.page(after=page.next, **wanted)
            yield from page.items

    @operation("GET", "/api/v1/packages/{reference}")
    def show(self, reference: str) -> Package:
        """Show a package.

        Raises:
            CallFailed: NOT_FOUND, if there is none.
        """
        return self._read(self.show, Package, reference=reference)

    def find(self, reference: str) -> Package | None:
        """Show a package, or None if the instance does not have it."""
        try:
            return self.show(reference)
        except CallFailed as error:
            if error.status == requests.codes.not_found:
                return None
            raise

    @operation("POST", "/api/v1/packages/{reference}/tags")
    def tag(self, reference: str, tags: Sequence[str], *, if_match: str | None = None) -> Package:
        """Replace all staging tags of a package; without any, it goes to every instance.

        Raises:
            CallFailed: STAGE_UNKNOWN, APPROVAL_NEEDED (ask for a promotion), NOT_STEWARD.
        """
        return self._read(self.tag, Package, wish(Tagging, tags=list(tags)), if_match=if_match, reference=reference)

    @operation("DELETE", "/api/v1/packages/{reference}")
    def delete(self, reference: str, *, if_match: str | None = None) -> Package:
        """Delete a package, everywhere; for some days it can be brought back, by its package_id."""
        return self._read(self.delete, Package, if_match=if_match, reference=reference)

    @operation("POST", "/api/v1/packages/{reference}/undelete")
    def undelete(self, reference: str, *, if_match: str | None = None) -> Package:
        """Bring a deleted package back, everywhere.

        Raises:
            CallFailed: NOT_DELETED; BYTES_GONE, if no instance has its bytes any more.
        """
        return self._read(self.undelete, Package, if_match=if_match, reference=reference)

    @operation("POST", "/api/v1/packages/{reference}/raise")
    def make_current(self, reference: str, *, if_match: str | None = None) -> Package:
        """Raise a package: make it current for its name, everywhere."""
        return self._read(self.make_current, Package, if_match=if_match, reference=reference)

    @operation("GET", "/api/v1/names/{name}/history")
    def history(self, name: str) -> list[Package]:
        """List all packages that ever had a name, by falling precedence: the first that is not deleted is current."""
        return self._read(self.history, History, name=name).items

    @operation("POST", "/api/v1/names/{name}/rollback", creates=True)
    def roll_back(self, name: str, to: str | None = None) -> Package:
        """Make an earlier version of a name current again, everywhere: the one made before, or the one with package_id `to`.

        Raises:
            CallFailed: NOTHING_BEFORE, if no earlier version has its bytes.
        """
        return self._read(self.roll_back, Package, wish(Rollback, to=to), name=name)
