"""Claims about mail: what happens in a time is one mail, frozen before it is tried, and nothing in it deceives."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from zoneinfo import ZoneInfo

import pytest

from services.notify.adapters.mail.composer import Letterhead, MailComposer
from services.notify.config import NotifySettings
from services.notify.domain.channels import Told
from services.notify.domain.channels.email import EmailChannel, Pace, checked_address
from services.notify.domain.deliveries import Answer, DeliveryState
from services.notify.domain.digests import IN_FULL, Digest
from services.notify.domain.pacing import Pacing
from services.notify.domain.sentences import SENTENCES, said
from services.notify.ports import Standing
from shared.contracts.catalogue import example_of
from shared.contracts.events import PackagePublishedV1, PeerBannedV1, SubscriptionDisabledV1
from shared.contracts.happening import Happening
from shared.contracts.spine import handled_by
from shared.core.alarms import AlarmKind
from shared.core.errors import Forbidden, InvalidInput, ServiceUnavailable
from shared.runtime.settings import ConfigurationError
from shared.testing.fakes.clock import NOON
from tests.unit.notify.notify_fakes import PUBLISHED, Desk, an_id

ADA = EmailChannel("ada@example.org")
HOSTILE = '<b>x</b>\u202egpj.exe\r\nBcc: eve@example.org "&" \x1b[31m{sha256}.pkg'
TEMPORARY = Answer(451, error="greylisted")


def named(name: str) -> PackagePublishedV1:
    """A package of this name was published."""
    return PUBLISHED.model_copy(update={"name": name})


def a_mail(desk: Desk, number: int = -1) -> tuple[str, str, str]:
    """Subject, text and HTML of a mail that was sent."""
    mail = desk.mailer.sent[number][1]
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    return str(mail["Subject"]), text.get_content().replace("\r\n", "\n"), html.get_content().replace("\r\n", "\n")


@pytest.fixture
def mailed(desk: Desk) -> Desk:
    """Ada is mailed of everything."""
    desk.add(channel=ADA)
    return desk


@pytest.mark.parametrize("event_type", sorted(handled_by("notify")))
def test_each_event_that_subscribers_can_have_is_told_in_a_sentence(event_type: str) -> None:
    """The table has it, and of its golden example nothing is unknown."""
    told = Told("e", event_type, NOON, "Berlin", example_of(event_type)["data"])

    one = said(told)
    assert event_type in SENTENCES
    assert "unknown" not in f"{one.headline} {one.sentence} {one.action}"


def test_what_happens_within_the_time_is_one_mail(mailed: Desk) -> None:
    """Nothing goes out before; then all of it, in one, with the headers of mail that no person wrote."""
    mailed.tell("e1", named("One.pkg"))
    mailed.clock.pass_seconds(20)
    mailed.tell("e2", named("Two.pkg"))
    assert mailed.deliver_all() == 0

    mailed.clock.pass_seconds(10)
    assert mailed.deliver_all() == 1
    to, mail = mailed.mailer.sent[0]
    subject, text, html = a_mail(mailed)
    assert to == mail["To"] == "ada@example.org"
    assert subject == "[Berlin] One.pkg can be downloaded, and 1 more"
    assert (mail["Auto-Submitted"], mail["From"]) == ("auto-generated", "ODST Berlin <odst@example.org>")
    for part in (text, html):
        assert part.index("One.pkg") < part.index("Two.pkg")
    assert [one.state for one in mailed.newest()] == [DeliveryState.DELIVERED] * 2


def test_all_tries_of_a_mail_are_the_same_bytes_and_what_comes_meanwhile_is_another(mailed: Desk) -> None:
    """A temporary refusal is followed by the schedule, with each delivery of the mail."""
    mailed.mailer.answers = [TEMPORARY]
    mailed.tell("e1")
    mailed.tell("e2")
    mailed.clock.pass_seconds(30)
    mailed.deliver_all()
    assert [(one.state, one.last_status, one.attempts) for one in mailed.newest()] == [(DeliveryState.WAITING, 451, 1)] * 2

    mailed.tell("e3")
    mailed.clock.pass_seconds(60)
    mailed.deliver_all()
    first, again, other = (mail for _, mail in mailed.mailer.sent)
    assert first.as_bytes() == again.as_bytes()
    assert other["Message-ID"] != first["Message-ID"]
    assert [one.state for one in mailed.newest()] == [DeliveryState.DELIVERED] * 3
    _, tries = mailed.deliveries.find(mailed.newest()[-1].delivery_id) or (None, [])
    assert [one.status for one in tries] == [451, 250]


def test_a_process_that_dies_after_the_mail_went_out_sends_the_same_one_again(mailed: Desk) -> None:
    """The batch was frozen before the first try: the next worker has its id and its bytes, and later events are not in it."""
    mailed.mailer.answers = [None]
    mailed.tell("e1")
    mailed.clock.pass_seconds(30)
    with pytest.raises(KeyboardInterrupt):
        mailed.deliver_all()
    mailed.tell("e2")

    mailed.clock.pass_seconds(91)
    mailed.deliver_all()
    first, again, other = (mail for _, mail in mailed.mailer.sent)
    assert first.as_bytes() == again.as_bytes()
    assert other["Message-ID"] != first["Message-ID"]
    assert [one.state for one in mailed.newest()] == [DeliveryState.DELIVERED] * 2


def test_a_process_that_dies_before_the_mail_is_frozen_loses_nothing(mailed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails in between keeps nothing of the batch; the next claim gathers it anew."""
    mailed.tell("e1")
    mailed.tell("e2")
    mailed.clock.pass_seconds(30)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(MailComposer, "compose", lambda *_args: (_ for _ in ()).throw(KeyboardInterrupt))
        mailed.deliver_all()
    assert [one.digest_id for one in mailed.newest()] == [None, None]

    mailed.clock.pass_seconds(91)
    mailed.deliver_all()
    assert a_mail(mailed)[0].endswith("and 1 more")
    assert len(mailed.mailer.sent) == 1


def test_a_worker_whose_claim_was_taken_over_freezes_nothing(mailed: Desk) -> None:
    """The fence keeps it from gathering what another worker has."""
    mailed.tell("e1")
    mailed.clock.pass_seconds(30)
    now = mailed.clock()
    (late,) = mailed.deliveries.claim(now, now + dt.timedelta(seconds=1), 1)
    mailed.clock.pass_seconds(2)
    mailed.deliver_all()

    mailed.delivering.attempt(late)
    assert len(mailed.mailer.sent) == 1


def test_a_recipient_that_is_refused_for_good_is_not_tried_again(mailed: Desk) -> None:
    """5xx about the recipient fails all that was in the mail; the subscription stays, as its address may be mended."""
    mailed.mailer.answers = [Answer(550, error="no such user", is_final=True)]
    mailed.tell("e1")
    mailed.tell("e2")
    mailed.clock.pass_seconds(30)
    mailed.deliver_all()

    assert [(one.state, one.last_error) for one in mailed.newest()] == [(DeliveryState.FAILED, "no such user")] * 2
    assert mailed.subscribing.show("s1")["state"] == "active"


def test_what_is_delivered_again_is_another_mail(mailed: Desk) -> None:
    """A person asked for it: a receiver that drops what it has seen must not drop it."""
    mailed.tell("e1")
    mailed.clock.pass_seconds(30)
    mailed.deliver_all()

    mailed.replaying.replay_delivery(mailed.newest()[0].delivery_id, None, None)
    mailed.deliver_all()
    first, second = (mail["Message-ID"] for _, mail in mailed.mailer.sent)
    assert first != second


def test_a_test_of_a_subscription_by_mail_is_a_mail(mailed: Desk) -> None:
    """At once, without a digest, and kept nowhere."""
    came = mailed.testing.test("s1", None, None)

    assert came["delivered"]
    assert a_mail(mailed)[0] == "[Berlin] A test"
    assert "the subscription s1 can be reached" in a_mail(mailed)[1]
    assert mailed.newest() == []


def test_of_very_many_events_alarms_are_told_in_full_and_the_rest_is_counted(mailed: Desk) -> None:
    """The subject has the alarm although it came last."""
    for number in range(60):
        mailed.tell(an_id(number), named(f"P{number}.pkg"))
    mailed.tell(an_id(99), PeerBannedV1(peer_id="P" * 52, reason="it lied", until=NOON))
    mailed.clock.pass_seconds(30)
    mailed.deliver_all()

    subject, text, html = a_mail(mailed)
    assert subject == "[Berlin] Alarm: A peer lied and is banned, and 60 more"
    assert text.count("can be downloaded\n") == html.count("can be downloaded</div>") == IN_FULL - 1
    assert "And 21 more:\n      21  package.published.v1" in text


def test_hostile_names_are_shown_as_they_are_and_do_nothing(mailed: Desk) -> None:
    """No header, no markup, no direction of writing, no template of ours comes out of a name."""
    mailed.tell("e1", named(HOSTILE))
    mailed.clock.pass_seconds(30)
    mailed.deliver_all()

    mail = mailed.mailer.sent[0][1]
    subject, text, html = a_mail(mailed)
    assert mail["Bcc"] is None
    assert r'<b>x</b>\u202egpj.exe\r\nBcc: eve@example.org "&" \x1b[31m{sha256}.pkg' in text
    assert r"&lt;b&gt;x&lt;/b&gt;\u202egpj.exe\r\nBcc" in html
    assert all(sign not in part for part in (subject, text, html) for sign in "\u202e\x1b\r")
    assert not any(outside in html for outside in ("<img", "http://", "https://", "@import", "<link", "url("))
    assert html.count("<style") == 1  # ours


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\u05d3\u05e4\u05d3\u05e4\u05df (129).pkg", "\u2068\u05d3\u05e4\u05d3\u05e4\u05df (129).pkg\u2069"),
        ("\u2068Fire\u2069.pkg", r"\u2068Fire\u2069.pkg"),
        ("\U0001f469\u200d\U0001f680.pkg", "\U0001f469\u200d\U0001f680.pkg"),
        ("Fire\u200dfox.pkg", r"Fire\u200dfox.pkg"),
    ],
)
def test_names_in_any_script_leave_the_rest_of_a_sentence_as_it_is(mailed: Desk, name: str, shown: str) -> None:
    """What is written from right to left stands for itself; pictures may be joined, letters are not joined invisibly."""
    mailed.tell("e1", named(name))
    mailed.clock.pass_seconds(30)
    mailed.deliver_all()

    _, text, html = a_mail(mailed)
    assert f"{shown} can be downloaded" in text
    assert f"{shown} can be downloaded" in html
    assert f"The package {shown} (" in text


@pytest.mark.parametrize("kind", [one.value for one in AlarmKind])
def test_each_alarm_is_told_in_words(kind: str) -> None:
    """And how often it was told before, if it was."""
    data = example_of("alarm.raised.v1")["data"] | {"kind": kind}
    once, again = (said(Told("e", "alarm.raised.v1", NOON, "Berlin", data | {"repeated": number})) for number in (0, 2))

    assert kind not in once.headline + once.sentence
    assert "times before" not in once.sentence
    assert again.sentence.endswith("It was told 2 times before.")


def test_a_subject_may_be_in_any_script(mailed: Desk) -> None:
    """It is encoded on the way, and whole when it is read."""
    mailed.tell("e1", named("Überblick-日本語.pkg"))
    mailed.clock.pass_seconds(30)
    mailed.deliver_all()

    assert a_mail(mailed)[0] == "[Berlin] Überblick-日本語.pkg can be downloaded"
    assert mailed.mailer.sent[0][1].as_bytes().isascii()


@pytest.mark.parametrize(
    ("pace", "now", "due"),
    [
        (Pace.AT_ONCE, "2026-03-28T12:00:00+00:00", "2026-03-28T12:00:30+00:00"),
        (Pace.HOURLY, "2026-03-28T12:10:05+00:00", "2026-03-28T13:00:00+00:00"),
        (Pace.DAILY, "2026-03-28T05:59:00+00:00", "2026-03-28T06:00:00+00:00"),
        (Pace.DAILY, "2026-03-28T06:00:00+00:00", "2026-03-29T05:00:00+00:00"),
        (Pace.DAILY, "2026-10-24T05:00:00+00:00", "2026-10-25T06:00:00+00:00"),
    ],
)
def test_mail_goes_out_at_the_end_of_its_time(pace: Pace, now: str, due: str) -> None:
    """At seven in Berlin, also on the days that are 23 or 25 hours long."""
    pacing = Pacing(hour=7, zone=ZoneInfo("Europe/Berlin"))

    assert pacing.due(EmailChannel("ada@example.org", pace), dt.datetime.fromisoformat(now)) == dt.datetime.fromisoformat(due)


@pytest.mark.parametrize(
    "text", ["", "ada", "ada@", "a b@example.org", "ada@example.org\nBcc: eve@example.org", "ada@exa mple.org", "<a@b.org>", 7]
)
def test_what_is_no_address_is_refused(text: object) -> None:
    """Line breaks above all."""
    with pytest.raises(InvalidInput) as caught:
        checked_address(text)

    assert caught.value.code == "ADDRESS_INVALID"


def test_an_international_domain_goes_out_in_ascii() -> None:
    """So that any mail server takes it."""
    assert checked_address("ada@bücher.example.org") == "ada@xn--bcher-kva.example.org"


def test_who_is_narrowed_is_mailed_at_their_own_address_only(desk: Desk) -> None:
    """Deny by default: nobody mails others in the organisation's name by a grant for some packages."""
    desk.people.others["ada"] = Standing(is_active=True, may=True, within=frozenset({"test"}), email="Ada@example.org")

    def subscribe(to: str) -> str:
        channel = {"kind": "email", "settings": {"to": to}}
        made = desk.subscribing.subscribe(None, ["package.*"], "ada", channel, owner_id="ada", within=["test"])
        return str(made["subscription_id"])

    with pytest.raises(Forbidden):
        subscribe("bert@example.org")
    own = subscribe("ada@example.org")
    with pytest.raises(Forbidden):
        desk.subscribing.change(own, {"channel": {"settings": {"to": "bert@example.org"}}}, "ada", ["test"])


def test_the_owner_of_a_disabled_subscription_is_mailed_once_by_one_id(desk: Desk) -> None:
    """While the server does not take it, the event comes again, and the mail has the id of the event."""
    desk.people.others["ada"] = Standing(is_active=True, may=True, within=None, email="ada@example.org")
    event = SubscriptionDisabledV1(subscription_id="s1", kind="webhook", description="Tickets", owner="ada", reason="RECEIVER_GONE")
    happening = Happening(an_id(7), NOON)
    desk.mailer.answers = [TEMPORARY]

    with pytest.raises(ServiceUnavailable):
        desk.notices.tell_owner(event, happening)
    desk.notices.tell_owner(event, happening)
    desk.notices.tell_owner(PUBLISHED, happening)
    assert [mail["Message-ID"] for _, mail in desk.mailer.sent] == [f"<{an_id(7)}@example.org>"] * 2
    assert "the receiver said that it is gone" in a_mail(desk)[1]


@pytest.mark.parametrize("text", ["not an address", "ada@example.org\r\nBcc: all@example.org", "ädä@example.org", ""])
def test_an_owner_whose_address_is_none_is_not_mailed_and_holds_up_nothing(desk: Desk, text: str) -> None:
    """A directory of accounts may have any text there: the event is not a dead letter for it."""
    desk.people.others["ada"] = Standing(is_active=True, may=True, within=None, email=text)
    event = SubscriptionDisabledV1(subscription_id="s1", kind="webhook", description="Tickets", owner="ada", reason="RECEIVER_GONE")

    desk.notices.tell_owner(event, Happening(an_id(7), NOON))

    assert desk.mailer.sent == []


def test_the_same_digest_is_the_same_mail() -> None:
    """Nothing in it is made up anew."""
    composer = MailComposer(Letterhead("odst@example.org", 'ODST, "Berlin"'))
    told = Told("e1", "package.published.v1", NOON, "Berlin", {"name": "A.pkg"})
    digest = Digest("d1", "Berlin", [told], Counter({told.event_type: 1}))

    one, other = (composer.note("ada@example.org", digest, NOON).content.split(b"boundary") for _ in range(2))
    assert one[0] == other[0]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"smtp_from": None}, "smtp_from"),
        ({"smtp_from": "odst@example.org\nBcc: eve@example.org"}, "smtp_from"),
        ({"smtp_security": "none"}, "smtp_user"),
        ({"smtp_password": None}, "smtp_password_file"),
        ({"mail_time_zone": "Mars/Olympus"}, "mail_time_zone"),
        ({"webhook_lease_seconds": "30"}, "webhook_lease_seconds"),
        ({"smtp_total_seconds": "45", "webhook_lease_seconds": "45"}, "webhook_lease_seconds"),
    ],
)
def test_a_mail_server_that_is_set_up_wrong_is_found_at_the_start(wrong: dict[str, str | None], named: str) -> None:
    """And the message names the setting."""
    right = {"amqp_uri": "amqp://x", "smtp_host": "mx", "smtp_from": "odst@example.org", "smtp_user": "odst", "smtp_password": "a secret"}
    environment = {f"ODST_{name.upper()}": value for name, value in {**right, **wrong}.items() if value is not None}

    with pytest.raises(ConfigurationError) as caught:
        NotifySettings.load(environment)
    assert named in str(caught.value)
    assert "a secret" not in str(caught.value)
