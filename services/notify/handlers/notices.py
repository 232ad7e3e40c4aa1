"""Mail to the owner of a subscription that is disabled: whoever is not told any more must hear of that another way."""

from __future__ import annotations

from dataclasses import dataclass

from services.notify.domain.channels import Told
from services.notify.domain.channels.email import checked_address
from services.notify.domain.digests import alone
from services.notify.handlers.owners import RIGHT
from services.notify.ports import Mailer, NoteWriter, People, Standing
from shared.contracts.events import Event, SubscriptionDisabledV1
from shared.contracts.happening import Happening
from shared.core.errors import InvalidInput, ServiceUnavailable
from shared.runtime.logging import get_logger

log = get_logger(__name__)


@dataclass
class Notices:
    """Tells owners. The mail's id is that of the event, so that one that goes out twice is known as one."""

    people: People
    mailer: Mailer | None
    writer: NoteWriter | None
    """Both are none where no mail server is set up."""
    instance: str

    def tell_owner(self, event: Event, happening: Happening) -> None:
        """Mail the owner, if they have an address; of any other event, and without a mail server, nothing.

        Raises:
            ServiceUnavailable: if directory or the mail server do not take it now; then the event comes again.
        """
        if not isinstance(event, SubscriptionDisabledV1) or self.mailer is None or self.writer is None:
            return
        owner = event.owner_id or event.owner
        address = _address(self.people.standings({owner}, RIGHT).get(owner))
        if address is None:
            log.info("owner_not_mailed", subscription_id=event.subscription_id, reason="no address")
            return
        told = Told(happening.event_id, event.type, happening.time, self.instance, event.model_dump(mode="json"))
        answer = self.mailer.send(address, self.writer.note(address, alone(told), happening.time).content)
        if not answer.is_success and not answer.is_final:
            raise ServiceUnavailable(f"the owner of subscription {event.subscription_id} cannot be mailed now: {answer.error}")


def _address(standing: Standing | None) -> str | None:
    """Where somebody can be mailed. It may come from a directory of accounts, which keeps any text as an address."""
    if standing is None or not standing.is_active or not standing.email:
        return None
    try:
        return checked_address(standing.email)
    except InvalidInput:
        return None
