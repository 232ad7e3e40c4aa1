"""Storage's catalogue, in memory and in a database: what was said, charters, rotations, flags."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from services.storage.domain.package import PackageState
from services.storage.handlers.records import charter_row
from shared.core.charter import Census
from shared.core.errors import Conflict
from shared.core.meta import MetaField, digest_of
from shared.runtime.keys import InstanceKey
from shared.testing.builders import ORIGIN, a_package, signed
from shared.testing.fakes.clock import NOON
from shared.testing.records import later
from tests.contract.port_catalogue import EVERY_KIND, OTHER, Kept, charter, empty_catalogue, rotation, said


@pytest.fixture(params=EVERY_KIND)
def kept(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> Iterator[Kept]:
    """An empty catalogue of each kind."""
    with empty_catalogue(request.param, new_database) as empty:
        yield empty


def test_what_was_said_is_kept_and_replaced_as_a_whole(kept: Kept) -> None:
    """By package; of one about which nobody says anything any more nothing is left."""
    package, other = a_package(b"1"), a_package(b"2")
    first = [said(package), said(package, author=OTHER, value=False, stamp=later(1)), said(package, MetaField.TAGS, value=("test",))]
    kept.say(package, *first)
    kept.say(other, said(other))
    assert set(kept.catalogue.meta([package.package_id])[package.package_id]) == set(first)
    assert list(kept.catalogue.to_reconsider([])) == sorted([package.package_id, other.package_id])

    kept.say(package, first[1])
    kept.say(other)

    with kept.catalogue.changing() as changes:
        assert list(changes.meta_of(package.package_id)) == [first[1]]
        assert list(changes.meta_of(other.package_id)) == []
    assert list(kept.catalogue.meta([package.package_id])[package.package_id]) == [first[1]]
    assert list(kept.catalogue.to_reconsider([])) == [package.package_id]


def test_what_trust_may_concern_is_found(kept: Kept) -> None:
    """What was said about, what is refused, and what certain instances made; each once, by id."""
    theirs = signed(b"4", origin=OTHER)
    other = replace(a_package(b"4"), manifest=theirs.manifest, envelope=theirs.envelope)
    spoken, refused, plain = a_package(b"1"), a_package(b"2", state=PackageState.REFUSED), a_package(b"3")
    kept.save(spoken, refused, plain, other)
    kept.say(spoken, said(spoken))

    assert set(kept.catalogue.origins()) == {ORIGIN.instance_id, OTHER.instance_id}
    assert list(kept.catalogue.to_reconsider([])) == sorted([spoken.package_id, refused.package_id])
    found = kept.catalogue.to_reconsider([OTHER.instance_id, InstanceKey.generate().instance_id])
    assert list(found) == sorted([spoken.package_id, refused.package_id, other.package_id])
    assert len(kept.catalogue.to_reconsider([ORIGIN.instance_id, OTHER.instance_id])) == 4


def test_what_an_author_wrote_ahead_is_found(kept: Kept) -> None:
    """Later than the given moment, by that author alone: meta records and manifests."""
    made = [a_package(bytes([number]), created=NOON + dt.timedelta(seconds=number)) for number in range(3)]
    kept.save(*made)
    ahead = said(made[0], stamp=later(2))
    kept.say(made[0], said(made[0], MetaField.TAGS, value=("test",), stamp=later(1)), ahead, said(made[0], author=OTHER, stamp=later(9)))

    assert list(kept.catalogue.meta_ahead(ORIGIN.instance_id, later(1))) == [ahead]
    assert list(kept.catalogue.manifests_ahead(ORIGIN.instance_id, NOON + dt.timedelta(seconds=1))) == [made[2]]
    assert list(kept.catalogue.manifests_ahead(OTHER.instance_id, NOON - dt.timedelta(days=1))) == []


def test_charters_and_rotations_are_kept_by_whom_they_are_about(kept: Kept) -> None:
    """Saving again replaces; trust is made of all of them."""
    new = InstanceKey.generate()
    charters = [charter(ORIGIN, stewards=[OTHER], stamp=later(1)), charter(OTHER)]
    kept.know(charter(ORIGIN), *charters, rotation(OTHER, InstanceKey.generate(), later(5)), rotation(OTHER, new, later(1)))

    assert list(kept.catalogue.charters()) == sorted(charters, key=lambda one: one.charter.instance_id.text)
    assert list(kept.catalogue.rotations()) == [rotation(OTHER, new, later(1))]
    with kept.catalogue.changing() as changes:
        assert changes.charter(ORIGIN.instance_id) == charters[0]
        assert changes.charter(new.instance_id) is None
        assert changes.rotation(OTHER.instance_id) == rotation(OTHER, new, later(1))
        assert changes.rotation(new.instance_id) is None
        trust = changes.trust()
    assert trust.may_steward(new.instance_id, ORIGIN.instance_id, later(2))
    assert not trust.may_steward(OTHER.instance_id, ORIGIN.instance_id, later(2))


def test_rotations_are_in_the_order_in_which_they_were_made(kept: Kept) -> None:
    """The oldest first."""
    keys = [InstanceKey.generate() for _ in range(4)]
    made = [rotation(old, new, later(number)) for number, (old, new) in enumerate(itertools.pairwise(keys))]
    kept.know(made[1], made[2], made[0])

    assert list(kept.catalogue.rotations()) == made


def test_a_census_counts_records_about_packages_without_tags(kept: Kept) -> None:
    """Manifests of that origin, and what that author said about packages of any origin; no later than asked for, and none refused."""
    kept.save(a_package(b"0", state=PackageState.REFUSED))
    mine, tagged, late = a_package(b"1"), a_package(b"2", tags=frozenset({"test"})), a_package(b"3", created=NOON + dt.timedelta(seconds=1))
    kept.save(mine, tagged, late)
    own, others, after = said(mine), said(mine, author=OTHER), said(mine, MetaField.TAGS, value=(), stamp=later(2))
    kept.say(mine, own, others, after)
    kept.say(tagged, said(tagged))

    assert kept.catalogue.census(ORIGIN.instance_id, later(1)) == Census(2, digest_of([mine.manifest_digest, own.digest]))
    assert kept.catalogue.census(ORIGIN.instance_id, later(2)).count == 3
    assert kept.catalogue.census(ORIGIN.instance_id, later(1000)).count == 4
    assert kept.catalogue.census(OTHER.instance_id, later(0)) == Census(1, digest_of([others.digest]))
    assert kept.catalogue.census(InstanceKey.generate().instance_id, later(9999)) == Census()


def test_a_flag_is_news_when_it_changes(kept: Kept) -> None:
    """Each kind and whom it is about for itself; forgetting what is not there is no news."""
    with kept.catalogue.changing() as changes:
        assert changes.flag("stale", "A", "yes")
        assert not changes.flag("stale", "A", "yes")
        assert changes.flag("stale", "A", "very")
        assert not changes.flag("stale", "B", None)
        assert changes.flag("census", "A", "differs")
    with kept.catalogue.changing() as changes:
        assert changes.flag_value("stale", "A") == "very"
        assert changes.flag_value("stale", "B") == ""
        assert changes.flag("stale", "A", None)
        assert changes.flag_value("stale", "A") == ""
        assert changes.flag_value("census", "A") == "differs"


def test_trust_follows_every_charter_and_rotation(kept: Kept) -> None:
    """Within a transaction and after it; what was rolled back never was."""
    new = InstanceKey.generate()
    kept.know(charter(ORIGIN))

    def steward_of_origin(key: InstanceKey, milliseconds: int = 9) -> bool:
        with kept.catalogue.changing() as changes:
            return changes.trust().may_steward(key.instance_id, ORIGIN.instance_id, later(milliseconds))

    assert not steward_of_origin(OTHER)
    naming = charter(ORIGIN, stewards=[OTHER], stamp=later(1))
    with suppress(Conflict), kept.catalogue.changing() as changes:
        assert not changes.trust().may_steward(OTHER.instance_id, ORIGIN.instance_id, later(9))
        changes.save_charter(naming)
        changes.stamp(charter_row(naming.charter, naming.envelope))
        assert changes.trust().may_steward(OTHER.instance_id, ORIGIN.instance_id, later(9))
        raise Conflict
    assert not steward_of_origin(OTHER)
    kept.know(naming)
    assert steward_of_origin(OTHER)
    kept.know(rotation(OTHER, new, later(2)))
    assert (steward_of_origin(OTHER), steward_of_origin(new)) == (False, True)
    kept.know(charter(ORIGIN, stamp=later(3)))
    assert not steward_of_origin(new)
