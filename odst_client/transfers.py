"""Transfers: what is moved to the instance, what waits, and whose turn it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from odst_client.operations import Group, operation, wish
from shared.contracts.admin.mesh import PriorityWord, Transfer, TransferList, TransferWish


class Transfers(Group):
    """`client.transfers`."""

    @operation("GET", "/api/v1/transfers")
    def page(self, after: str | None = None, limit: int | None = None, state: Sequence[str] = (), name: str | None = None) -> TransferList:
        """List what is moved to here, newest first: one page of at most `limit`. The next one is `after` the `next` of this one.

        Args:
            after: the `next` of the page before; the rest must be the same.
            limit: of items.
            state: in one of these; in any, if there are none.
            name: of the package, exactly.
        """
        return self._read(self.page, TransferList, query={"after": after, "limit": limit, "state": state or None, "name": name})

    def all(self, state: Sequence[str] = (), name: str | None = None) -> Iterator[Transfer]:
        """List all of them, newest first; page by page, as they are asked for."""
        page = self.page(state=state, name=name)
        yield from page.items
        while page.next:
            page = self.page(page.next, state=state, name=name)
            yield from page.items

    @operation("GET", "/api/v1/transfers/{transfer_id}")
    def show(self, transfer_id: str) -> Transfer:
        """Show a transfer."""
        return self._read(self.show, Transfer, transfer_id=transfer_id)

    @operation("POST", "/api/v1/transfers/{transfer_id}/pause")
    def pause(self, transfer_id: str, *, if_match: str | None = None) -> Transfer:
        """Pause a transfer: slices under way are finished, and no others begin until it is resumed.

        Raises:
            CallFailed: TRANSFER_ENDED.
        """
        return self._read(self.pause, Transfer, if_match=if_match, transfer_id=transfer_id)

    @operation("POST", "/api/v1/transfers/{transfer_id}/resume")
    def resume(self, transfer_id: str, *, if_match: str | None = None) -> Transfer:
        """Resume a transfer that was paused. One that was cancelled stays ended, and another is planned for its package.

        Raises:
            CallFailed: TRANSFER_ENDED.
        """
        return self._read(self.resume, Transfer, if_match=if_match, transfer_id=transfer_id)

    @operation("POST", "/api/v1/transfers/{transfer_id}/cancel")
    def cancel(self, transfer_id: str, *, if_match: str | None = None) -> Transfer:
        """Cancel a transfer: what is there of it is dropped, and its package is not fetched until this transfer is resumed.

        Raises:
            CallFailed: TRANSFER_ENDED; also if all its bytes are there.
        """
        return self._read(self.cancel, Transfer, if_match=if_match, transfer_id=transfer_id)

    @operation("PATCH", "/api/v1/transfers/{transfer_id}")
    def change(self, transfer_id: str, priority: PriorityWord, *, if_match: str | None = None) -> Transfer:
        """Give a transfer another turn, from its next slice on: the higher priority first, of equals the older transfer.

        Raises:
            CallFailed: TRANSFER_ENDED.
        """
        return self._read(self.change, Transfer, wish(TransferWish, priority=priority), if_match=if_match, transfer_id=transfer_id)
