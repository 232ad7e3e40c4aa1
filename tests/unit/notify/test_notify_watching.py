"""Claims about what is an alarm for notify."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.notify.config import NotifySettings
from services.notify.domain.letters import Letter
from services.notify.handlers.watching import WatchingHandlers
from services.notify.wiring import build
from shared.contracts.events import AlarmRaisedV1
from shared.core.alarms import Patience
from shared.core.errors import ServiceUnavailable
from shared.runtime.vault import Vault
from shared.testing.fakes.alarms import FakeAlarmBook
from shared.testing.fakes.clock import NOON, FakeClock

QUEUE = "odst.dead-letters.c1"
FIRST = Letter("odst.storage.package.hashed.v1.q1", "PACKAGE_GONE", NOON - dt.timedelta(hours=1))


@dataclass
class FakeLetterBox:
    """Dead letters in memory, of which the oldest can be with somebody else."""

    name: str = QUEUE
    letters: list[Letter] = field(default_factory=list)
    looked: int = 0
    is_looked_at_elsewhere: bool = False

    def number(self) -> int:
        """How many wait."""
        return len(self.letters)

    def oldest(self) -> Letter | None:
        """The first of them."""
        self.looked += 1
        return None if self.is_looked_at_elsewhere else self.letters[0]


class Watch:
    """The handlers, with time passing."""

    def __init__(self) -> None:
        self.clock, self.letters = FakeClock(), FakeLetterBox()
        self.book = FakeAlarmBook("notify", Patience(dt.timedelta(minutes=1), dt.timedelta(days=1)))
        self.handlers = WatchingHandlers(self.letters, lambda _: (), lambda: 0, self.book, self.clock)

    def passes(self, minutes: int) -> None:
        """Time, with a sweep every minute."""
        for _ in range(minutes):
            self.clock.pass_seconds(60)
            self.handlers.sweep()


@pytest.fixture
def watch() -> Watch:
    """Nothing is the matter."""
    return Watch()


def test_dead_letters_are_one_alarm_until_none_is_left(watch: Watch) -> None:
    """It says how many there are, and of the oldest where it was for and since when; more of them are no other alarm."""
    watch.letters.letters = [FIRST]
    watch.passes(5)
    watch.letters.letters = [FIRST, FIRST, FIRST]
    watch.passes(5)
    (alarm,) = watch.handlers.list_alarms()["items"]
    watch.letters.letters = []
    watch.passes(5)

    assert (alarm["kind"], alarm["about"], alarm["since"], alarm["severity"]) == (
        "dead_letter.waiting",
        QUEUE,
        "2026-11-03T11:00:00Z",
        "warning",
    )
    assert alarm["detail"] == (
        f"3 messages could not be handled, in {QUEUE}; the oldest, PACKAGE_GONE, was for "
        "odst.storage.package.hashed.v1.q1, and waits since 2026-11-03T11:00:00Z"
    )
    assert [event.type for event in watch.book.dispatched] == ["alarm.raised.v1", "alarm.cleared.v1"]


def test_a_letter_is_taken_into_the_hand_only_when_their_number_has_changed(watch: Watch) -> None:
    """Meanwhile nobody else would see it; while it is in another hand it is not known, and looked for again."""
    watch.letters.letters = [FIRST]
    watch.letters.is_looked_at_elsewhere = True
    watch.passes(2)
    unknown = watch.handlers.list_alarms()["items"][0]["detail"]
    watch.letters.is_looked_at_elsewhere = False
    watch.passes(10)

    assert unknown == f"1 message could not be handled, in {QUEUE}"
    assert watch.letters.looked == 3
    assert "PACKAGE_GONE" in watch.handlers.list_alarms()["items"][0]["detail"]


def test_when_the_oldest_letter_is_gone_the_next_one_is_told_of(watch: Watch) -> None:
    """Within the same alarm: letters still wait."""
    watch.letters.letters = [FIRST, Letter("odst.notify.peer.banned.v1.q1", "MESSAGE_MALFORMED", NOON)]
    watch.passes(3)
    del watch.letters.letters[0]
    watch.passes(1)

    assert "MESSAGE_MALFORMED, was for odst.notify.peer.banned.v1.q1" in watch.handlers.list_alarms()["items"][0]["detail"]
    assert len(watch.book.dispatched) == 1


def test_secrets_of_subscribers_that_cannot_be_read_are_an_alarm(tmp_path: Path) -> None:
    """Raised by the real service after its key file was replaced, and over when the key is back; it tells nothing of the secret."""
    settings = NotifySettings(amqp_uri="amqp://nobody@127.0.0.1:1/", data=tmp_path, alarm_settle_seconds=0)
    first = build(settings)
    secret = first.subscribing.subscribe("https://93.184.215.14/hook", ["*"], "ada")["secret"]
    first.close()
    keys, kept = settings.vault_keys, settings.vault_keys.read_bytes()
    keys.unlink()
    Vault.load_or_create(keys)
    found = _looked(settings)
    keys.write_bytes(kept)
    mended = _looked(settings)

    assert [(one["kind"], one["about"], one["severity"]) for one in found] == [("secret.unreadable", "subscriptions", "critical")]
    assert found[0]["detail"].startswith("1 secret of subscriptions cannot be read")
    assert secret not in str(found)
    assert mended == []


def _looked(settings: NotifySettings) -> list[dict[str, str]]:
    """What is the matter for a service that was started with these; the broker is away, so it does not know of letters."""
    service = build(settings)
    with pytest.raises(ServiceUnavailable):
        service.watching.sweep()
    found: list[dict[str, str]] = service.watching.list_alarms()["items"]
    service.close()
    return found


def test_what_is_told_is_a_sentence(watch: Watch) -> None:
    """Also of letters whose headers somebody else wrote."""
    watch.letters.letters = [Letter("", "DELIVERY_LIMIT", None)]
    watch.passes(2)
    (raised,) = watch.book.dispatched

    assert isinstance(raised, AlarmRaisedV1)
    assert raised.detail == f"1 message could not be handled, in {QUEUE}; the oldest, DELIVERY_LIMIT, was for no queue that is known"
