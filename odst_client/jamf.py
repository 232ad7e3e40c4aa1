"""Jamf Pro, by the subscription that has it as its channel."""

from __future__ import annotations

from collections.abc import Iterator

from odst_client.operations import Group, operation, wish
from shared.contracts.admin.directory import Finding, Findings
from shared.contracts.admin.jamf import JamfDrift, JamfDriftPage, JamfWrites, PointWishBody, RecordWish


class Jamf(Group):
    """`client.jamf`."""

    @operation("POST", "/api/v1/subscriptions/{subscription_id}/jamf/test", once=True)
    def try_connection(self, subscription_id: str) -> list[Finding]:
        """Try the connection step by step; nothing is written there."""
        return self._read(self.try_connection, Findings, subscription_id=subscription_id).items

    @operation("POST", "/api/v1/subscriptions/{subscription_id}/jamf/distribution-point", once=True)
    def register_point(self, subscription_id: str, *, dry_run: bool = False) -> JamfWrites:
        """Make the instance an HTTPS-only distribution point; with `dry_run`, only say what would be written.

        Raises:
            CallFailed: JAMF_POINT_NOT_HTTPS, JAMF_NAME_TAKEN, OUTSIDE_FAILED.
        """
        return self._read(self.register_point, JamfWrites, wish(PointWishBody, dry_run=dry_run), subscription_id=subscription_id)

    @operation("POST", "/api/v1/subscriptions/{subscription_id}/jamf/record", once=True)
    def record(self, subscription_id: str, name: str, *, dry_run: bool = False) -> JamfWrites:
        """Make the record of what clients get under `name` right, or make it; with `dry_run`, only say what would be written.

        Raises:
            CallFailed: DIGESTS_NOT_YET (try again in a moment), JAMF_NAME_TAKEN, JAMF_RECORD_AMBIGUOUS, OUTSIDE_FAILED.
        """
        return self._read(self.record, JamfWrites, wish(RecordWish, name=name, dry_run=dry_run), subscription_id=subscription_id)

    @operation("GET", "/api/v1/subscriptions/{subscription_id}/jamf/drift")
    def drift_page(self, subscription_id: str, *, after: str | None = None) -> JamfDriftPage:
        """Differences between the records there and the files here; a page may be empty and have a `next`."""
        return self._read(self.drift_page, JamfDriftPage, query={"after": after}, subscription_id=subscription_id)

    def drift(self, subscription_id: str) -> Iterator[JamfDrift]:
        """All of them, page by page."""
        after: str | None = None
        while True:
            page = self.drift_page(subscription_id, after=after)
            yield from page.items
            after = page.next
            if after is None:
                return
