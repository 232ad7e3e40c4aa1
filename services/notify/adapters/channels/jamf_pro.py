"""Jamf Pro: a delivery makes the record of a package right."""

from __future__ import annotations

import json

from services.notify.adapters.jamf.failures import JamfFailed
from services.notify.domain.channels import Channel, Secrets
from services.notify.domain.channels.jamf_pro import JamfChannel
from services.notify.domain.deliveries import MAX_ANSWER_CHARACTERS, Answer, Claim, escaped
from services.notify.handlers.recording import NOT_YET, Recording
from services.notify.ports import Web
from shared.contracts.events import PackagePublishedV1, PackageRaisedV1, PackageRestoredV1, PackageRetaggedV1, PromotionEndedV1
from shared.core.errors import Conflict, InvalidInput, Locked, ServiceUnavailable

_ABOUT = (PackagePublishedV1, PackageRaisedV1, PackageRestoredV1, PackageRetaggedV1, PromotionEndedV1)
ABOUT_RECORDS = frozenset(event.type for event in _ABOUT)
"""After these a record may have to change; others are of no concern to Jamf Pro."""
_SOON_SECONDS = 5.0


class JamfSender:
    """`Sender` for Jamf Pro. What is written follows from what can be downloaded when it is sent: sent twice, it changes nothing."""

    def __init__(self, web: Web, recording: Recording) -> None:
        """`web` decides where connections may go."""
        self._web, self._recording = web, recording

    def check(self, channel: Channel, secrets: Secrets) -> None:
        """Look where the URL leads now, and whether what is needed to log in was given.

        Raises:
            InvalidInput: CHANNEL_SECRET_NEEDED, WEBHOOK_TARGET_FORBIDDEN, or WEBHOOK_TARGET_UNKNOWN.
        """
        jamf = _jamf(channel)
        jamf.check_secrets(secrets)
        self._web.check(jamf.url)

    def send(self, claim: Claim) -> Answer:
        """Make the record right, if the package is what clients get here."""
        try:
            return Answer(text=escaped(self._told(claim), MAX_ANSWER_CHARACTERS))
        except JamfFailed as error:
            return Answer(error.status, error.retry_after, f"{error.code}: {error}")
        except Locked as error:
            return Answer(error=f"not yet: {error}", not_yet_seconds=_SOON_SECONDS if error.code == NOT_YET else _SOON_SECONDS * 2)
        except ServiceUnavailable as error:
            return Answer(error=f"not yet: {error}", not_yet_seconds=_SOON_SECONDS * 2)
        except Conflict as error:
            return Answer(error=f"{error.code}: {error}", is_final=True, is_well=True)
        except InvalidInput as error:
            return Answer(error=f"{error.code}: {error}")

    def _told(self, claim: Claim) -> str:
        about = json.loads(claim.delivery.message.content)
        if about.get("type") not in ABOUT_RECORDS or not about.get("name"):
            return "nothing to do: no record follows from this event"
        here = self._recording.files.current(str(about["name"]))
        if here is None or here.package_id != about["package_id"]:
            return "nothing to do: clients do not get this package under its name here"
        channel = _jamf(claim.subscription.channel)
        written = self._recording.record(channel, claim.secrets, here, dry_run=channel.dry_run)
        if not written:
            return "nothing to do: the record is right"
        return ("dry run, not sent: " if channel.dry_run else "") + "; ".join(one.sentence(channel.url) for one in written)


def _jamf(channel: Channel) -> JamfChannel:
    assert isinstance(channel, JamfChannel)
    return channel
