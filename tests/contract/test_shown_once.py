"""Claims about secrets in answers: each is declared where the answer is, so that nothing keeps it."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import get_args

import pytest
from pydantic import BaseModel

from shared.contracts import admin
from shared.contracts.admin.base import Answer, shown_once
from shared.contracts.admin.mesh import Invitation
from shared.contracts.admin.people import NewToken, OidcStart
from shared.contracts.admin.subscriptions import NewSecret, NewSubscription

SOUNDS_SECRET = re.compile(r"token|secret|password|invitation|csrf|key|credential|private|cookie")
NO_SECRETS = {
    "Me.token_id": "a name, not the token",
    "NewToken.token_id": "the same",
    "Token.token_id": "the same",
    "LoginWays.password": "whether one can log in by it",
    "Me.csrf_token": "told at every look at one's session, by a door that keeps nothing",
    "Person.has_password": "whether there is one",
    "AuditReport.other_keys": "how many there are",
    "Setting.secret": "whether it is one",
    "Subscription.secret_readable": "whether it is",
    "NewSubscription.secret_readable": "the same",
}


def _answers() -> list[type[Answer]]:
    for module in pkgutil.iter_modules(admin.__path__):
        importlib.import_module(f"{admin.__name__}.{module.name}")
    found, left = [], [Answer]
    while left:
        children = left.pop().__subclasses__()
        found += children
        left += children
    return found


def test_every_field_that_sounds_secret_is_declared_or_listed() -> None:
    """By its name; the list says why it is none."""
    suspicious = {
        f"{model.__name__}.{name}"
        for model in _answers()
        for name in set(model.model_fields) - shown_once(model)
        if SOUNDS_SECRET.search(name)
    }

    assert suspicious == set(NO_SECRETS)


def test_these_answers_hold_a_secret() -> None:
    """No other one does."""
    assert {model: set(shown_once(model)) for model in _answers() if shown_once(model)} == {
        NewSecret: {"secret"},
        NewToken: {"token"},
        OidcStart: {"secret"},
        NewSubscription: {"secret"},
        Invitation: {"invitation"},
    }


@pytest.mark.parametrize("secret", [NewToken, NewSubscription, Invitation])
def test_a_secret_stands_at_the_top_of_its_answer(secret: type[Answer]) -> None:
    """Where whoever keeps the answer looks for it: no other answer has one within."""
    assert [model for model in _answers() if secret in set(_within(model))] == []


def _within(model: type[BaseModel]) -> Iterator[object]:
    for field in model.model_fields.values():
        left = [field.annotation]
        while left:
            one = left.pop()
            yield one
            left += get_args(one)
