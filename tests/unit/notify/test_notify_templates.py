"""Claims about templates of chats: they can word events, and nothing else, and never lose a message."""

from __future__ import annotations

import json

import pytest

from services.notify.adapters.templating import MOST_OUTPUT, MOST_SOURCE, checked_template, render
from services.notify.domain.channels.chat import CHAT_KINDS
from services.notify.domain.templates import BUILT_IN
from shared.core.errors import InvalidInput, NotFound
from tests.unit.notify.notify_fakes import PUBLISHED, Desk

VALUES = {"headline": "H", "data": {"name": "N", "tags": ["a", "b"], "size": 5_000_000}, "long": "x" * 300}


def posted(desk: Desk) -> str:
    """What the chat was last sent."""
    return json.dumps(json.loads(desk.web.posted[-1][1]), ensure_ascii=False)


@pytest.fixture
def chatting(desk: Desk) -> Desk:
    """Everything is told in Slack."""
    desk.subscribing.subscribe(None, ["*"], "ada", {"kind": "slack", "settings": {"url": "https://hooks.slack.example/x"}})
    return desk


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("{{ data.name }} has {{ data.size | size }}", "N has 5.0 MB"),
        ("{% for tag in data.tags %}<{{ tag }}>{% endfor %}", "<a><b>"),
        ("{% if data.what is defined %}?{% else %}{{ data.tags | join('+') | upper }}{% endif %}", "A+B"),
        ("{{ data.what }}{{ data.what | default('none') }}", "none"),
    ],
)
def test_a_template_words_what_it_is_given(source: str, written: str) -> None:
    """Values, lists, conditions, filters."""
    assert render(checked_template(source), VALUES) == written


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 1000000000 }}",
        "{{ 2 ** 2 ** 99 }}",
        "{% for a in long %}{% for b in long %}{% endfor %}{% endfor %}",
        "{% for a in long recursive %}{{ loop(long) }}{% endfor %}",
        "{{ range(1000000000) }}",
        "{{ ''.join(long) }}",
        "{% set a = long %}",
        "{% macro m() %}{% endmacro %}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ long | replace('x', long) }}",
        "{{ long | center(1000000000) }}",
        "{{ cycler.__init__.__globals__ }}{{ x() }}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{",
        "{% if data %}" * 120 + "x" + "{% endif %}" * 120,
        "{{ " + "9" * 5000 + " }}",
        " ",
        "x" * (MOST_SOURCE + 1),
    ],
)
def test_what_could_take_long_or_lead_outside_cannot_be_said(source: str) -> None:
    """It is refused when it is written, not when it is used."""
    with pytest.raises(InvalidInput) as caught:
        checked_template(source)

    assert caught.value.code == "TEMPLATE_INVALID"


@pytest.mark.parametrize(
    "source", ["{{ what.ever.it.is }}", "{% for a in long %}{{ long }}{% endfor %}", "{{ headline.__class__ }}", "{{ data.name | size }}"]
)
def test_a_template_that_fails_on_an_event_says_so(source: str) -> None:
    """Also if it writes too much, or nothing."""
    assert checked_template(source)
    assert len(VALUES["long"]) ** 2 > MOST_OUTPUT

    with pytest.raises(InvalidInput):
        render(source, VALUES)


def test_a_changed_template_is_used_from_the_next_message_on_until_it_is_reset(chatting: Desk) -> None:
    """And nothing in it is markup."""
    made = chatting.templates.put("slack", "New: {{ data.name }}\n<!here> *soon*", "ada")
    chatting.tell("e1")
    chatting.deliver_all()
    first = posted(chatting)
    chatting.templates.reset("slack")
    chatting.tell("e2")
    chatting.deliver_all()

    assert (made["built_in"], made["changed_by"]) == (False, "ada")
    assert "New: Firefox.pkg" in first
    assert "&lt;!here&gt; *soon*" in first
    assert "Firefox.pkg can be downloaded" in posted(chatting)
    assert chatting.templates.show("slack")["source"] == BUILT_IN


def test_a_template_that_fails_loses_no_message(chatting: Desk) -> None:
    """The built-in one takes its place, and the message says so."""
    chatting.templates.put("slack", "{{ data.what.ever.it.is }}", "ada")
    chatting.tell("e1", PUBLISHED)
    chatting.deliver_all()

    assert "Firefox.pkg can be downloaded" in posted(chatting)
    assert "the template is broken" in posted(chatting)


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_a_preview_shows_what_would_be_sent_and_sends_nothing(chatting: Desk, kind: str) -> None:
    """By a template that is not kept, with why it fails if it does."""
    good = chatting.templates.preview(kind, "package.published.v1", "It is {{ data.name }}")
    bad = chatting.templates.preview(kind, "package.published.v1", "{{ x.y.z }}")

    assert ("It is Firefox-128.0.pkg" in json.dumps(good["payload"]), good["fault"]) == (True, None)
    assert "is undefined" in bad["fault"]
    assert chatting.web.posted == []
    assert chatting.templates.show(kind)["built_in"]


def test_a_preview_is_of_an_event_that_subscribers_can_have(chatting: Desk) -> None:
    """And of a kind that has a template."""
    for pattern in ("package.*", "catalogue.changed.v1", "nonsense"):
        with pytest.raises(InvalidInput):
            chatting.templates.preview("slack", pattern)
    with pytest.raises(NotFound):
        chatting.templates.show("email")
