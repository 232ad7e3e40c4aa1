"""Scaling by starting more: a second worker shares the queue, or the slices, with no configuration."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Callable

from shared.testing.chaos_proxy import ChaosProxy
from shared.testing.instance import SEPARATE, Instance
from shared.testing.sites import start_together
from shared.testing.waiting import wait_for

_MIB = 1 << 20


def test_two_hashing_workers_share_the_queue(make_instance: Callable[..., Instance]) -> None:
    """A second `services.hashing` takes its part of the uploads as soon as it runs."""
    a = make_instance("A", programs=(*SEPARATE, "services.hashing#2"))
    a.start().wait_ready()
    uploads = [a.upload(f"shared-{number}.pkg", random.Random(number).randbytes(8 * _MIB)) for number in range(8)]
    for upload in uploads:
        a.uploaded(upload)

    done = {
        name: {line["upload_id"] for line in a.log_events(name, "package_hashed")} for name in ("services.hashing", "services.hashing#2")
    }
    assert all(done.values()), "both worked"
    assert set.union(*done.values()) == {upload["upload_id"] for upload in uploads}


def test_two_replication_workers_share_one_large_package(make_instance: Callable[..., Instance]) -> None:
    """A second `services.replication` moves slices of the same package; together they move it once."""
    a = make_instance("A")
    with ChaosProxy(a.port, bytes_per_second=24 * _MIB) as link:
        a.settings["ODST_PUBLIC_URL"] = link.url
        b = make_instance("B", programs=(*SEPARATE, "services.replication#2"), settings={"ODST_SLICES_AT_ONCE": "2"})
        start_together(a, b)
        b.join(a)
        data = random.Random(5).randbytes(128 * _MIB)
        uploaded = a.uploaded(a.upload("large.pkg", data))
        b.published("large.pkg", hashlib.sha256(data).hexdigest(), deadline_seconds=90)
        wait_for(lambda: (b.transfer_of(uploaded["package_id"]) or {}).get("state") == "done", "the transfer is closed")
        transfer = b.transfer_of(uploaded["package_id"]) or {}
        with sqlite3.connect(b.data / "databases" / "replication.sqlite3") as database:
            workers = {row[0] for row in database.execute("SELECT DISTINCT worker FROM slices")}

        assert len(workers) == 2
        assert transfer["bytes_fetched"] == len(data)
