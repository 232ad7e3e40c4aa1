"""Claims about chat: what Slack and Teams are sent is within their limits, and shows names as they are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.adapters.schema import SUBSCRIPTIONS
from services.notify.adapters.templates import DatabaseTemplates
from services.notify.adapters.templating import JinjaEngine
from services.notify.domain.cards import SLACK_BLOCKS, SLACK_HEADLINE, SLACK_TEXT, TEAMS_BYTES, card_of, payload
from services.notify.domain.channels import Told
from services.notify.domain.channels.chat import CHAT_KINDS
from services.notify.domain.deliveries import DeliveryState
from services.notify.domain.templates import BUILT_IN
from services.notify.handlers.templates import Shaping
from services.notify.ports import WebAnswer
from shared.contracts.catalogue import example_of
from shared.contracts.spine import handled_by
from shared.core.errors import InvalidInput
from shared.runtime.database import Database
from shared.testing.fakes.clock import NOON
from tests.unit.notify.notify_fakes import PUBLISHED, Desk

SLACK_URL = "https://hooks.slack.example/services/T0/B0/very-secret"
HOSTILE = "<!everyone> <@U1> <https://evil.example|click> *b* & [x](https://evil.example)\u202e.pkg"


def subscribe(desk: Desk, kind: str = "slack") -> dict[str, Any]:
    """Somebody wants everything in a chat."""
    return desk.subscribing.subscribe(None, ["*"], "ada", {"kind": kind, "settings": {"url": SLACK_URL}})


def check_slack(document: dict[str, Any]) -> None:
    """What Slack documents of messages with blocks, as strictly as it is written."""
    assert 1 <= len(document["blocks"]) <= SLACK_BLOCKS
    for block in document["blocks"]:
        texts = block["elements"] if block["type"] == "context" else [block["text"]]
        most = SLACK_HEADLINE if block["type"] == "header" else SLACK_TEXT
        for text in texts:
            assert text["type"] == "plain_text"
            assert 1 <= len(text["text"]) <= most
            assert not set(text["text"]) & set("<>")
    assert not set(document["text"]) & set("<>")


def check_teams(document: dict[str, Any]) -> None:
    """What Teams documents of an Adaptive Card that a flow posts."""
    (attachment,) = document["attachments"]
    assert document["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert len(json.dumps(document, ensure_ascii=False).encode()) <= 28 * 1024
    for block in attachment["content"]["body"]:
        assert block["type"] == "RichTextBlock"
        assert all(run["type"] == "TextRun" and run["text"] for run in block["inlines"])


SHAPING = Shaping(DatabaseTemplates(Database("sqlite://")), JinjaEngine())
CHECKS = {"slack": check_slack, "teams": check_teams}


@pytest.mark.parametrize("kind", CHAT_KINDS)
@pytest.mark.parametrize("event_type", sorted(handled_by("notify")))
def test_each_event_makes_a_message_that_the_chat_takes(event_type: str, kind: str) -> None:
    """By its golden example."""
    message, fault = SHAPING.worded(kind, Told("e", event_type, NOON, "Berlin", example_of(event_type)["data"]), BUILT_IN)

    CHECKS[kind](json.loads(message.content))
    assert fault is None


@pytest.mark.parametrize("kind", CHAT_KINDS)
@given(text=st.text(max_size=300), times=st.integers(1, 300))
def test_whatever_is_to_be_said_is_within_the_limits_of_the_chat(kind: str, text: str, times: int) -> None:
    """Too much is cut; what is invisible is shown; what is markup is text."""
    message = payload(kind, card_of(f"{text}\n\n" * times, text))

    CHECKS[kind](json.loads(message.content))
    assert len(message.content) <= TEAMS_BYTES


def test_a_name_calls_nobody_and_links_nowhere() -> None:
    """In Slack by entities in plain text, in Teams by text runs, where nothing is markup."""
    told = Told("e", "package.published.v1", NOON, "Berlin", PUBLISHED.model_copy(update={"name": HOSTILE}).model_dump(mode="json"))

    slack, teams = (json.loads(SHAPING.worded(kind, told, BUILT_IN)[0].content) for kind in CHAT_KINDS)
    assert slack["blocks"][0]["text"]["text"].startswith("&lt;!everyone&gt; &lt;@U1&gt; &lt;https://evil.example|click&gt; *b* &amp; [x]")
    (run,) = teams["attachments"][0]["content"]["body"][1]["inlines"]
    assert run["text"].startswith(r"The package " + HOSTILE.replace("\u202e", r"\u202e"))


def test_the_url_of_a_chat_is_a_secret(desk: Desk) -> None:
    """Nobody is shown more than its host, the database has it encrypted, and it is where the message goes."""
    made = subscribe(desk)
    desk.tell("e1")
    desk.deliver_all()

    with desk.database.read() as connection:
        row = str(connection.execute(SUBSCRIPTIONS.select()).one())
    assert "very-secret" not in f"{made} {desk.subscribing.listed()} {desk.newest()} {row}"
    assert made["channel"] == {"kind": "slack", "settings": {"host": "hooks.slack.example"}}
    assert desk.web.posted[0][0] == SLACK_URL


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"host": "hooks.slack.example"},
        {"url": "http://hooks.slack.example/x"},
        {"url": "https://u:p@x"},
        {"url": SLACK_URL, "x": 1},
    ],
)
def test_a_chat_needs_a_url_that_others_cannot_read_on_the_way(desk: Desk, settings: dict[str, Any]) -> None:
    """And nothing that it does not know."""
    with pytest.raises(InvalidInput):
        desk.subscribing.subscribe(None, ["*"], "ada", {"kind": "slack", "settings": settings})


def test_a_change_that_leaves_the_url_out_keeps_it(desk: Desk) -> None:
    """And one that claims another host for it is refused."""
    subscription_id = subscribe(desk)["subscription_id"]

    desk.subscribing.change(subscription_id, {"channel": {"settings": {}}}, None, None)
    assert desk.subscriptions.secrets_of(subscription_id) == {"url": SLACK_URL}
    with pytest.raises(InvalidInput):
        desk.subscribing.change(subscription_id, {"channel": {"settings": {"host": "other.example"}}}, None, None)


def test_a_chat_that_wants_fewer_messages_is_left_alone_for_so_long(desk: Desk) -> None:
    """429 with Retry-After: nothing goes there before."""
    subscribe(desk, "teams")
    desk.web.answers = [WebAnswer(429, retry_after="120")]
    desk.tell("e1")
    desk.deliver_all()
    desk.tell("e2")
    desk.clock.pass_seconds(119)
    assert desk.deliver_all() == 0

    desk.clock.pass_seconds(30)
    assert desk.deliver_all() == 2
    assert [one.state for one in desk.newest()] == [DeliveryState.DELIVERED] * 2


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_a_process_that_dies_after_a_chat_took_a_message_sends_the_same_one_again(desk: Desk, kind: str) -> None:
    """Nothing was written down: once more after the lease, the same bytes, and then no more."""
    subscribe(desk, kind)
    desk.web.answers = [None]
    desk.tell("e1")
    with pytest.raises(KeyboardInterrupt):
        desk.deliver_all()
    assert desk.deliver_all() == 0

    desk.clock.pass_seconds(61)
    assert desk.deliver_all() == 1
    assert desk.web.posted[0] == desk.web.posted[1]
    assert [one.state for one in desk.newest()] == [DeliveryState.DELIVERED]
