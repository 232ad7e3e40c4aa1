"""Package records in Jamf Pro are made to say what can be downloaded here: bytes first, then the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.notify.domain.channels import Secrets
from services.notify.domain.channels.jamf_pro import JamfChannel
from services.notify.domain.jamf.comparing import Here
from services.notify.domain.jamf.records import PackageWish, PointWish, Write
from services.notify.ports import JamfServers, PublishedFiles
from shared.core.errors import Locked

NOT_YET = "DIGESTS_NOT_YET"


@dataclass
class Recording:
    """Writes to Jamf Pro, or says what it would write."""

    servers: JamfServers
    files: PublishedFiles

    def record(self, channel: JamfChannel, secrets: Secrets, here: Here, *, dry_run: bool) -> Sequence[Write]:
        """Make the record of a file that can be downloaded here right; what was, or with `dry_run` would be, written.

        Raises:
            Locked: DIGESTS_NOT_YET, while its digests are being computed.
            Conflict: JAMF_RECORD_AMBIGUOUS, JAMF_NAME_TAKEN.
            OutsideFailed: if Jamf Pro does not do it.
        """
        digests = self.files.digests(here.package_id)
        if digests is None:
            raise Locked(f"the {channel.hash} of {here.name!r} is being computed: try again in a moment", NOT_YET)
        wish = PackageWish(here.name, channel.hash, digests.chosen(channel.hash), digests, here.sha256, channel)
        server = self.servers.at(channel, secrets)
        write = server.package_write(wish)
        if write and not dry_run:
            server.send(write)
        return [write] if write else []

    def register(self, channel: JamfChannel, secrets: Secrets, wish: PointWish, *, dry_run: bool) -> Sequence[Write]:
        """Make this instance a distribution point there; what was, or with `dry_run` would be, written.

        Raises:
            Conflict: JAMF_NAME_TAKEN.
            OutsideFailed: if Jamf Pro does not do it.
        """
        server = self.servers.at(channel, secrets)
        write = server.point_write(wish)
        if write and not dry_run:
            server.send(write)
        return [write] if write else []
