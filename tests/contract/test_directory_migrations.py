"""Claims about what the directory's migrations make of what is there already."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from services.directory.adapters.audit import DatabaseAuditLog
from services.directory.adapters.schema import AUDIT
from services.directory.domain.audit import Entry
from services.directory.domain.search import Search
from shared.core.audit_chain import Position, check_run
from shared.core.times import to_text
from shared.runtime import migrations
from shared.runtime.database import Database
from shared.testing.fakes.clock import NOON
from tests.contract.port_databases import KINDS, SERVICES

MANY = 2003
"""More than are read at once."""


@pytest.mark.parametrize("kind", KINDS)
def test_the_audit_log_is_chained_as_it_stands(kind: str, new_database: Callable[[str], str]) -> None:
    """Every entry that was there holds, is what it was, and what is written next follows upon it."""
    folder, database = SERVICES / "directory" / "migrations", Database(new_database(kind))
    migrations.upgrade(database, folder, "0002")
    columns = [column.name for column in AUDIT.columns if column.name not in ("previous", "hash")]
    rows = [
        {
            "number": number,
            "event_id": f"e{number}",
            "type": "peer.revoked.v1",
            "source": "replication",
            "time": to_text(NOON),
            "correlation_id": "c",
            "person": "Zo\N{LATIN SMALL LETTER E WITH DIAERESIS}" if number % 2 else None,
            "subject": None,
            "data": json.dumps({"b": number, "a": "\ud800", "x": 1.5}, sort_keys=True, separators=(",", ":")),
        }
        for number in range(1, MANY + 1)
    ]
    with database.write() as connection:
        connection.execute(text(f"INSERT INTO audit ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})"), rows)

    migrations.upgrade(database, folder)
    log = DatabaseAuditLog(database)
    link = log.append(Entry("new", "x", "y", NOON, "c", None, None, {}))
    chain = log.links(0, 2 * MANY)
    (newest, before) = log.page(Search(), 2)
    database.close()

    assert check_run(chain, Position()) == []
    assert (len(chain), chain[-1], newest.link) == (MANY + 1, link, link)
    assert before.entry.data == {"a": "\ud800", "b": MANY, "x": 1.5}


def test_the_chain_is_written_out_in_the_migration() -> None:
    """What it did must not change when the code does."""
    source = Path(SERVICES / "directory" / "migrations" / "versions" / "0003_audit_chain.py").read_text(encoding="utf-8")

    assert "import shared" not in source
    assert "from shared" not in source
