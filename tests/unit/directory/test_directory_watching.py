"""Claims about what is an alarm for directory."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from services.directory.domain.people import PersonState
from services.directory.handlers.watching import WatchingHandlers
from shared.core.alarms import Patience
from shared.testing.fakes.alarms import FakeAlarmBook
from tests.unit.directory.desk import Desk, later

DAY_SECONDS = 86400


class Watch:
    """Tokens of a directory, with days passing."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.desk.with_administrator()
        self.desk.person("ci", "uploader", service=True)
        self.book = FakeAlarmBook("directory", Patience(dt.timedelta(minutes=2), dt.timedelta(days=1)))
        warning = self.desk.settings.expiry_warning
        self.handlers = WatchingHandlers(self.desk.register, lambda _: (), self.book, self.desk.clock, warning)

    def token(self, days: float, *, used: bool = True) -> dict[str, Any]:
        """A token of the service, which uses it."""
        made = self.desk.token("root", person="ci", seconds=int(days * DAY_SECONDS))
        if used:
            self.use(made)
        return made

    def use(self, token: dict[str, Any]) -> None:
        """Somebody comes in with it."""
        self.desk.authorize(token["token"], "upload")

    def passes(self, days: float) -> None:
        """Time; the service looks three times at its end, a minute apart."""
        later(self.desk.clock, days=days, minutes=-2)
        for _ in range(3):
            self.handlers.sweep()
            later(self.desk.clock, minutes=1)
        later(self.desk.clock, minutes=-1)

    @property
    def said(self) -> list[str]:
        """What was told."""
        return [event.type.split(".")[1] for event in self.book.dispatched]


@pytest.fixture
def watch() -> Watch:
    """A directory with nothing the matter."""
    return Watch()


def test_a_token_in_use_is_an_alarm_a_fortnight_before_its_end(watch: Watch) -> None:
    """A warning that names it and its service, critical in the last two days, and over when it has ended."""
    token = watch.token(90)
    watch.passes(75.9)
    early = watch.handlers.list_alarms()["items"]
    watch.passes(0.2)
    (alarm,) = watch.handlers.list_alarms()["items"]
    watch.passes(12)
    (urgent,) = watch.handlers.list_alarms()["items"]
    watch.passes(2)

    assert early == []
    assert (alarm["kind"], alarm["about"], alarm["severity"]) == ("token.expiring", token["token_id"], "warning")
    assert alarm["detail"] == f"the API token a tool of ci ends at {token['expires']}, and is in use"
    assert urgent["severity"] == "critical"
    assert token["token"] not in str(watch.book.dispatched)
    assert (watch.said[0], watch.said[-1]) == ("raised", "cleared")


def test_tokens_whose_end_harms_nobody_are_no_alarm(watch: Watch) -> None:
    """One that nobody ever used; one that was made for a short time; one that never ends."""
    watch.token(90, used=False)
    watch.use(watch.desk.token("root", person="ci", never=True))
    watch.passes(80)
    watch.token(1)
    watch.token(13)
    watch.passes(0.9)

    assert watch.said == []


def test_a_token_of_a_month_is_no_alarm_from_its_first_days_on(watch: Watch) -> None:
    """It is one for the last quarter of its life."""
    watch.token(20)
    watch.passes(14)
    early = list(watch.said)
    watch.passes(2)

    assert (early, watch.said) == ([], ["raised"])


@pytest.mark.parametrize("how", ["revoked", "disabled", "gone"])
def test_the_alarm_is_over_when_the_token_opens_nothing_any_more(watch: Watch, how: str) -> None:
    """Because it was replaced and revoked, or its holder was disabled, or is gone from a directory outside: then it rests."""
    token = watch.token(90)
    watch.passes(80)
    if how == "revoked":
        watch.desk.do.tokens.revoke_token(token["token_id"], None)
    elif how == "disabled":
        watch.desk.do.people.set_state("ci", "disabled", "root")
    else:
        gone = watch.desk.do.people.show("ci")["person_id"]
        watch.desk.register.change_person(gone, watch.desk.clock(), lambda person, _: replace(person, state=PersonState.GONE))
    watch.passes(0.1)

    assert watch.said == ["raised", "cleared"]
