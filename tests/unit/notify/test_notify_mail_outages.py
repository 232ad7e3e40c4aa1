"""Claims about mail when the server is away, or when something in us fails."""

from __future__ import annotations

import socket
import ssl

import pytest

from services.notify.adapters.mail import smtp
from services.notify.adapters.mail.composer import MailComposer
from services.notify.adapters.mail.smtp import Security, SmtpPlan, SmtpRelay
from services.notify.domain.channels.email import EmailChannel
from services.notify.domain.deliveries import Answer, DeliveryState
from shared.runtime.outbound import Limits
from tests.unit.notify.notify_fakes import PUBLISHED, Desk

REFUSED = Answer(451, error="greylisted", is_untaken=True)


@pytest.fixture
def mailed(desk: Desk) -> Desk:
    """Ada is mailed of everything."""
    desk.add(channel=EmailChannel("ada@example.org"))
    return desk


def test_what_waited_through_an_outage_of_the_mail_server_is_one_mail(mailed: Desk) -> None:
    """Not one for each half hour of it: what was certainly not taken goes out together, as soon as one gets through."""
    mailed.mailer.answers = [REFUSED] * 6
    for number in range(6):
        mailed.tell(f"e{number}", PUBLISHED.model_copy(update={"name": f"P{number}.pkg"}))
        mailed.clock.pass_seconds(301)
        mailed.delivering.deliver_one()
    assert {one.state for one in mailed.newest()} == {DeliveryState.WAITING}
    mailed.mailer.sent.clear()

    mailed.tell("e9", PUBLISHED.model_copy(update={"name": "P9.pkg"}))
    mailed.clock.pass_seconds(301)
    mailed.deliver_all()

    assert {one.state for one in mailed.newest()} == {DeliveryState.DELIVERED}
    assert len(mailed.mailer.sent) == 2
    together = "".join(str(mail.get_body(("plain",))) for _, mail in mailed.mailer.sent)
    assert all(together.count(f"P{number}.pkg can be downloaded") == 1 for number in (*range(6), 9))


def test_a_mail_that_may_have_been_taken_stays_the_mail_that_it_was(mailed: Desk) -> None:
    """A try that was lost, or whose worker died, keeps its bytes and its id, whatever else gets through, and whatever is refused later."""
    mailed.mailer.answers = [Answer(error="the connection broke"), REFUSED]
    mailed.tell("e1")
    mailed.clock.pass_seconds(30)
    mailed.deliver_all()
    mailed.clock.pass_seconds(6)
    mailed.deliver_all()
    mailed.tell("e2")
    mailed.clock.pass_seconds(60)
    mailed.deliver_all()
    mailed.clock.pass_seconds(300)
    mailed.deliver_all()

    first, again, other, last = (mail for _, mail in mailed.mailer.sent)
    assert first.as_bytes() == again.as_bytes() == last.as_bytes()
    assert other["Message-ID"] != first["Message-ID"]
    assert {one.state for one in mailed.newest()} == {DeliveryState.DELIVERED}


def test_a_mail_that_cannot_be_written_is_a_failed_try_and_freezes_nothing(mailed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends by the schedule instead of coming again for ever, and is sent if it can be written later."""
    mailed.tell("e1")
    mailed.clock.pass_seconds(31)
    with monkeypatch.context() as broken:
        broken.setattr(MailComposer, "compose", lambda *_: 1 / 0)
        mailed.deliver_all()
    (delivery,) = mailed.newest()

    mailed.clock.pass_seconds(5)
    mailed.deliver_all()

    assert (delivery.attempts, delivery.digest_id, delivery.last_error) == (
        1,
        None,
        "this instance failed on it (ZeroDivisionError): its log says more",
    )
    assert len(mailed.mailer.sent) == 1


def test_a_mail_server_with_many_addresses_takes_no_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """They share the time: the lease of the try is longer than that, however many do not answer."""
    waits: list[float] = []

    def nobody(_address: object, seconds: float) -> socket.socket:
        waits.append(seconds)
        raise TimeoutError("nobody is there")

    monkeypatch.setattr(socket, "create_connection", nobody)
    monkeypatch.setattr(smtp, "resolve_by_system", lambda _host, _port: [f"10.0.0.{number}" for number in range(9)])
    plan = SmtpPlan("mx", 25, Security.NONE, "odst@example.org", "odst", Limits(10, 30), ssl.create_default_context())

    answer = SmtpRelay(plan).send("ada@example.org", b"")

    assert "nobody is there" in (answer.error or "")
    assert 0 < sum(waits) <= plan.limits.connect_seconds
