"""Promise D9: whatever is done to the audit log in its database is named, on SQLite and on PostgreSQL."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from services.directory.adapters.rows import link_of
from services.directory.adapters.schema import AUDIT, AUDIT_CHECKPOINTS
from services.directory.config import DirectorySettings
from services.directory.wiring import AuditKeeping, audit_on
from shared.contracts.events import PeerRevokedV1
from shared.contracts.happening import Happening
from shared.core.audit_chain import Link, hash_of
from shared.core.layout import Layout
from shared.runtime.database import Database
from shared.testing.fakes.clock import NOON
from shared.testing.instance import Instance
from shared.testing.waiting import wait_for
from tests.contract.port_databases import KINDS, migrated

LENGTH = 40
pytestmark = pytest.mark.promise("D9")


@dataclass
class Logged:
    """The audit log of a real directory service, and a hand in its database."""

    database: Database
    audit: AuditKeeping
    layout: Layout

    def write(self, first: int, last: int) -> None:
        """Entries of these numbers."""
        for number in range(first, last + 1):
            self.audit.trail.write_down(
                PeerRevokedV1(peer_id=f"P{number}", name=f"peer {number}", person="ada"),
                Happening(f"e{number}", NOON + dt.timedelta(seconds=number), "c"),
            )

    def sql(self, *statements: Any) -> None:
        """What somebody does who may write to the database."""
        with self.database.write() as connection:
            for statement in statements:
                connection.execute(statement)

    def write_anew(self, first: int, person: str) -> None:
        """Edit an entry and make all hashes anew from there on: the chain holds in itself."""
        with self.database.write() as connection:
            before: str | None = None
            for row in connection.execute(select(AUDIT).where(AUDIT.c.number >= first).order_by(AUDIT.c.number)).all():
                fields = json.loads(link_of(row).text) | ({"person": person} if row.number == first else {})
                link = Link.made(fields | {"previous": before or row.previous})
                changed = {"person": fields["person"], "previous": link.previous, "hash": link.hash}
                connection.execute(update(AUDIT).where(AUDIT.c.number == row.number).values(changed))
                before = link.hash

    def found(self) -> list[tuple[str, int, int]]:
        """What a check names."""
        after, faults = None, []
        while True:
            portion = self.audit.verifying.verify_audit(after)
            faults += [(fault["kind"], fault["first"], fault["last"]) for fault in portion["faults"]]
            after = portion["next"]
            if after is None:
                return faults


@pytest.fixture(params=KINDS)
def logged(request: pytest.FixtureRequest, new_database: Callable[[str], str], tmp_path: Path) -> Iterator[Logged]:
    """Forty entries, with a checkpoint of the thirtieth."""
    with migrated("directory", new_database(request.param)) as database:
        settings = DirectorySettings(amqp_uri="amqp://nobody:nothing@127.0.0.1:1/", data=tmp_path / "data")
        made = Logged(database, audit_on(database, settings), settings.layout)
        made.write(1, LENGTH - 10)
        made.audit.step()
        made.write(LENGTH - 9, LENGTH)
        assert made.found() == []
        yield made


def test_an_edited_row_is_named(logged: Logged) -> None:
    """D9: whichever of its columns, to whatever; also to what cannot be read."""
    for number, change in enumerate(
        ({"person": "eve"}, {"person": None}, {"subject": "x"}, {"type": "x"}, {"source": "x"}, {"correlation_id": "x"}, {"event_id": "x"}),
        2,
    ):
        logged.sql(update(AUDIT).where(AUDIT.c.number == number).values(change))
    logged.sql(update(AUDIT).where(AUDIT.c.number == 20).values(time="2026-11-03T12:00:20.000001Z"))
    logged.sql(update(AUDIT).where(AUDIT.c.number == 22).values(data='{"no": "JSON'))
    logged.sql(update(AUDIT).where(AUDIT.c.number == 24).values(data=func.replace(AUDIT.c.data, "peer 24", "peer 25"), time="never"))

    edited = [*range(2, 9), 20, 22, 24]
    assert logged.found() == [("edited", number, number) for number in edited]
    listed = logged.audit.trail.list_audit(None, 100, {})["items"]
    assert len(listed) == LENGTH, "the log can still be looked at"


def test_a_row_that_was_edited_with_its_hash_is_named(logged: Logged) -> None:
    """D9: the next entry still follows upon what it was."""
    with logged.database.read() as connection:
        row = connection.execute(select(AUDIT).where(AUDIT.c.number == 7)).one()
    forged = Link.made(json.loads(link_of(row).text) | {"person": "eve"})
    logged.sql(update(AUDIT).where(AUDIT.c.number == 7).values(person="eve", hash=forged.hash))

    assert logged.found() == [("rewritten", 7, 7)]


def test_deleted_rows_are_named(logged: Logged) -> None:
    """D9: one, several, the first ones."""
    logged.sql(delete(AUDIT).where(AUDIT.c.number.in_([1, 2, 9, 15, 16, 17])))

    assert logged.found() == [("missing", 1, 2), ("missing", 9, 9), ("missing", 15, 17)]


def test_rows_that_changed_places_are_named(logged: Logged) -> None:
    """D9: with each other; or all of them, to close a gap."""
    numbers = {5: 1005, 9: 5, 1005: 9}
    logged.sql(*(update(AUDIT).where(AUDIT.c.number == old).values(number=new) for old, new in numbers.items()))
    assert logged.found() == [("swapped", 5, 9)]

    back = {9: 1005, 5: 9, 1005: 5}
    logged.sql(*(update(AUDIT).where(AUDIT.c.number == old).values(number=new) for old, new in back.items()))
    assert logged.found() == []

    logged.sql(delete(AUDIT).where(AUDIT.c.number == 37))
    logged.sql(*(update(AUDIT).where(AUDIT.c.number == number).values(number=number - 1) for number in (38, 39, 40)))
    assert logged.found() == [("moved", 37, 37), ("moved", 38, 38), ("moved", 39, 39), ("cut", 40, 40)]


def test_a_cut_end_is_named(logged: Logged) -> None:
    """D9: at once, by the file beside the database; by a checkpoint, as far as one goes, if that file was cut too."""
    logged.sql(delete(AUDIT).where(AUDIT.c.number > 25))
    assert logged.found() == [("cut", 26, 40)]
    logged.layout.audit_head.unlink()
    assert logged.found() == [("cut", 26, 30)]


def test_hashes_that_were_all_made_anew_are_caught(logged: Logged) -> None:
    """D9: by the file and by the checkpoint; no other checkpoint is signed until somebody has looked."""
    logged.write_anew(12, "eve")
    assert logged.found() == [("rewritten", 1, 30)]

    logged.audit.checkpointing.pace = type(logged.audit.checkpointing.pace)(0, 1)
    logged.audit.step()
    assert logged.audit.figures()["audit_broken"] == 1
    logged.sql(delete(AUDIT_CHECKPOINTS))
    assert logged.found() == [("rewritten", 1, 40)]


def test_a_log_that_is_emptied_is_named(logged: Logged) -> None:
    """D9: also when new entries are written on top of nothing, with numbers that begin anew."""
    logged.sql(delete(AUDIT))
    assert logged.found() == [("cut", 1, 40)]

    logged.write(1, 3)
    assert logged.found() == [("cut", 4, 40)]


def rewrite_everything(instance: Instance) -> None:
    """What an intruder does who has the whole machine: no entry, checkpoint, receipt or file says otherwise."""
    layout = Layout(instance.data)
    connection = sqlite3.connect(layout.databases / "directory.sqlite3", timeout=30, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("BEGIN IMMEDIATE")
    before = "0" * 64
    for row in connection.execute("SELECT * FROM audit ORDER BY number").fetchall():
        fields = dict(row) | {"previous": before, "data": json.loads(row["data"])}
        fields |= {"person": "eve"} if row["number"] == 1 else {}
        del fields["hash"]
        before = hash_of(json.dumps(fields, sort_keys=True, separators=(",", ":")))
        changed = (fields["person"], fields["previous"], before, row["number"])
        connection.execute("UPDATE audit SET person = ?, previous = ?, hash = ? WHERE number = ?", changed)
    for table in ("audit_checkpoints", "audit_receipts"):
        connection.execute(f"DELETE FROM {table}")
    layout.audit_head.unlink()
    connection.execute("COMMIT")
    connection.close()


def verify(instance: Instance) -> dict[str, Any]:
    """The one portion that a short log has."""
    report: dict[str, Any] = instance.api("POST", "/audit/verify", json={"witnesses": True}).json()
    assert report["next"] is None
    return report


def test_whoever_has_the_whole_machine_is_caught_by_a_witness(make_instance: Callable[..., Instance]) -> None:
    """D9: at the instance when its peers are asked; at the peer, with an alarm, when it is told the next checkpoint."""
    settings = {
        "ODST_AUDIT_CHECKPOINT_SECONDS": "1",
        "ODST_AUDIT_CHECKPOINT_ENTRIES": "1",
        "ODST_WITNESS_SECONDS": "1",
        "ODST_SWEEP_SECONDS": "0.5",
    }
    berlin, bonn = (make_instance(name, settings=settings).start() for name in ("Berlin", "Bonn"))
    berlin.wait_ready()
    bonn.wait_ready().join(berlin)
    berlin.api("POST", "/peers/pull", expect=202)

    def witnessed() -> dict[str, Any] | None:
        (witness,) = verify(berlin)["witnesses"]
        return witness if witness["state"] == "agrees" and witness["newest"] >= 3 else None

    wait_for(witnessed, "Bonn has signed what Berlin's log is")
    rewrite_everything(berlin)
    report = verify(berlin)
    (witness,) = report["witnesses"]
    assert report["faults"] == [], "nothing at the instance itself says otherwise"
    assert (witness["state"], witness["faults"][0]["kind"], witness["faults"][0]["first"]) == ("contradicts", "rewritten", 1)

    berlin.api("POST", "/peers/pull", expect=202)
    asked = "/audit?type=audit.contradicted.v1"
    alarm, *_ = wait_for(lambda: bonn.api("GET", asked).json()["items"], "Bonn has raised an alarm") or []
    assert (alarm["source"], alarm["data"]["name"]) == ("replication", "Berlin")


def test_the_digest_of_an_entry_is_plain_sha256(logged: Logged) -> None:
    """D9: nobody needs our code to check it."""
    (line,) = logged.audit.trail.export_audit(None, 1, {})["lines"]

    assert hashlib.sha256(line[9:-75].encode()).hexdigest() == line[-66:-2]
