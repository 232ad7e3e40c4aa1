"""What a chat shows: a headline, paragraphs, and a small line below; as Slack's blocks, and as an Adaptive Card for Teams.

All of it is shown as it is, as text: in Slack by `plain_text` objects (https://docs.slack.dev/reference/block-kit/composition-objects/text-object),
whose `&`, `<` and `>` are written as entities; in Teams by text runs, in which Adaptive Cards know no Markdown. So no name of a package can
call a whole channel, nor pretend to be a link.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.notify.domain.channels.base import Message
from services.notify.domain.channels.chat import SlackChannel, TeamsChannel
from services.notify.domain.facts import visible

SLACK_HEADLINE, SLACK_TEXT, SLACK_BLOCKS = 150, 3000, 50
TEAMS_BYTES = 28_000
MOST_PARAGRAPHS = 40
_MOST_HEADLINE, _MOST_PARAGRAPH = 150, 2000
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


@dataclass(frozen=True, slots=True)
class Card:
    """A message for a room. Nothing in it is markup."""

    headline: str
    paragraphs: Sequence[str]
    small: str


def card_of(text: str, small: str) -> Card:
    """A card from what a template wrote: the first line is the headline, empty lines part paragraphs."""
    headline, _, rest = text.strip().partition("\n")
    paragraphs = ["\n".join(visible(line, _MOST_PARAGRAPH) for line in part.strip().splitlines()) for part in rest.split("\n\n")]
    some = [_cut(one, _MOST_PARAGRAPH) for one in paragraphs if one][:MOST_PARAGRAPHS]
    return Card(visible(headline.strip(), _MOST_HEADLINE) or "…", some, visible(small, _MOST_PARAGRAPH) or "…")


def slack(card: Card) -> dict[str, Any]:
    """Blocks for an incoming webhook; `text` is what phones show of it."""
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(card.headline, SLACK_HEADLINE)}]
    blocks += [{"type": "section", "text": _plain(one, SLACK_TEXT)} for one in card.paragraphs]
    blocks.append({"type": "context", "elements": [_plain(card.small, SLACK_TEXT)]})
    return {"text": _entities(card.headline, SLACK_TEXT), "blocks": blocks[:SLACK_BLOCKS]}


def teams(card: Card) -> dict[str, Any]:
    """A message with one Adaptive Card, for a flow that waits for a webhook."""
    body = [
        _rich(card.headline, size="Large", weight="Bolder"),
        *map(_rich, card.paragraphs),
        _rich(card.small, size="Small", isSubtle=True),
    ]
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": card.headline,
        "body": body,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}


_SHAPES: Mapping[str, Callable[[Card], dict[str, Any]]] = {SlackChannel.kind: slack, TeamsChannel.kind: teams}


def payload(kind: str, card: Card) -> Message:
    """The body for a kind of chat, in the size that it takes: paragraphs that are too much are left out, from the end."""
    body = _encoded(_SHAPES[kind](card))
    while len(body) > TEAMS_BYTES and card.paragraphs:
        card = replace(card, paragraphs=card.paragraphs[:-1])
        body = _encoded(_SHAPES[kind](replace(card, paragraphs=[*card.paragraphs, "…"])))
    return Message(body, "application/json")


def _encoded(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _plain(text: str, most: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": _entities(text, most), "emoji": False}


def _entities(text: str, most: int) -> str:
    """At most so many characters as they are sent, never half an entity."""
    written = "".join(_ENTITIES.get(sign, sign) for sign in text)
    if len(written) <= most:
        return written
    kept, length = [], 1
    for sign in text:
        length += len(_ENTITIES.get(sign, sign))
        if length > most:
            break
        kept.append(_ENTITIES.get(sign, sign))
    return "".join(kept) + "…"


def _rich(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
