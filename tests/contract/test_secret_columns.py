"""Claims about columns of secrets, on the subscriptions of notify and on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from services.notify.adapters.deliveries import DatabaseDeliveries
from services.notify.adapters.schema import SUBSCRIPTIONS
from services.notify.adapters.subscriptions import DatabaseSubscriptions
from services.replication.adapters.peers import SqlPeers
from services.replication.adapters.schema import invitations
from shared.runtime import migrations
from shared.runtime.database import Database
from shared.runtime.secret_columns import SecretColumn
from shared.runtime.vault import Vault, add_key, drop_key
from shared.testing.fakes.clock import NOON
from tests.contract.port_databases import KINDS, SERVICES, outbox_of
from tests.unit.notify.notify_fakes import SECRET, SECRETS, a_subscription

FOLDER = SERVICES / "notify" / "migrations"
_SUBSCRIBED = (
    "INSERT INTO subscriptions (subscription_id, url, secret, events, created_by, created, state) "
    "VALUES (:id, 'https://hooks.example/x', :secret, '*', 'admin', '2026-11-03T12:00:00.000000Z', 'active')"
)
_INVITED = (
    "INSERT INTO invitations (lookup, proof_key, created_by, expires, wrong_proofs, steward) "
    "VALUES ('lookup', :key, 'admin', '2026-11-03T12:00:00.000000Z', 0, :none)"
)
_DELIVERY = (
    "INSERT INTO deliveries (delivery_id, subscription_id, event_id, event_type, body, created, state, attempts, next_attempt, fence) "
    "VALUES ('d1', 's1', 'e1', 'x', '', '2026-11-03T12:00:00.000000Z', 'waiting', 0, '2026-11-03T12:00:00.000000Z', 0)"
)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file with one key."""
    path = tmp_path / "vault.keys"
    Vault.load_or_create(path)
    return path


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Database]:
    """One of the first version, in which secrets stood as they are: two subscriptions, and a delivery."""
    opened = Database(new_database(request.param))
    migrations.upgrade(opened, FOLDER, "0001")
    with opened.write() as connection:
        for subscription in ("s1", "s2"):
            connection.execute(text(_SUBSCRIBED), {"id": subscription, "secret": SECRET})
        connection.execute(text(_DELIVERY))
    migrations.upgrade(opened, FOLDER)
    yield opened
    opened.close()


def secrets_of(keys: Path) -> SecretColumn:
    """As the service has them."""
    return SecretColumn(Vault(keys), "notify", SUBSCRIPTIONS.c.encrypted_secret)


def stored(database: Database) -> list[str]:
    """What stands in the column, without the type."""
    with database.read() as connection:
        return list(connection.execute(text("SELECT encrypted_secret FROM subscriptions")).scalars())


def test_secrets_of_an_older_database_are_encrypted_once(database: Database, keys: Path) -> None:
    """They still sign, deliveries are still there, a second start changes nothing, and SQLite's files hold no trace."""
    secrets = secrets_of(keys)

    assert (secrets.renew(database), secrets.renew(database)) == (2, 0)
    (claim,) = DatabaseDeliveries(database, secrets, outbox_of("notify", database)).claim(NOON, NOON, 1)
    assert claim.secrets == SECRETS
    assert len(set(stored(database))) == 2
    assert all(one.startswith(f"enc1:{secrets.vault.newest}:") for one in stored(database))
    if database.is_sqlite:
        file = Path(str(database.engine.url.database))
        traces = [path.name for path in file.parent.glob(f"{file.name}*") if SECRET.encode() in path.read_bytes()]
        assert traces == []


def test_nothing_but_what_is_encrypted_can_be_stored(database: Database) -> None:
    """A secret that somebody forgot to encrypt is an error, and the error does not show it."""
    forgotten = SUBSCRIPTIONS.update().values(encrypted_secret=SECRET)

    with database.write() as connection, pytest.raises(StatementError) as caught:
        connection.execute(forgotten)

    assert SECRET not in str(caught.value)


def test_a_newer_key_takes_over(database: Database, keys: Path) -> None:
    """After a sweep the older one can be dropped; until then the figures say that it cannot."""
    secrets = secrets_of(keys)
    secrets.renew(database)
    old = secrets.vault.newest

    add_key(keys)
    assert secrets.figures(database) == {"secrets": 2, "secrets_outdated": 2, "secrets_unreadable": 0}
    assert secrets.renew(database) == 2
    drop_key(keys, old)

    assert secrets.figures(database) == {"secrets": 2, "secrets_outdated": 0, "secrets_unreadable": 0}


def test_without_its_key_a_subscription_is_there_and_says_so(database: Database, keys: Path) -> None:
    """Nothing is overwritten: when the key is back, it is as it was."""
    secrets, kept = secrets_of(keys), keys.read_bytes()
    secrets.renew(database)
    keys.unlink()
    lost = SecretColumn(Vault.load_or_create(keys), "notify", SUBSCRIPTIONS.c.encrypted_secret)
    subscriptions = DatabaseSubscriptions(database, lost, outbox_of("notify", database))

    assert lost.renew(database) == 0
    assert lost.figures(database) == {"secrets": 2, "secrets_outdated": 2, "secrets_unreadable": 2}
    assert [one.secret_readable for one in subscriptions.all()] == [False, False]
    subscriptions.add(a_subscription("s3"), SECRETS)
    keys.write_bytes(keys.read_bytes() + kept)

    assert [one.secret_readable for one in subscriptions.all()] == [True, True, True]
    assert lost.renew(database) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_an_invitation_of_an_older_database_is_still_open(kind: str, new_database: Callable[[str], str], keys: Path) -> None:
    """What proves it is encrypted; without its key there is no such invitation."""
    opened = Database(new_database(kind))
    migrations.upgrade(opened, SERVICES / "replication" / "migrations", "0003")
    with opened.write() as connection:
        values = {"key": bytes(range(32)), "none": False}
        connection.execute(text(_INVITED), values)
    migrations.upgrade(opened, SERVICES / "replication" / "migrations")
    secrets = SecretColumn(Vault(keys), "replication", invitations.c.encrypted_proof_key)
    peers = SqlPeers(opened, outbox_of("replication", opened), secrets)

    assert secrets.renew(opened) == 1
    with peers.changing() as changes:
        found = changes.invitation("lookup")
    keys.unlink()
    Vault.load_or_create(keys)
    with peers.changing() as changes:
        lost = changes.invitation("lookup")
    with opened.read() as connection:
        kept = connection.execute(text("SELECT encrypted_proof_key FROM invitations")).scalar_one()
    opened.close()

    assert found is not None
    assert (found.proof_key, lost) == (bytes(range(32)), None)
    assert bytes(range(32)).hex() not in kept
