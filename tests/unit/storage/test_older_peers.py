"""Claims about what replication says of our peers when its database was lost, or is an older one."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.storage.domain.package import PackageState
from shared.core.charter import Charter
from shared.core.clock import Stamp
from shared.core.meta import MetaField
from shared.runtime.keys import open_charter
from shared.testing.builders import signed
from shared.testing.records import later
from tests.unit.storage.speaking import Author, document
from tests.unit.storage.storage_bench import Bench

STEWARD, OTHER, REVOKED = Author(), Author(), Author()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A storage with a steward, one that was dismissed, and one that was revoked."""
    bench = Bench(tmp_path, staging_tags=("*",))
    bench.declare(STEWARD, until={OTHER: later(-5)}, revoked={REVOKED: later(-9)}, registered={STEWARD: later(-99), OTHER: later(-99)})
    bench.clock.pass_seconds(60)
    return bench


def ours(bench: Bench) -> Charter:
    """Our charter."""
    (charter,) = [open_charter(one.envelope) for one in bench.catalogue.charters() if one.charter.instance_id == bench.key.instance_id]
    return charter


def named(bench: Bench) -> tuple[dict[str, Stamp | None], dict[str, Stamp]]:
    """Whom it names as stewards and as revoked."""
    return {str(one): until for one, until in ours(bench).stewards}, {str(one): since for one, since in ours(bench).revoked}


EVERYBODY: tuple[dict[str, Stamp | None], dict[str, Stamp]] = {STEWARD.id: None, OTHER.id: later(-5)}, {REVOKED.id: later(-9)}


def test_a_peer_list_that_was_lost_takes_nobodys_word_away(bench: Bench) -> None:
    """No charter is issued, so nothing that a steward deleted comes back, here or anywhere."""
    package_id = bench.uploaded(b"deleted")
    bench.learn({"id": package_id, "meta": document(package_id, STEWARD.says(package_id, MetaField.DELETED, stamp=later(30_000)))["meta"]})
    assert bench.state_of(package_id) is PackageState.DELETED
    stamp = ours(bench).stamp

    bench.declare()
    bench.sweep()

    assert (named(bench), ours(bench).stamp) == (EVERYBODY, stamp)
    assert bench.state_of(package_id) is PackageState.DELETED


def test_an_older_peer_list_changes_only_what_it_says(bench: Bench) -> None:
    """It knows of a steward, and neither of who was made one since, nor of a dismissal, nor that a peer of its was revoked."""
    bench.declare(OTHER, registered={OTHER: later(-99), REVOKED: later(-99), STEWARD: later(-99)})

    assert named(bench) == ({STEWARD.id: None, OTHER.id: None}, {REVOKED.id: later(-9)})


def test_who_is_let_in_again_is_revoked_no_longer(bench: Bench) -> None:
    """The registration is later than the revocation."""
    bench.declare(STEWARD, registered={REVOKED: later(-8)})

    assert named(bench)[1] == {}


def test_a_revocation_that_is_made_again_counts_from_the_first_time(bench: Bench) -> None:
    """What was signed between the two stays refused."""
    bench.declare(STEWARD, revoked={REVOKED: later(60_000)})

    assert named(bench)[1] == {REVOKED.id: later(-9)}


def test_a_peer_is_known_by_all_its_ids(bench: Bench) -> None:
    """Replication has the new one, our charter named the old one: it is the same steward, and can be dismissed."""
    new = Author()
    bench.learn(rotations=[STEWARD.rotation(new, later(0))])

    bench.declare(until={new: later(1)}, registered={new: later(-99)})

    assert named(bench)[0] == {new.id: later(1), OTHER.id: later(-5)}


def test_a_package_of_who_was_revoked_stays_refused(bench: Bench) -> None:
    """The charter stands, whatever the restored list says."""
    bench.declare(registered={REVOKED: later(-99)})

    late = signed(b"late", origin=REVOKED.key)
    assert bench.learn(document(late)) == [("package", "RECORD_REFUSED")]
