"""Claims about subscriptions and deliveries in a database, of each kind."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select, text

from services.notify.adapters import schema
from services.notify.adapters.deliveries import DatabaseDeliveries
from services.notify.adapters.subscriptions import DatabaseSubscriptions
from services.notify.domain.channels import Message, Told
from services.notify.domain.channels.unshaped import unshaped
from services.notify.domain.deliveries import Answer, Claim, Delivery, DeliveryState
from services.notify.domain.filters import Filters
from services.notify.domain.judging import judge
from services.notify.domain.subscriptions import SubscriptionState
from services.notify.ports import Deliveries, DeliverySearch, Subscriptions
from shared.core.errors import NotFound
from shared.runtime.database import Database
from shared.runtime.secret_columns import SecretColumn
from shared.runtime.vault import Vault
from shared.testing.fakes.clock import NOON
from tests.contract.port_databases import KINDS, dispatched, migrated, outbox_of
from tests.unit.notify.notify_fakes import SECRETS, a_delivery, a_subscription, an_id

LEASE = dt.timedelta(minutes=1)


@dataclass
class Keepers:
    """Both ports on one database."""

    subscriptions: Subscriptions
    deliveries: Deliveries
    events: int = 0

    def make(self, *wanted: Delivery) -> int:
        """Keep deliveries of an event that is new."""
        self.events += 1
        told = Told(f"told-{self.events}", "package.published.v1", NOON, "Berlin", {})
        return self.deliveries.make(told, lambda _: wanted)

    def claims(self, at: dt.datetime = NOON, most: int = 100) -> Sequence[Claim]:
        """What can be claimed."""
        return self.deliveries.claim(at, at + LEASE, most)

    def claim(self, at: dt.datetime = NOON) -> Claim:
        """Claim what must be there."""
        (claim,) = self.claims(at, 1)
        return claim

    def settle(self, claim: Claim, answer: Answer | None = None, at: dt.datetime = NOON) -> bool:
        """End a claim, with success if nothing else is said."""
        return self.deliveries.settle(claim, judge(claim, answer or Answer(200), at, 0))

    def newest(self) -> Sequence[Delivery]:
        """All deliveries."""
        return self.deliveries.listed(DeliverySearch(), None, 100)[0]

    def state_of(self, delivery_id: str) -> Delivery:
        """A delivery as it is kept."""
        return next(one for one in self.newest() if one.delivery_id == delivery_id)


def keepers_on(database: Database, folder: Path) -> Keepers:
    """The real ones, with keys in a folder."""
    secrets = SecretColumn(Vault.load_or_create(folder / "vault.keys"), "notify", schema.SUBSCRIPTIONS.c.encrypted_secret)
    events = outbox_of("notify", database)
    return Keepers(DatabaseSubscriptions(database, secrets, events), DatabaseDeliveries(database, secrets, events))


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Database]:
    """A migrated database of its own, of each kind."""
    with migrated("notify", new_database(request.param)) as opened:
        yield opened


@pytest.fixture
def keepers(database: Database, tmp_path: Path) -> Keepers:
    """With one subscription."""
    made = keepers_on(database, tmp_path)
    made.subscriptions.add(a_subscription("s1"), SECRETS)
    return made


def test_keepers_keep_subscriptions_as_they_are(keepers: Keepers) -> None:
    """Newest first, equal to what was added."""
    later = a_subscription(
        "s2",
        events=("package.*", "peer.revoked.v1"),
        created=NOON + dt.timedelta(seconds=1),
        owner_id=an_id(1),
        filters=Filters(frozenset({"test"}), ("a b*.pkg",), ("A",)),
        within=frozenset(),
        description="ä",
    )
    keepers.subscriptions.add(later, SECRETS)

    assert list(keepers.subscriptions.all()) == [later, a_subscription("s1")]
    assert keepers.subscriptions.find("s2") == later
    assert keepers.subscriptions.secrets_of("s2") == SECRETS


def test_keepers_show_active_subscriptions_to_who_chooses(keepers: Keepers) -> None:
    """And keep what was chosen."""
    keepers.subscriptions.add(a_subscription("s2", state=SubscriptionState.PAUSED), SECRETS)
    seen = []

    def choose(subscriptions: Sequence[object]) -> list[Delivery]:
        seen.extend(subscriptions)
        return [a_delivery()]

    keepers.deliveries.make(Told("e1", "x.y.v1", NOON, "Berlin", {}), choose)

    assert seen == [a_subscription("s1")]
    assert list(keepers.newest()) == [a_delivery()]


def test_keepers_make_one_delivery_for_a_subscription_and_event(keepers: Keepers) -> None:
    """The second is not new, whatever has become of the first; of an event that is kept, nothing is asked."""
    keepers.subscriptions.add(a_subscription("s2"), SECRETS)
    event = Told("e", "x.y.v1", NOON, "Berlin", {})

    assert keepers.make(a_delivery("d1"), a_delivery("d2", "s2")) == 2
    assert keepers.make(a_delivery("d3"), a_delivery("d4", event_id="e2")) == 1
    assert {one.delivery_id for one in keepers.newest()} == {"d1", "d2", "d4"}
    assert keepers.deliveries.make(event, lambda _: [a_delivery("d5", event_id="e")]) == 1
    assert keepers.deliveries.make(event, lambda _: pytest.fail("asked again")) == 0


def test_keepers_make_nothing_if_the_choice_fails(keepers: Keepers) -> None:
    """One transaction: the event is not kept either."""
    event = Told("e", "x.y.v1", NOON, "Berlin", {})

    def fail(_subscriptions: object) -> list[Delivery]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        keepers.deliveries.make(event, fail)

    assert keepers.deliveries.counts()["deliveries_waiting"] == 0
    assert keepers.deliveries.make(event, lambda _: [a_delivery()]) == 1


def test_keepers_give_a_claim_with_all_that_a_try_needs(keepers: Keepers) -> None:
    """Message, channel and secrets; the try is counted and shown."""
    message = Message(b"\x00\xff", "text/plain")
    keepers.make(a_delivery(message=message))

    claim = keepers.claim()

    assert (claim.delivery, claim.subscription) == (a_delivery(message=message, attempts=1), a_subscription("s1"))
    assert claim.secrets == SECRETS
    assert SECRETS["secret"] not in repr(claim)
    assert keepers.state_of("d1").attempts == 1


def test_keepers_give_only_what_is_due(keepers: Keepers) -> None:
    """Not a second early."""
    keepers.make(a_delivery(next_attempt=NOON + dt.timedelta(seconds=1)))

    assert keepers.claims() == []
    assert keepers.claim(NOON + dt.timedelta(seconds=1)).delivery.delivery_id == "d1"


def test_keepers_give_one_delivery_of_each_subscription_in_order(keepers: Keepers) -> None:
    """Others are served meanwhile; the next one follows when the first has ended."""
    keepers.subscriptions.add(a_subscription("s2"), SECRETS)
    keepers.make(a_delivery("d1"), a_delivery("d2", event_id="e2", created=NOON + LEASE), a_delivery("d3", "s2", event_id="e3"))

    claims = {claim.subscription.subscription_id: claim for claim in keepers.claims()}

    assert {name: claim.delivery.delivery_id for name, claim in claims.items()} == {"s1": "d1", "s2": "d3"}
    assert keepers.claims() == []
    assert keepers.settle(claims["s1"])
    assert [claim.delivery.delivery_id for claim in keepers.claims()] == ["d2"]


def test_keepers_give_up_to_as_many_as_are_asked_for_those_that_failed_less_first(keepers: Keepers) -> None:
    """A backlog for a dead receiver does not stand before a fresh message to another."""
    keepers.make(a_delivery("d1"))
    keepers.settle(keepers.claim(), Answer(500, error="no"))
    keepers.subscriptions.add(a_subscription("s2"), SECRETS)
    keepers.make(a_delivery("d2", "s2", created=NOON + LEASE, next_attempt=NOON + LEASE))

    first, second = keepers.claims(NOON + LEASE, 1), keepers.claims(NOON + LEASE, 1)

    assert [claim.delivery.delivery_id for claim in (*first, *second)] == ["d2", "d1"]


def test_keepers_let_another_claim_when_the_lease_is_over(keepers: Keepers) -> None:
    """The fence is higher, and the first claim cannot be settled any more."""
    keepers.make(a_delivery())
    dead = keepers.claim()

    assert keepers.claims(NOON + LEASE - dt.timedelta(seconds=1)) == []
    living = keepers.claim(NOON + LEASE)

    assert (living.fence > dead.fence, living.delivery.attempts) == (True, 2)
    assert not keepers.settle(dead, Answer(410, error="gone", is_gone=True))
    assert keepers.subscriptions.all()[0].state is SubscriptionState.ACTIVE
    assert keepers.settle(living)
    assert not keepers.settle(living)


def test_keepers_write_what_became_of_a_try(keepers: Keepers) -> None:
    """All of it, and it can be claimed again when it is due again, with how its receiver has answered."""
    keepers.make(a_delivery())
    claim = keepers.claim()
    outcome = judge(claim, Answer(500, error="it answered 500", text="no"), NOON, 0)
    again = NOON + dt.timedelta(seconds=5)

    keepers.deliveries.settle(claim, outcome)

    found = keepers.deliveries.find("d1")
    assert found is not None
    kept, tries = found
    assert (kept.state, kept.next_attempt, kept.last_status, kept.last_error) == (DeliveryState.WAITING, again, 500, "it answered 500")
    assert list(tries) == [outcome.attempt]
    assert keepers.claims(again - dt.timedelta(microseconds=1)) == []
    second = keepers.claim(again)
    assert (second.delivery.attempts, second.health) == (2, outcome.health)


def test_keepers_let_a_receiver_that_failed_rest_from_everything(keepers: Keepers) -> None:
    """A fresh message waits until its rest is over; after a success nothing waits."""
    keepers.make(a_delivery("d1"))
    keepers.settle(keepers.claim(), Answer(429, 60, "slowly"))
    keepers.make(a_delivery("d2", event_id="e2", created=NOON + dt.timedelta(seconds=9), next_attempt=NOON + dt.timedelta(seconds=9)))

    assert keepers.claims(NOON + dt.timedelta(seconds=59)) == []
    claim = keepers.claim(NOON + dt.timedelta(seconds=60))
    keepers.settle(claim, at=NOON + dt.timedelta(seconds=60))

    assert claim.delivery.delivery_id == "d2"
    assert keepers.claim(NOON + dt.timedelta(seconds=66)).delivery.delivery_id == "d1"


def test_keepers_disable_a_subscription_with_all_that_waits_and_say_so(keepers: Keepers, database: Database) -> None:
    """Its waiting deliveries fail; those of others, and those delivered, stay."""
    keepers.subscriptions.add(a_subscription("s2", created=NOON - dt.timedelta(days=1)), SECRETS)
    keepers.make(a_delivery("d1"), a_delivery("d2", event_id="e2", attempts=1), a_delivery("d3", "s2", next_attempt=NOON + LEASE))

    keepers.settle(keepers.claim(), Answer(410, error="gone", is_gone=True))

    assert [one.state for one in keepers.subscriptions.all()] == [SubscriptionState.DISABLED, SubscriptionState.ACTIVE]
    assert [keepers.state_of(one).state.value for one in ("d1", "d2", "d3")] == ["failed", "failed", "waiting"]
    assert keepers.deliveries.counts() == {"subscriptions": 2, "deliveries_waiting": 1, "deliveries_failed": 2}
    assert [event.type for event in dispatched("notify", database)] == ["subscription.disabled.v1"]


def test_keepers_forget_a_subscription_with_its_deliveries(keepers: Keepers) -> None:
    """Once; a claim that is under way can then not be settled."""
    keepers.make(a_delivery())
    claim = keepers.claim()

    keepers.subscriptions.remove("s1", lambda _kept: None)
    with pytest.raises(NotFound):
        keepers.subscriptions.remove("s1", lambda _kept: None)
    assert not keepers.settle(claim)
    assert keepers.deliveries.counts() == {"subscriptions": 0, "deliveries_waiting": 0, "deliveries_failed": 0}


def test_keepers_prune_what_ended_long_ago(keepers: Keepers) -> None:
    """What waits stays; of events, the newest, and no more than there may be."""
    keepers.make(a_delivery("d1"), a_delivery("d2", event_id="e2"), a_delivery("d3", event_id="e3", created=NOON + LEASE))
    keepers.settle(keepers.claim())
    for number in range(3):
        keepers.deliveries.make(Told(f"e{number}", "x.y.v1", NOON + LEASE * number, "Berlin", {}), lambda _: [])

    assert keepers.deliveries.prune(NOON, 9) == 0
    assert keepers.deliveries.prune(NOON + LEASE, 1) == 1
    assert len(keepers.newest()) == 2
    assert [one.event_id for one in keepers.deliveries.events_between(NOON, NOON + LEASE * 9, 9)] == ["e2"]


def test_deliveries_whose_secret_cannot_be_read_wait_and_are_not_tried(database: Database, tmp_path: Path) -> None:
    """Those of others are told meanwhile; when the key is back they are told too, with no try used up."""
    keepers = keepers_on(database, tmp_path)
    keepers.subscriptions.add(a_subscription("s1"), SECRETS)
    kept = (tmp_path / "vault.keys").read_bytes()
    (tmp_path / "vault.keys").unlink()
    keyless = keepers_on(database, tmp_path)
    keyless.subscriptions.add(a_subscription("s2"), SECRETS)
    keyless.make(a_delivery("d1"), a_delivery("d2", event_id="e2"), a_delivery("d3", "s2"))

    assert [one.delivery.delivery_id for one in keyless.claims()] == ["d3"]
    assert keyless.claims() == []
    waiting = keyless.state_of("d1")
    assert (waiting.state, waiting.attempts) == (DeliveryState.WAITING, 0)
    assert "vault.keys" in str(waiting.last_error)
    (tmp_path / "vault.keys").write_bytes(kept)
    (back,) = keyless.claims(NOON + LEASE)

    assert (back.delivery.delivery_id, back.delivery.attempts, back.secrets) == ("d1", 1, SECRETS)


def test_notify_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    """Every column of the schema can be read."""
    with database.read() as connection:
        for table in schema.METADATA.sorted_tables:
            assert connection.execute(select(table)).all() == []


def test_keepers_forget_in_portions_until_nothing_is_old(keepers: Keepers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliveries that ended and events, each portion in a transaction of its own; what waits stays."""
    monkeypatch.setattr("services.notify.adapters.deliveries.PORTION", 2)
    keepers.make(*(a_delivery(f"d{number}", event_id=f"e{number}", state=DeliveryState.FAILED) for number in range(5)))
    keepers.make(a_delivery("d5", event_id="e5"))
    later = NOON + dt.timedelta(days=40)

    assert keepers.deliveries.prune(later, 100) == 5
    assert [one.delivery_id for one in keepers.newest()] == ["d5"]
    assert keepers.deliveries.events_between(NOON, later, 10) == []
    assert keepers.deliveries.give_up(later) == 1
    assert keepers.deliveries.prune(later, 100) == 1


def test_what_is_looked_for_among_many_is_found_by_an_index(tmp_path: Path) -> None:
    """Of a million deliveries, none of these reads more than it answers; on PostgreSQL that depends on how many there are."""
    questions = {
        "SELECT delivery_id FROM deliveries WHERE state = 'failed' ORDER BY created DESC, delivery_id LIMIT 100": "deliveries_by_state",
        "SELECT count(*) FROM deliveries WHERE state IN ('waiting', 'failed')": "deliveries_by_state",
        "SELECT body FROM deliveries WHERE subscription_id = 's' ORDER BY created DESC, delivery_id LIMIT 100": "deliveries_by_receiver",
        "SELECT body FROM deliveries WHERE created <= 'x' AND (created < 'x' OR (created = 'x' AND delivery_id > 'd')) "
        "ORDER BY created DESC, delivery_id LIMIT 100": "deliveries_by_created (created<?)",
        "SELECT digest_id FROM digests WHERE created < 'x' LIMIT 9": "digests_by_created",
    }
    with migrated("notify", tmp_path) as database, database.read() as connection:
        for question, index in questions.items():
            plan = " ".join(row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {question}")))
            assert index in plan, plan


def test_keepers_gather_digests_that_were_never_taken_when_one_arrives(keepers: Keepers) -> None:
    """One of which a try was lost stays what it is."""
    refused, lost = Answer(451, error="no", is_untaken=True), Answer(error="the connection broke")
    at = NOON
    for number, answer in enumerate((refused, lost, refused, Answer(250))):
        told = unshaped(Told(f"e{number}", "package.published.v1", at, "Berlin", {}))
        keepers.make(a_delivery(f"d{number}", event_id=f"e{number}", created=at, message=told))
        claim = next(one for one in keepers.claims(at) if one.delivery.digest_id is None)
        frozen = keepers.deliveries.freeze(claim, f"g{number}", lambda _: Message(b"mail", "message/rfc822"))
        assert frozen is not None
        keepers.settle(frozen, answer, at)
        at += dt.timedelta(seconds=301)

    digests = {one.delivery_id: (one.digest_id, one.attempts) for one in keepers.newest()}

    assert digests == {"d0": (None, 0), "d1": ("g1", 1), "d2": (None, 0), "d3": ("g3", 1)}
