"""One suite for subscriptions and deliveries, in memory and in a database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import select

from services.notify.adapters import schema
from services.notify.adapters.deliveries import DatabaseDeliveries
from services.notify.adapters.subscriptions import DatabaseSubscriptions
from services.notify.domain.deliveries import Claim, Delivery, DeliveryState, Outcome
from services.notify.domain.subscriptions import SubscriptionState
from services.notify.ports import Deliveries, Subscriptions
from shared.runtime.database import Database
from shared.runtime.secret_columns import SecretColumn
from shared.runtime.vault import Vault
from shared.testing.fakes.clock import NOON
from tests.contract.port_databases import KINDS, migrated
from tests.unit.notify.notify_fakes import SECRET, FakeKeeper, a_delivery, a_subscription

LEASE = dt.timedelta(minutes=1)
DELIVERED = Outcome(DeliveryState.DELIVERED, NOON, last_status=200)


@dataclass
class Keepers:
    """Both ports of one implementation."""

    subscriptions: Subscriptions
    deliveries: Deliveries

    def make(self, *wanted: Delivery) -> int:
        """Keep deliveries."""
        return self.deliveries.make(lambda _: wanted)

    def claim(self, at: dt.datetime = NOON) -> Claim:
        """Claim what must be there."""
        claim = self.deliveries.claim(at, at + LEASE)
        assert claim is not None
        return claim

    def nothing_is_due(self, at: dt.datetime = NOON) -> bool:
        """True if there is nothing to claim."""
        return self.deliveries.claim(at, at + LEASE) is None

    def state_of(self, delivery_id: str) -> Delivery:
        """A delivery as it is kept."""
        return next(one for one in self.deliveries.newest(100) if one.delivery_id == delivery_id)


def keepers_on(database: Database, folder: Path) -> Keepers:
    """The real ones, with keys in a folder."""
    secrets = SecretColumn(Vault.load_or_create(folder / "vault.keys"), "notify", schema.SUBSCRIPTIONS.c.encrypted_secret)
    return Keepers(DatabaseSubscriptions(database, secrets), DatabaseDeliveries(database, secrets))


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Database]:
    """A migrated database of its own, of each kind."""
    with migrated("notify", new_database(request.param)) as opened:
        yield opened


@pytest.fixture(params=["fake", *KINDS])
def keepers(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Keepers]:
    """Each implementation in turn, with one subscription."""
    with ExitStack() as stack:
        if request.param == "fake":
            keeper = FakeKeeper()
            made = Keepers(keeper, keeper)
        else:
            database = stack.enter_context(migrated("notify", new_database(request.param)))
            keys = stack.enter_context(TemporaryDirectory())
            made = keepers_on(database, Path(keys))
        made.subscriptions.add(a_subscription("s1"), SECRET)
        yield made


def test_keepers_keep_subscriptions_as_they_are(keepers: Keepers) -> None:
    """Newest first, equal to what was added."""
    later = a_subscription("s2", events=("package.*", "peer.revoked.v1"), created=NOON + dt.timedelta(seconds=1))
    keepers.subscriptions.add(later, SECRET)

    assert list(keepers.subscriptions.all()) == [later, a_subscription("s1")]


def test_keepers_show_all_subscriptions_to_who_chooses(keepers: Keepers) -> None:
    """And keep what was chosen."""
    seen = []

    keepers.deliveries.make(lambda subscriptions: [seen.extend(subscriptions) or a_delivery()])  # type: ignore[func-returns-value]

    assert seen == [a_subscription("s1")]
    assert list(keepers.deliveries.newest(10)) == [a_delivery()]


def test_keepers_make_one_delivery_for_a_subscription_and_event(keepers: Keepers) -> None:
    """The second is not new, whatever has become of the first."""
    keepers.subscriptions.add(a_subscription("s2"), SECRET)

    assert keepers.make(a_delivery("d1"), a_delivery("d2", "s2")) == 2
    assert keepers.make(a_delivery("d3"), a_delivery("d4", event_id="e2")) == 1
    assert {one.delivery_id for one in keepers.deliveries.newest(10)} == {"d1", "d2", "d4"}


def test_keepers_make_nothing_if_the_choice_fails(keepers: Keepers) -> None:
    """One transaction."""

    def fail(_subscriptions: object) -> list[Delivery]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        keepers.deliveries.make(fail)

    assert keepers.deliveries.counts()["deliveries_waiting"] == 0


def test_keepers_give_a_claim_with_all_that_a_try_needs(keepers: Keepers) -> None:
    """Body, address and secret; the try is counted and shown."""
    keepers.make(a_delivery(body=b"\x00\xff"))

    claim = keepers.claim()

    assert (claim.delivery_id, claim.subscription_id, claim.event_id, claim.attempts) == ("d1", "s1", "e1", 1)
    assert (claim.body, claim.url, claim.secret) == (b"\x00\xff", "https://hooks.example/x", SECRET)
    assert SECRET not in repr(claim)
    assert keepers.state_of("d1").attempts == 1


def test_keepers_give_only_what_is_due(keepers: Keepers) -> None:
    """Not a second early."""
    keepers.make(a_delivery(next_attempt=NOON + dt.timedelta(seconds=1)))

    assert keepers.nothing_is_due()
    assert keepers.claim(NOON + dt.timedelta(seconds=1)).delivery_id == "d1"


def test_keepers_give_one_delivery_of_a_subscription_at_a_time(keepers: Keepers) -> None:
    """Others are served meanwhile; the next one follows when the first has ended."""
    keepers.subscriptions.add(a_subscription("s2"), SECRET)
    keepers.make(a_delivery("d1"), a_delivery("d2", event_id="e2"), a_delivery("d3", "s2", event_id="e3"))

    first, second = keepers.claim(), keepers.claim()
    assert {first.subscription_id, second.subscription_id} == {"s1", "s2"}
    assert keepers.nothing_is_due()
    assert keepers.deliveries.settle(first, DELIVERED)

    assert keepers.claim().subscription_id == first.subscription_id


def test_keepers_put_fewer_tries_first(keepers: Keepers) -> None:
    """A backlog for a dead receiver does not stand before a fresh message to another."""
    keepers.subscriptions.add(a_subscription("s2"), SECRET)
    keepers.make(a_delivery("d1", attempts=3), a_delivery("d2", "s2", next_attempt=NOON + dt.timedelta(seconds=5)))

    assert keepers.claim(NOON + dt.timedelta(seconds=9)).delivery_id == "d2"


def test_keepers_let_another_claim_when_the_lease_is_over(keepers: Keepers) -> None:
    """The fence is higher, and the first claim cannot be settled any more."""
    keepers.make(a_delivery())
    dead = keepers.claim()

    assert keepers.nothing_is_due(NOON + LEASE - dt.timedelta(seconds=1))
    living = keepers.claim(NOON + LEASE)

    assert (living.fence > dead.fence, living.attempts) == (True, 2)
    assert not keepers.deliveries.settle(dead, replace(DELIVERED, switches_off=True))
    assert keepers.subscriptions.all()[0].state is SubscriptionState.ACTIVE
    assert keepers.deliveries.settle(living, DELIVERED)
    assert not keepers.deliveries.settle(living, DELIVERED)


def test_keepers_write_what_became_of_a_try(keepers: Keepers) -> None:
    """All of it, and it can be claimed again when it is due again."""
    keepers.make(a_delivery())
    again = NOON + dt.timedelta(seconds=5, microseconds=250)

    keepers.deliveries.settle(keepers.claim(), Outcome(DeliveryState.WAITING, NOON, again, 500, "it answered 500"))

    kept = keepers.state_of("d1")
    assert (kept.state, kept.next_attempt, kept.last_status, kept.last_error) == (DeliveryState.WAITING, again, 500, "it answered 500")
    assert keepers.nothing_is_due(again - dt.timedelta(microseconds=1))
    assert keepers.claim(again).attempts == 2


def test_keepers_switch_a_subscription_off_with_all_that_waits(keepers: Keepers) -> None:
    """Its waiting deliveries fail; those of others, and those delivered, stay."""
    keepers.subscriptions.add(a_subscription("s2", created=NOON - dt.timedelta(days=1)), SECRET)
    keepers.make(a_delivery("d1"), a_delivery("d2", event_id="e2", attempts=1), a_delivery("d3", "s2", next_attempt=NOON + LEASE))

    keepers.deliveries.settle(keepers.claim(), Outcome(DeliveryState.FAILED, NOON, None, 410, "gone", switches_off=True))

    assert [one.state for one in keepers.subscriptions.all()] == [SubscriptionState.DISABLED, SubscriptionState.ACTIVE]
    assert [keepers.state_of(one).state.value for one in ("d1", "d2", "d3")] == ["failed", "failed", "waiting"]
    assert keepers.deliveries.counts() == {"subscriptions": 2, "deliveries_waiting": 1, "deliveries_failed": 2}


def test_keepers_forget_a_subscription_with_its_deliveries(keepers: Keepers) -> None:
    """Once; a claim that is under way can then not be settled."""
    keepers.make(a_delivery())
    claim = keepers.claim()

    assert keepers.subscriptions.remove("s1")
    assert not keepers.subscriptions.remove("s1")
    assert not keepers.deliveries.settle(claim, DELIVERED)
    assert keepers.deliveries.counts() == {"subscriptions": 0, "deliveries_waiting": 0, "deliveries_failed": 0}


def test_keepers_list_the_newest_first_up_to_a_limit(keepers: Keepers) -> None:
    """Older ones are left off."""
    keepers.make(*(a_delivery(f"d{n}", event_id=f"e{n}", created=NOON + dt.timedelta(seconds=n)) for n in range(5)))

    assert [one.delivery_id for one in keepers.deliveries.newest(2)] == ["d4", "d3"]


def test_keepers_prune_what_ended_long_ago(keepers: Keepers) -> None:
    """What waits stays."""
    keepers.make(a_delivery("d1"), a_delivery("d2", event_id="e2"), a_delivery("d3", event_id="e3", created=NOON + LEASE))
    keepers.deliveries.settle(keepers.claim(), DELIVERED)

    assert keepers.deliveries.prune(NOON) == 0
    assert keepers.deliveries.prune(NOON + LEASE) == 1
    assert len(keepers.deliveries.newest(10)) == 2


def test_deliveries_whose_secret_cannot_be_read_wait_and_are_not_tried(database: Database, tmp_path: Path) -> None:
    """Those of others are told meanwhile; when the key is back they are told too, with no try used up."""
    keepers = keepers_on(database, tmp_path)
    keepers.subscriptions.add(a_subscription("s1"), SECRET)
    kept = (tmp_path / "vault.keys").read_bytes()
    (tmp_path / "vault.keys").unlink()
    keyless = keepers_on(database, tmp_path)
    keyless.subscriptions.add(a_subscription("s2"), SECRET)
    keyless.make(a_delivery("d1"), a_delivery("d2", event_id="e2"), a_delivery("d3", "s2"))

    assert keyless.claim().delivery_id == "d3"
    assert keyless.nothing_is_due()
    waiting = keyless.state_of("d1")
    assert (waiting.state, waiting.attempts) == (DeliveryState.WAITING, 0)
    assert "vault.keys" in str(waiting.last_error)
    (tmp_path / "vault.keys").write_bytes(kept)
    back = keyless.claim(NOON + LEASE)

    assert (back.attempts, back.secret) == (1, SECRET)


def test_notify_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    """Every column of the schema can be read."""
    with database.read() as connection:
        for table in schema.METADATA.sorted_tables:
            assert connection.execute(select(table)).all() == []
