"""Claims about databases of earlier versions of storage: what was in them is found again."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import column, table, text

from services.storage.adapters.catalogue import SqlCatalogue
from services.storage.domain.package import Package, PackageState
from services.storage.domain.upload import UploadState
from shared.core.clock import Stamp
from shared.core.meta import NO_META
from shared.core.times import to_text
from shared.runtime import migrations
from shared.runtime.database import Database
from shared.testing.builders import Signed, signed
from shared.testing.fakes.clock import NOON
from tests.contract.port_databases import KINDS, SERVICES, outbox_of

FOLDER = SERVICES / "storage" / "migrations"
EPOCH, UPLOAD = "e" * 32, str(uuid.uuid4())
STATES = ("published", "superseded", "wanted", "quarantined")
TAGGED = "tagged"
"""A wanted package with tags, which the first version did not know."""


@dataclass
class First:
    """A database of the first version, with a package in every state that there was."""

    database: Database
    packages: dict[str, Signed]

    def fill(self) -> None:
        """Rows as that version wrote them: only what could be had was in the feed."""
        with self.database.write() as connection:
            for name, package in self.packages.items():
                row = _row("wanted" if name == TAGGED else name, package)
                connection.execute(table("packages", *map(column, row)).insert(), row)
            for seq, state in ((3, "published"), (2, "superseded")):
                values = {"id": self.packages[state].package_id, "seq": seq, "digest": "d" * 64}
                connection.execute(text("INSERT INTO feed (package_id, seq, revision, digest) VALUES (:id, :seq, 1, :digest)"), values)
            connection.execute(text("UPDATE feed_state SET seq = 3, epoch = :epoch"), {"epoch": EPOCH})
            upload = {"id": UPLOAD, "time": to_text(NOON)}
            connection.execute(
                text(
                    "INSERT INTO uploads (upload_id, name, uploaded_by, correlation_id, created, changed, state, bytes_hashed) "
                    "VALUES (:id, 'New.pkg', 'anna', 'c', :time, :time, 'receiving', 0)"
                ),
                upload,
            )


def _row(state: str, package: Signed) -> dict[str, object]:
    return {
        "package_id": package.package_id,
        "name": package.manifest.name.text,
        "size": package.manifest.size,
        "sha256": package.manifest.sha256.hex,
        "envelope": package.envelope,
        "state": state,
        "correlation_id": "c",
        "changed": to_text(NOON),
        "created": to_text(package.manifest.created),
    }


@contextmanager
def first_version(url: str) -> Iterator[First]:
    """An old database that is about to be opened by this version."""
    database = Database(url)
    migrations.upgrade(database, FOLDER, "0001")
    made = {state: signed(state.encode(), created=NOON + dt.timedelta(minutes=number)) for number, state in enumerate(STATES)}
    yield First(database, made | {TAGGED: signed(b"t", "Tagged.pkg", tags=frozenset({"test", "production"}))})
    database.close()


@pytest.fixture(params=KINDS)
def first(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[First]:
    """One of each kind, filled."""
    with first_version(new_database(request.param)) as old:
        old.fill()
        yield old


def opened(first: First) -> SqlCatalogue:
    """The catalogue as this version finds it."""
    migrations.upgrade(first.database, FOLDER)
    return SqlCatalogue(first.database, outbox_of("storage", first.database))


def test_packages_are_as_they_were(first: First) -> None:
    """State, manifest and what follows from it: origin, digest, precedence; nobody said anything about them yet."""
    catalogue = opened(first)

    for state in STATES:
        package, made = _found(catalogue, first.packages[state]), first.packages[state]
        assert (package.state, package.manifest, package.envelope) == (PackageState(state), made.manifest, made.envelope)
        assert package.bytes_here is (state in ("published", "superseded"))
        assert (package.deleted, package.raised, package.meta_digest, package.gone, package.rung) == (None, None, NO_META, False, None)
        assert (package.tags, package.ever) == (frozenset(), {"."})
        (brief,) = catalogue.known([made.package_id])
        assert brief.manifest_digest == package.manifest_digest
    assert catalogue.census(first.packages["wanted"].manifest.origin, Stamp.of(NOON + dt.timedelta(hours=1))).count == len(STATES)


def _found(catalogue: SqlCatalogue, package: Signed) -> Package:
    found = catalogue.package(package.package_id)
    assert found is not None
    return found


def test_precedence_is_that_of_the_manifest(first: First) -> None:
    """In the column by which names are looked up, too."""
    catalogue = opened(first)
    with first.database.read() as connection:
        rows = {row.package_id: row.precedence for row in connection.execute(text("SELECT package_id, precedence FROM packages"))}

    for state in STATES:
        assert rows[first.packages[state].package_id] == str(Stamp.of(first.packages[state].manifest.created))
    assert catalogue.by_name("App.pkg") == _found(catalogue, first.packages["published"])


def test_tags_that_the_first_version_did_not_read_count_now(first: First) -> None:
    """They stand in the manifest: without them the package would go everywhere."""
    package = _found(opened(first), first.packages[TAGGED])

    assert package.tags == package.ever == {"test", "production"}


def test_readers_of_the_feed_go_on_where_they_were(first: First) -> None:
    """The same epoch, the same numbers; what was not told until now comes after them."""
    catalogue = opened(first)
    page = catalogue.changes(0, 100)

    assert page.epoch == EPOCH
    assert [(row.seq, row.record_id) for row in page.rows[:2]] == [
        (2, first.packages["superseded"].package_id),
        (3, first.packages["published"].package_id),
    ]
    news = {first.packages[state].package_id for state in ("wanted", "quarantined", TAGGED)}
    assert {row.record_id for row in page.rows[2:]} == news
    assert [row.seq for row in page.rows[2:]] == [4, 5, 6]
    assert catalogue.feed_position() == (EPOCH, 6)
    assert [row.offered for row in page.rows] == [True, True, False, False, False]


def test_uploads_that_were_under_way_go_on(first: First) -> None:
    """Without tags, and in one request: they cannot be resumed."""
    upload = opened(first).upload(UPLOAD)

    assert upload is not None
    assert (upload.state, upload.tags) == (UploadState.RECEIVING, frozenset())
    assert (upload.expires, upload.bytes_received, upload.fence, upload.metadata) == (None, 0, 0, "")


def test_an_empty_database_stays_empty(new_database: Callable[[str], str]) -> None:
    """Nothing is made up."""
    with first_version(new_database("sqlite")) as empty:
        catalogue = opened(empty)

        assert catalogue.changes(0, 10).rows == ()
        assert catalogue.feed_position()[1] == 0
