"""What people do with a Jamf Pro channel: try it, register this instance, compare, mend.

`by_id` and `within` are as in `subscribing`. Each asks the server for as long as a conversation may last: Locked, if others do so too.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from services.notify.domain.channels import Secrets
from services.notify.domain.channels.jamf_pro import JamfChannel
from services.notify.domain.filters import is_within
from services.notify.domain.jamf.comparing import Drift, Here, folded, judge_record, record_missing
from services.notify.domain.jamf.points import point_of
from services.notify.domain.jamf.records import PackageRecord, Write
from services.notify.domain.subscriptions import Subscription
from services.notify.handlers.recording import Recording
from services.notify.handlers.subscribing import Subscribing
from services.notify.handlers.waiting import Waiting
from services.notify.ports import Subscriptions
from shared.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.core.staging import read_tags

RECORDS_AT_ONCE, FILES_AT_ONCE = 50, 25
"""Of one page of the comparison: for each file Jamf Pro is asked once or twice."""
_OF_RECORDS, _OF_FILES = "records", "files"


@dataclass
class JamfDesk:
    """Asks for it in the name of a subscription's owner."""

    subscriptions: Subscriptions
    subscribing: Subscribing
    recording: Recording
    public_url: str
    instance: str
    waiting: Waiting = field(default_factory=Waiting)

    def examine(self, subscription_id: str, by_id: str | None, within: Any) -> dict[str, Any]:
        """Try the connection step by step: `{items: [{step, ok, detail}]}`.

        Raises:
            NotFound, Forbidden: as for any change of a subscription.
            Conflict: CHANNEL_KIND_WRONG.
        """
        _, channel, secrets = self._opened(subscription_id, by_id, within)
        with self.waiting.for_(channel.url):
            return {"items": [asdict(one) for one in self.recording.servers.examine(channel, secrets)]}

    def register(self, subscription_id: str, by_id: str | None, within: Any, *, dry_run: bool) -> dict[str, Any]:
        """Make this instance a distribution point there: `{sent, writes}`. Done twice is done once.

        Raises:
            InvalidInput: JAMF_POINT_NOT_HTTPS.
            Conflict: JAMF_NAME_TAKEN, CHANNEL_KIND_WRONG.
            OutsideFailed: if Jamf Pro does not do it.
        """
        _, channel, secrets = self._opened(subscription_id, by_id, within)
        wish, is_dry = point_of(channel, secrets, self.public_url, self.instance), dry_run or channel.dry_run
        with self.waiting.for_(channel.url):
            return _report(channel, self.recording.register(channel, secrets, wish, dry_run=is_dry), sent=not is_dry)

    def record(self, subscription_id: str, name: str, by_id: str | None, within: Any, *, dry_run: bool) -> dict[str, Any]:
        """Make the record of one package right, or make it: `{sent, writes}`.

        Raises:
            NotFound: if nothing can be downloaded under that name here.
            Forbidden: NOT_ENTITLED, if the package is outside of the tags within which somebody may.
            Locked: DIGESTS_NOT_YET.
            Conflict: JAMF_RECORD_AMBIGUOUS, JAMF_NAME_TAKEN, CHANNEL_KIND_WRONG.
            OutsideFailed: if Jamf Pro does not do it.
        """
        subscription, channel, secrets = self._opened(subscription_id, by_id, within)
        here = self.recording.files.current(name)
        if here is None:
            raise NotFound(f"nothing can be downloaded under {str(name)[:80]!r} here: bytes first, then the record")
        limits = (subscription.within, None if within is None else read_tags(within))
        package = self.recording.files.about(here.package_id) if any(one is not None for one in limits) else None
        if not all(is_within(package, one) for one in limits):
            raise Forbidden("this package is outside of the staging tags within which you may", "NOT_ENTITLED")
        is_dry = dry_run or channel.dry_run
        with self.waiting.for_(channel.url):
            return _report(channel, self.recording.record(channel, secrets, here, dry_run=is_dry), sent=not is_dry)

    def compare(self, subscription_id: str, after: str | None, by_id: str | None, within: Any) -> dict[str, Any]:
        """A page of differences between the records there and the files here, first by records, then by files: `{items, next}`.

        A page may be empty and have a `next`. Nothing is changed.

        Raises:
            InvalidInput: CURSOR_INVALID.
            Conflict: CHANNEL_KIND_WRONG.
            OutsideFailed: if Jamf Pro does not answer.
        """
        subscription, channel, secrets = self._opened(subscription_id, by_id, within)
        with self.waiting.for_(channel.url):
            found, following = self._compared(subscription, channel, secrets, after)
        return {"items": [asdict(one) | {"difference": one.difference.value} for one in found], "next": following}

    def _compared(
        self, subscription: Subscription, channel: JamfChannel, secrets: Secrets, after: str | None
    ) -> tuple[Sequence[Drift], str | None]:
        side, _, place = (after or f"{_OF_RECORDS}~0").partition("~")
        if side == _OF_RECORDS and place.isascii() and place.isdecimal():
            return self._by_records(channel, secrets, int(place[:9]))
        if side == _OF_FILES:
            return self._by_files(subscription, channel, secrets, place or None)
        raise InvalidInput("this is no place in the comparison: take the `next` of the page before", "CURSOR_INVALID")

    def _opened(self, subscription_id: str, by_id: str | None, within: Any) -> tuple[Subscription, JamfChannel, Secrets]:
        found = self.subscribing.permitted(subscription_id, by_id, None if within is None else read_tags(within))
        if not isinstance(found.channel, JamfChannel):
            raise Conflict(f"this subscription has a {found.channel.kind} channel: that is no Jamf Pro server", "CHANNEL_KIND_WRONG")
        return found, found.channel, self.subscriptions.secrets_of(subscription_id)

    def _by_records(self, channel: JamfChannel, secrets: Secrets, number: int) -> tuple[Sequence[Drift], str | None]:
        records, are_more = self.recording.servers.at(channel, secrets).page(number, RECORDS_AT_ONCE)
        folded_names = functools.cache(self._folded_names)
        found = [self._judged(record, folded_names) for record in records]
        return [one for one in found if one], f"{_OF_RECORDS}~{number + 1}" if are_more else f"{_OF_FILES}~"

    def _judged(self, record: PackageRecord, folded_names: Any) -> Drift | None:
        here = self.recording.files.current(record.file_name)
        if here is None:
            return judge_record(record, None, None, folded_names().get(folded(record.file_name)) or folded_names().get(folded(record.name)))
        return judge_record(record, here, self.recording.files.digests(here.package_id) if record.hash_value else None, None)

    def _folded_names(self) -> dict[str, Here]:
        return {folded(here.name): here for here in self._all_files()}

    def _all_files(self) -> Iterator[Here]:
        after: str | None = None
        while True:
            found, after = self.recording.files.page(after, 1000)
            yield from (here for here, _ in found)
            if after is None:
                return

    def _by_files(
        self, subscription: Subscription, channel: JamfChannel, secrets: Secrets, after: str | None
    ) -> tuple[Sequence[Drift], str | None]:
        page, following = self.recording.files.page(after, FILES_AT_ONCE)
        wanted = [here for here, package in page if is_within(package, subscription.within) and subscription.filters.pass_(package)]
        server = self.recording.servers.at(channel, secrets)
        found: list[Drift] = []
        for here in wanted:
            try:
                missing = server.find(here.name) is None
            except Conflict:
                continue  # there is a record, which the comparison by records judges
            if missing:
                found.append(record_missing(here))
        return found, f"{_OF_FILES}~{following}" if following else None


def _report(channel: JamfChannel, writes: Sequence[Write], *, sent: bool) -> dict[str, Any]:
    return {"sent": sent and bool(writes), "writes": [one.shown(channel.url) for one in writes]}
