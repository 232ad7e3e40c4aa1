"""Claims about patterns, targets, signatures, the schedule and bodies."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from services.notify.adapters.channels.webhook import WebhookSender
from services.notify.domain import schedule, signing, targets
from services.notify.domain.channels import Told
from services.notify.domain.channels.webhook import MAX_BODY_BYTES, WebhookChannel
from services.notify.domain.deliveries import Answer, Claim, DeliveryState, Health
from services.notify.domain.judging import judge
from services.notify.domain.subscriptions import Reason
from services.notify.ports import WebAnswer
from shared.contracts import patterns
from shared.contracts.spine import handled_by
from shared.core.errors import InvalidInput
from shared.testing.fakes.clock import NOON
from tests.unit.notify.notify_fakes import SECRETS, FakeWeb, a_delivery, a_subscription

TOLD = list(handled_by("notify"))


@pytest.mark.parametrize(
    ("pattern", "event_type", "wanted"),
    [
        ("*", "package.published.v1", True),
        ("package.*", "package.published.v1", True),
        ("package.published", "package.published.v1", True),
        ("package.published", "package.published.v2", True),
        ("package.published.v1", "package.published.v1", True),
        ("package.published.v1", "package.published.v2", False),
        ("package.*.v1", "package.quarantined.v1", True),
        ("*.published", "package.published.v1", True),
        ("peer.*", "package.published.v1", False),
        ("package.publish", "package.published.v1", False),
    ],
)
def test_a_pattern_means_types_with_and_without_their_version(pattern: str, event_type: str, *, wanted: bool) -> None:
    """A star is one word; a version narrows; nothing matches in part."""
    assert patterns.matches(pattern, event_type) is wanted


def test_patterns_are_kept_once_and_in_order() -> None:
    """Doubles are dropped."""
    assert patterns.checked_patterns(["peer.*", "package.published", "peer.*"], TOLD) == ("peer.*", "package.published")


@pytest.mark.parametrize(
    "junk", [[], None, "package.*", ["package.publishd"], ["pack*"], [7], ["package"], ["**"], [".*"], ["a.b.c.d"], ["package.*"] * 51]
)
def test_patterns_that_mean_nothing_are_refused(junk: object) -> None:
    """A typing error is told at once, not by silence later."""
    with pytest.raises(InvalidInput) as caught:
        patterns.checked_patterns(junk, TOLD)

    assert caught.value.code == "EVENT_PATTERN_INVALID"


@pytest.mark.parametrize("url", ["https://hooks.example/a?b=c", "http://10.1.2.3:8080/", "HTTPS://Hooks.Example", "http://[2001:db8::1]/x"])
def test_web_addresses_are_accepted_by_form(url: str) -> None:
    """Where they lead is another question."""
    assert targets.checked_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        None,
        7,
        "hooks.example",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "gopher://hooks.example/",
        "https://",
        "https:///path",
        "https://user@hooks.example/",
        "https://user:pass@hooks.example/",
        "https://@hooks.example/",
        "https://hooks.example/a b",
        "https://hooks.example\\@inside/",
        "https://hooks.example/\r\nHost: inside",
        "https://hooks.example:99999/",
        "https://hooks.example:0/",
        "https://[::1/",
        "https://h\u00f6oks.example/",
        "https://hooks.example/#fragment",
        "https://hooks.example/" + "x" * 2000,
    ],
)
def test_other_addresses_are_refused_by_form(url: object) -> None:
    """Only http and https, without user, password, fragment or characters that readers of URLs disagree about."""
    with pytest.raises(InvalidInput) as caught:
        targets.checked_url(url)

    assert caught.value.code == "WEBHOOK_URL_INVALID"


def test_a_secret_has_the_form_and_length_of_standard_webhooks() -> None:
    """`whsec_` and base64 of 32 bytes, each time others."""
    first, second = signing.new_secret(), signing.new_secret()

    assert first != second
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"), validate=True)) == 32


@given(body=st.binary(max_size=200).map(lambda raw: json.dumps(raw.hex()).encode()), event_id=st.uuids().map(str))
def test_signatures_are_accepted_by_the_reference_library(body: bytes, event_id: str) -> None:
    """Whatever the body, `standardwebhooks` verifies it with our headers and its own clock."""
    secret = signing.new_secret()
    headers = signing.signed_headers([secret], event_id, body, dt.datetime.now(dt.UTC))

    assert Webhook(secret).verify(body, headers) == json.loads(body)
    assert headers["webhook-id"] == f"msg_{event_id}"


def test_the_schedule_has_ten_tries_and_then_ends() -> None:
    """0, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h."""
    waits = [schedule.next_attempt(attempts, NOON, jitter=0) for attempts in range(1, 11)]

    assert [int((when - NOON).total_seconds()) for when in waits[:-1] if when] == [
        5,
        300,
        1800,
        7200,
        18000,
        36000,
        50400,
        72000,
        86400,
    ]
    assert waits[-1] is None


@given(attempts=st.integers(1, 9), jitter=st.floats(0, 1))
def test_jitter_stretches_a_wait_by_at_most_a_tenth(attempts: int, jitter: float) -> None:
    """Never earlier than the schedule says."""
    when = schedule.next_attempt(attempts, NOON, jitter)
    wait = schedule.DELAYS_SECONDS[attempts]

    assert when is not None
    assert wait <= (when - NOON).total_seconds() <= wait * 1.1 + 0.001


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("120", 120),
        (" 7 ", 7),
        ("-5", 0),
        ("soon", 0),
        ("1e9", 0),
        ("\u0663", 0),
        ("999999999999", 86400),
        ("Tue, 03 Nov 2026 12:01:30 GMT", 90),
        ("Tue, 03 Nov 2026 11:00:00 GMT", 0),
        ("Tue, 99 Foo 2026 11:00:00 GMT", 0),
        ("Tue, 03 Nov 2099 11:00:00 GMT", 86400),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_within_a_day(header: str | None, seconds: float) -> None:
    """Nonsense counts as none; nobody makes us wait longer than a day."""
    assert schedule.retry_after_seconds(header, NOON) == seconds


def test_retry_after_only_ever_delays() -> None:
    """A shorter wish than the schedule's does not hurry us."""
    longer = schedule.next_attempt(1, NOON, 0, 60)
    shorter = schedule.next_attempt(2, NOON, 0, 60)

    assert longer == NOON + dt.timedelta(seconds=60)
    assert shorter == NOON + dt.timedelta(seconds=300)


def a_claim(attempts: int = 1, health: Health | None = None) -> Claim:
    """A try of the given number."""
    return Claim(a_delivery(attempts=attempts), a_subscription(), health or Health(), 1, NOON, {})


def sent(status: int | None, **more: Any) -> Answer:
    """What a webhook's answer means."""
    web = FakeWeb([WebAnswer(status, **more)])
    return WebhookSender(web).send(Claim(a_delivery(), a_subscription(), Health(), 1, NOON, SECRETS))


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    """The delivery is done, and the receiver is well."""
    outcome = judge(a_claim(health=Health(3, NOON, NOON)), sent(status), NOON, 0)

    assert (outcome.state, outcome.attempt.status, outcome.next_attempt) == (DeliveryState.DELIVERED, status, None)
    assert outcome.health == Health()


@pytest.mark.parametrize("status", [301, 404, 500, None, 199, 300])
def test_anything_else_is_tried_again_until_the_schedule_ends(status: int | None) -> None:
    """A redirect too: it is never followed."""
    answer = sent(status)
    again, ended = judge(a_claim(1), answer, NOON, 0), judge(a_claim(10), answer, NOON, 0)

    assert (again.state, again.next_attempt) == (DeliveryState.WAITING, NOON + dt.timedelta(seconds=5))
    assert (ended.state, ended.next_attempt) == (DeliveryState.FAILED, None)
    assert again.attempt.error


def test_a_receiver_that_fails_is_left_alone_for_longer_and_longer() -> None:
    """5 s, 10 s, 20 s … 5 minutes; longer if it asks for it."""
    healths = [judge(a_claim(health=Health(failures)), sent(500), NOON, 0).health for failures in (0, 1, 2, 6, 400)]
    asked = judge(a_claim(), sent(429, retry_after="3000"), NOON, 0)

    assert [(one.rests_until - NOON).total_seconds() for one in healths if one.rests_until] == [5, 10, 20, 300, 300]
    assert asked.health.rests_until == asked.next_attempt == NOON + dt.timedelta(seconds=3000)


def test_410_disables_the_subscription() -> None:
    """The receiver is gone and is not asked again."""
    outcome = judge(a_claim(), sent(410), NOON, 0)

    assert outcome.disabled is not None
    assert (outcome.state, outcome.disabled.subscription.reason) == (DeliveryState.FAILED, Reason.RECEIVER_GONE)


def test_a_receiver_that_only_failed_for_five_days_is_disabled() -> None:
    """Not a minute before, and not if anything arrived meanwhile."""
    for days, is_disabled in [(4.99, False), (5, True)]:
        since = NOON - dt.timedelta(days=days)
        outcome = judge(a_claim(health=Health(20, since, None)), sent(500), NOON, 0)
        assert (outcome.disabled is not None) is is_disabled
    assert judge(a_claim(health=Health()), sent(500), NOON, 0).health.failing_since == NOON


def test_a_receiver_that_was_tried_only_now_and_then_in_five_days_is_not_disabled() -> None:
    """This instance may have been off, or its clock jumped: a whole schedule of failures is asked for beside the time."""
    since = NOON - dt.timedelta(days=400)
    outcomes = [judge(a_claim(health=Health(failures, since, None)), sent(500), NOON, 0) for failures in (1, 8, 9)]

    assert [one.disabled is not None for one in outcomes] == [False, False, True]


def test_a_clock_that_goes_back_begins_the_five_days_anew() -> None:
    """Otherwise they would count from a time to come."""
    outcome = judge(a_claim(health=Health(20, NOON + dt.timedelta(days=30), None)), sent(500), NOON, 0)

    assert outcome.health.failing_since == NOON


def test_what_could_not_be_tried_for_too_long_fails_without_blaming_the_receiver() -> None:
    """It was not asked: after a day such a try counts for the delivery alone."""
    health = Health(3, NOON, NOON)
    answer = Answer(error="not yet: the digests are being computed", not_yet_seconds=5)
    outcome = judge(a_claim(health=health), answer, NOON + dt.timedelta(days=2), 0)

    assert (outcome.counted, outcome.health, outcome.disabled) == (True, health, None)


def the_body(event_type: str, data: dict[str, Any]) -> bytes:
    """What is posted of an event at Berlin."""
    return WebhookChannel("https://hooks.example/").message(Told("e1", event_type, NOON, "Berlin", data)).content


def test_a_body_says_type_time_instance_and_data() -> None:
    """By the convention of Standard Webhooks, with who tells it."""
    assert json.loads(the_body("package.published.v1", {"name": "Füchse.pkg"})) == {
        "type": "package.published.v1",
        "timestamp": "2026-11-03T12:00:00.000Z",
        "instance": "Berlin",
        "data": {"name": "Füchse.pkg"},
    }


@given(st.dictionaries(st.sampled_from("abcdef"), st.text(st.sampled_from("ä\x00\ud800😀x"), max_size=10).map(lambda part: part * 900)))
def test_a_body_stays_small(data: dict[str, str]) -> None:
    """Texts are cut when the whole would be too large, and it says which; it stays JSON whatever they hold."""
    body = the_body("package.quarantined.v1", data)
    told = json.loads(body)

    assert len(body) <= MAX_BODY_BYTES
    assert told["data"].keys() == data.keys()
    assert told.get("cut", []) == [key for key in sorted(data) if len(told["data"][key]) < len(data[key])]


def test_what_cannot_be_cut_is_left_out_of_a_body_that_would_be_too_large() -> None:
    """Identifiers stay; it says what is missing."""
    told = json.loads(the_body("package.quarantined.v1", {"package_id": "p1", "tags": ["x" * 40] * 600, "reason": "r" * 999}))

    assert (told["data"], told["cut"]) == ({"package_id": "p1"}, ["reason", "tags"])
