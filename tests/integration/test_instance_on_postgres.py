"""Whole instances whose services keep all they know in PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from shared.testing.instance import SEPARATE, Instance
from shared.testing.postgres import PrivatePostgres

_MIB = 1 << 20


def test_two_instances_on_postgresql_share_packages_and_survive_a_power_cut(
    make_instance: Callable[..., Instance], postgres: PrivatePostgres
) -> None:
    """What is uploaded at one is published at the other; after SIGKILL for all of its processes, B knows what it knew, and
    bytes flow both ways again. No service keeps a SQLite file. Every program starts as a user starts it."""
    a = make_instance("A", settings={"ODST_DATABASE_URL": postgres.new_database()})
    b = make_instance("B", settings={"ODST_DATABASE_URL": postgres.new_database()}, programs=SEPARATE)
    for instance in (a, b):
        instance.preloaded = False
        instance.start()
    for instance in (a, b):
        instance.wait_ready()
    b.join(a)
    move(a, b, "before.pkg", bytes(range(256)) * (17 * _MIB // 256))

    b.kill()
    b.start()
    b.wait_ready()

    assert b.api("GET", "/packages/before.pkg").json()["state"] == "published"
    move(a, b, "after.pkg", b"after" * _MIB)
    move(b, a, "back.pkg", b"back" * _MIB)
    assert [list(instance.data.glob("databases/*")) for instance in (a, b)] == [[], []]


def move(source: Instance, target: Instance, name: str, content: bytes) -> None:
    """Upload at one instance, and have it from the other."""
    source.uploaded(source.upload(name, content))
    sha256 = hashlib.sha256(content).hexdigest()
    target.published(name, sha256)
    assert target.download_sha256(name) == sha256
