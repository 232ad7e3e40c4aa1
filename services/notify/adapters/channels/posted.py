"""What came of posting a message, for every kind of channel that posts to a URL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from http import HTTPStatus

from services.notify.domain.deliveries import Answer, shown_answer
from services.notify.domain.schedule import retry_after_seconds
from services.notify.ports import WebAnswer


def judged(said: WebAnswer, time: dt.datetime, who: str, words: Mapping[int, str]) -> Answer:
    """2xx is success, 410 is gone, and anything else, a redirect too, is a failure.

    `who` answered; `words` are sentences of their own for some statuses.
    """
    wait = retry_after_seconds(said.retry_after, time)
    return Answer(said.status, wait, _error(said, who, words), shown_answer(said.content), is_gone=said.status == HTTPStatus.GONE)


def _error(said: WebAnswer, who: str, words: Mapping[int, str]) -> str | None:
    if said.status is None:
        return said.error or "there was no answer"
    if HTTPStatus.OK <= said.status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    return words.get(said.status, f"{who} answered {said.status}")
