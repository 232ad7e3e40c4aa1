"""This instance as a distribution point of Jamf Pro."""

from __future__ import annotations

from urllib.parse import urlsplit

from services.notify.domain.channels import Secrets
from services.notify.domain.channels.jamf_pro import DOWNLOAD_PASSWORD, JamfChannel
from services.notify.domain.jamf.records import PointWish
from shared.core.errors import InvalidInput

_HTTPS_PORT = 443


def point_of(channel: JamfChannel, secrets: Secrets, public_url: str, instance: str) -> PointWish:
    """The distribution point that this channel describes; `public_url` and `instance` where it says nothing.

    Raises:
        InvalidInput: JAMF_POINT_NOT_HTTPS.
    """
    address = urlsplit(channel.public_url or public_url)
    if address.scheme.lower() != "https" or not address.hostname:
        raise InvalidInput(
            f"Macs download from distribution points over https, and this instance is at {address.scheme}://{address.netloc}: "
            "set ODST_PUBLIC_URL, or the channel's public_url",
            "JAMF_POINT_NOT_HTTPS",
        )
    return PointWish(
        channel.point_name or instance,
        address.hostname,
        address.port or _HTTPS_PORT,
        channel.context.strip("/"),
        channel.security,
        channel.download_username,
        secrets.get(DOWNLOAD_PASSWORD) if channel.download_username else None,
    )
