"""A notify that is killed between any two steps of a digest: no event is lost, and no mail gets another id or other bytes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from email.message import EmailMessage

import pytest

from shared.testing.certificates import Authority
from shared.testing.instance import Instance
from shared.testing.waiting import wait_for
from tests.chaos.lone_notify import IMPATIENT, NOTIFY, Lone, kept_in
from tests.contract.port_databases import KINDS
from tests.integration.mail_server import mail_server, variables

LONG = os.environ.get("ODST_CHAOS") == "long"
COLLECTED_SECONDS = {"at_once": 120, "hourly": 3600, "daily": 86400}
"""By pace: after so long what happened is mailed."""
FREEZING = ("within-claim", "after-claim", "within-frozen", "after-frozen") if LONG else ("after-frozen",)
SENDING = ("after-sent", "within-settled", "after-settled") if LONG else ("after-sent",)
SENT_AGAIN = {"after-sent", "within-settled"}


@pytest.mark.timeout(300 if LONG else 180)
@pytest.mark.parametrize(("pace", "kind"), [*itertools.product(COLLECTED_SECONDS, KINDS)] if LONG else [("hourly", "postgresql")])
def test_a_digest_is_one_mail_wherever_notify_is_killed(
    make_instance: Callable[..., Instance], new_database: Callable[[str], str], authority: Authority, pace: str, kind: str
) -> None:
    """Two events are gathered, a third comes when the mail is written: all tries of the first mail are the same bytes under one Message-ID,
    the third event is in another mail, and all three are delivered."""
    with mail_server(authority) as server:
        settings = IMPATIENT | variables(server, authority) | {"ODST_MAIL_COLLECT_SECONDS": "120", "ODST_SMTP_TOTAL_SECONDS": "4.5"}
        lone = Lone(make_instance("N", programs=(NOTIFY,), settings=settings | kept_in(new_database, kind)))
        lone.begin_at(hour=8, minute=5)
        lone.live()
        channel = {"kind": "email", "settings": {"to": "ada@example.org", "pace": pace}}
        lone.ask("subscribe", url=None, events=["peer.*"], created_by="admin", channel=channel)
        lone.publish("Bonn")
        lone.publish("Kiel")
        wait_for(lambda: lone.ask("figures")["deliveries_waiting"] == 2, "both are told")
        lone.instance.stop(NOTIFY)
        lone.pass_seconds(COLLECTED_SECONDS[pace])
        lone.die_at(*FREEZING)
        lone.publish("Ulm")
        lone.die_at(*SENDING)
        lone.live()
        wait_for(lambda: lone.ask("figures")["deliveries_waiting"] == 1, "the first mail is written down, and the third event is told")
        lone.pass_seconds(COLLECTED_SECONDS[pace])
        wait_for(lambda: len(lone.delivered()) == 3, "all is delivered")

    first, *others = [mail.as_bytes() for mail in server.taken]
    deaths = len(FREEZING + SENDING)
    print(
        f"{pace} on {kind}: {deaths} deaths of one mail, taken {others.count(first) + 1} times; {len(ids(server.taken))} mails of 3 events"
    )
    assert others.count(first) == len(SENT_AGAIN.intersection(SENDING))
    assert [peers_in(mail) for mail in (server.taken[0], server.taken[-1])] == [{"Bonn", "Kiel"}, {"Ulm"}]
    assert len(ids(server.taken)) == len(set(others) | {first}) == 2
    assert lone.dead_letters() == []


def ids(mails: Sequence[EmailMessage]) -> set[str]:
    """By which programs know a mail again."""
    return {str(mail["Message-ID"]) for mail in mails}


def peers_in(mail: EmailMessage) -> set[str]:
    """Of whom a mail tells."""
    text = mail.get_body(("plain",))
    assert text is not None
    return {name for name in ("Bonn", "Kiel", "Ulm") if name in text.get_content()}
