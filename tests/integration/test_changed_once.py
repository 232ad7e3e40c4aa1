"""Claims about two who change the same thing at once, having seen the same: on either database exactly one of them does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.directory.adapters.register import DatabaseRegister
from services.directory.handlers.people import PasswordRules, PeopleHandlers
from services.replication.adapters.peers import SqlPeers
from services.replication.adapters.schema import invitations
from services.replication.handlers.relations import RelationsHandlers
from services.storage.adapters.catalogue import SqlCatalogue
from services.storage.config import StorageSettings
from services.storage.wiring import assemble
from shared.core.errors import PreconditionFailed
from shared.core.layout import Layout
from shared.core.staging import Stages
from shared.core.versions import PACKAGE, PEER, PERSON, SUBSCRIPTION, version_of
from shared.runtime.bytestore.filesystem import FilesystemByteStore
from shared.runtime.database import Database
from shared.runtime.secret_columns import SecretColumn
from shared.runtime.vault import Vault
from shared.testing.builders import a_package, a_peer, signed
from shared.testing.fakes.clock import NOON, FakeClock
from shared.testing.fakes.people import FakePeople
from shared.testing.fakes.storage_files import FakeRecordFiles, FakeSigner, FakeToldFile
from shared.testing.fakes.storage_service import FakeStorageService
from tests.contract.port_databases import KINDS, migrated, outbox_of
from tests.unit.directory.directory_fakes import FakePasswords
from tests.unit.notify.notify_fakes import Desk as Notify

MANY = 6
"""Threads, half of which have a database connection pool of their own, as another process has."""


def _one_wins(change: Callable[[int], Any]) -> None:
    gate, done = threading.Barrier(MANY), list[bool]()

    def attempt(number: int) -> None:
        gate.wait()
        try:
            change(number)
        except PreconditionFailed:
            done.append(False)
        else:
            done.append(True)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done) == [False] * (MANY - 1) + [True]


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_administrators_one_changes_a_person(kind: str, new_database: Callable[[str], str]) -> None:
    """Both saw the same; the other one is told."""
    url = new_database(kind)
    with migrated("directory", url) as first, closing(Database(url)) as second:
        rules = PasswordRules(12, "Hamburg")
        desks = [
            PeopleHandlers(DatabaseRegister(one), FakePasswords(), rules, tuple, FakeClock(), lambda _person: {}) for one in (first, second)
        ]
        seen = desks[0].create("ada", [{"role": "viewer"}], None, None, None, None, "root")
        expected = [version_of(seen, PERSON)]

        _one_wins(lambda number: desks[number % 2].change("ada", None, f"Ada {number}", None, "root", expected))


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_administrators_one_changes_a_peer(kind: str, new_database: Callable[[str], str], tmp_path: Path) -> None:
    """What it may see, and what it may do, are not mixed up of two decisions."""
    url, peer = new_database(kind), a_peer()
    secrets = SecretColumn(Vault.load_or_create(tmp_path / "vault.keys"), "replication", invitations.c.encrypted_proof_key)
    with migrated("replication", url) as first, closing(Database(url)) as second:
        desks = [
            RelationsHandlers(
                SqlPeers(one, outbox_of("replication", one), secrets),
                FakeStorageService(),
                lambda: NOON,
                Stages(("test", "production")),
                list,
            )
            for one in (first, second)
        ]
        with desks[0].peers.changing() as changes:
            changes.save_peer(peer)
        expected = [version_of(desks[0].show_peer(str(peer.peer_id)), PEER)]
        wishes = [["test"], ["production"], ["test", "production"], ["*"], [], []]

        _one_wins(
            lambda number: desks[number % 2].change_peer(
                str(peer.peer_id), wishes[number], steward=number > 3, person="root", expected=expected
            )
        )


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_administrators_one_tags_a_package(kind: str, new_database: Callable[[str], str], tmp_path: Path) -> None:
    """One record is signed, and goes to the mesh."""
    url, signer = new_database(kind), FakeSigner()
    settings = StorageSettings.model_validate({"amqp_uri": "amqp://nobody", "data": tmp_path})
    store = FilesystemByteStore(Layout(tmp_path), free_floor_bytes=0)
    with migrated("storage", url) as first, closing(Database(url)) as second:
        catalogues = [SqlCatalogue(one, outbox_of("storage", one)) for one in (first, second)]
        desks = [assemble(settings, one, store, signer, FakeClock(), FakeToldFile(), FakeRecordFiles(), FakePeople()) for one in catalogues]
        ours = signed(origin=signer.key)
        package = replace(a_package(), manifest=ours.manifest, envelope=ours.envelope)
        with catalogues[0].changing() as changes:
            changes.save_package(package)
        seen = desks[0].questions.show_package(package.package_id)
        wishes = [["test"], ["production"], ["development"], ["test", "production"], ["development", "test"], ["development", "production"]]

        _one_wins(
            lambda number: desks[number % 2].stewards.retag(
                package.package_id, wishes[number], f"person {number}", None, [version_of(seen, PACKAGE)]
            )
        )
        assert len(catalogues[0].meta([package.package_id])[package.package_id]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_administrators_one_changes_a_subscription(kind: str, new_database: Callable[[str], str], tmp_path: Path) -> None:
    """Both saw the same: it is not paused with words that somebody else has just given it."""
    url = new_database(kind)
    with migrated("notify", url) as first, closing(Database(url)) as second:
        desks = [Notify(tmp_path, one) for one in (first, second)]
        expected = [version_of(desks[0].subscribing.show(desks[0].add().subscription_id), SUBSCRIPTION)]

        def change(number: int) -> None:
            desk = desks[number % 2].subscribing
            if number > 3:
                desk.set_state("s1", "paused", None, None, expected)
            else:
                desk.change("s1", {"description": f"of {number}"}, None, None, expected)

        _one_wins(change)
