"""Claims about digests that are computed when somebody asks, on every database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import pytest

from services.storage.adapters.further_digests import DatabaseDigests
from services.storage.domain.package import PackageState
from services.storage.handlers.further import ASK_AGAIN, FurtherDigests
from shared.contracts.events import PackageDigestedV1, PackageDigestsWantedV1
from shared.core.errors import NotFound
from shared.runtime.database import Database
from shared.testing.builders import a_package
from shared.testing.fakes.catalogue import FakeCatalogue
from shared.testing.fakes.clock import FakeClock
from tests.contract.port_databases import KINDS, dispatched, migrated, outbox_of

MD5, SHA512 = "0" * 32, "f" * 128
HERE = a_package(b"here", "Here.pkg", state=PackageState.PUBLISHED, bytes_here=True)
AWAY = a_package(b"away", "Away.pkg", state=PackageState.WANTED, bytes_here=False)


class Desk:
    """Storage's answers about further digests, on a database of its own."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock, catalogue = database, FakeClock(), FakeCatalogue()
        with catalogue.changing() as changes:
            changes.save_package(HERE)
            changes.save_package(AWAY)
        self.further = FurtherDigests(catalogue, DatabaseDigests(database, outbox_of("storage", database)), self.clock)

    def asked(self) -> int:
        """How often hashing was told to compute."""
        return len([event for event in dispatched("storage", self.database) if isinstance(event, PackageDigestsWantedV1)])


@pytest.fixture(params=KINDS)
def desk(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Desk]:
    """One on each database."""
    with migrated("storage", new_database(request.param)) as database:
        yield Desk(database)


def test_digests_are_computed_once_and_kept(desk: Desk) -> None:
    """Asked for, not known yet; asked again, still under way; told, known; asked again, nothing is computed."""
    first, again = desk.further.digests(HERE.package_id), desk.further.digests(HERE.package_id)
    told = PackageDigestedV1(package_id=HERE.package_id, sha256=HERE.manifest.sha256.hex, md5=MD5, sha512=SHA512, seconds=1)
    desk.further.keep(told)
    desk.further.keep(told)

    found = desk.further.digests(HERE.package_id)

    assert (first["known"], again["known"]) == (False, False)
    assert found == {"known": True, "sha256": HERE.manifest.sha256.hex, "md5": MD5, "sha512": SHA512}
    assert desk.asked() == 1


def test_what_nobody_computed_is_asked_for_again(desk: Desk) -> None:
    """Whoever had the message may have died with it."""
    desk.further.digests(HERE.package_id)
    desk.clock.now += ASK_AGAIN + dt.timedelta(seconds=1)

    desk.further.digests(HERE.package_id)

    assert desk.asked() == 2


@pytest.mark.parametrize(
    "package_id",
    [AWAY.package_id, "00000000-0000-4000-8000-00000000dead", "Here.pkg", ""],
    ids=["on its way", "unknown", "a name", "nothing"],
)
def test_only_bytes_that_are_here_have_digests(desk: Desk, package_id: str) -> None:
    """Nothing is asked for that nobody could read."""
    with pytest.raises(NotFound):
        desk.further.digests(package_id)

    assert desk.asked() == 0
