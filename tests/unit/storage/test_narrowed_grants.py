"""Claims about changes by whom a grant lets touch some staging tags only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.storage.domain.narrowing import Within
from shared.core.errors import Forbidden, InvalidInput
from tests.unit.storage.storage_bench import Bench

TEST, BOTH = ["test"], ["test", "production"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty storage, as by default."""
    return Bench(tmp_path)


def refused(change: Callable[[], Any]) -> None:
    """It is outside of the grant, whatever else."""
    with pytest.raises(Forbidden) as caught:
        change()
    assert caught.value.code == "OUTSIDE_GRANT"


@pytest.mark.parametrize(
    ("tags", "within"), [(["test"], TEST), (["test"], BOTH), (["test", "production"], BOTH), ([], None), (["test"], None)]
)
def test_an_upload_may_have_the_tags_of_the_grant(bench: Bench, tags: list[str], within: list[str] | None) -> None:
    """All of them, or some."""
    assert bench.do.uploads.begin("x.pkg", 1, "ada", tags, within)["name"] == "x.pkg"


@pytest.mark.parametrize(("tags", "within"), [([], TEST), (["production"], TEST), (["test", "production"], TEST), (["test"], []), ([], [])])
def test_an_upload_outside_of_the_grant_is_refused_before_its_first_byte(bench: Bench, tags: list[str], within: list[str]) -> None:
    """Also one without tags, which would go everywhere; a grant within nothing lets nothing pass."""
    refused(lambda: bench.do.uploads.begin("x.pkg", 1, "ada", tags, within))


@pytest.mark.parametrize(
    ("before", "after", "within", "allowed"),
    [
        (["test"], ["test", "production"], ["production"], True),
        (["test", "production"], ["test"], ["production"], True),
        (["test"], ["test"], [], True),
        (["test"], ["production"], ["production"], False),
        (["test"], [], TEST, False),
        ([], ["test"], TEST, False),
        (["test"], ["development", "test"], TEST, False),
        (["test"], ["production"], None, True),
        (["test"], [], None, True),
    ],
)
def test_tags_are_added_and_taken_off_within_the_grant(
    bench: Bench, before: list[str], after: list[str], within: list[str] | None, *, allowed: bool
) -> None:
    """Only those; and never from, or to, a package without tags."""
    package_id = bench.uploaded(b"content", "x.pkg", before)

    if allowed:
        assert bench.do.stewards.retag(package_id, after, "ada", within)["tags"] == sorted(after)
    else:
        refused(lambda: bench.do.stewards.retag(package_id, after, "ada", within))


@pytest.mark.parametrize(("tags", "within"), [([], TEST), (["production"], TEST), (["test", "production"], TEST), (["test"], [])])
def test_packages_outside_of_the_grant_are_not_touched(bench: Bench, tags: list[str], within: list[str]) -> None:
    """Neither deleted, nor brought back, nor raised."""
    package_id = bench.uploaded(b"content", "x.pkg", tags)
    do = bench.do.stewards

    refused(lambda: do.delete(package_id, "ada", within))
    refused(lambda: do.raise_(package_id, "ada", within))
    do.delete(package_id, "root")
    refused(lambda: do.undelete(package_id, "ada", within))
    assert do.undelete(package_id, "root")["state"] == "published"


def test_packages_within_the_grant_are(bench: Bench) -> None:
    """All three."""
    package_id = bench.uploaded(b"content", "x.pkg", ["test"])
    do = bench.do.stewards

    assert do.delete(package_id, "ada", BOTH)["state"] == "deleted"
    assert do.undelete(package_id, "ada", BOTH)["state"] == "published"
    assert do.raise_(package_id, "ada", BOTH)["raised"] is not None


def test_what_counts_are_the_tags_in_the_transaction_of_the_change(bench: Bench) -> None:
    """A package that loses the grant's tag while somebody reads it is not touched any more."""
    package_id = bench.uploaded(b"content", "x.pkg", ["test"])
    look, stewards = bench.catalogue.package, bench.do.stewards

    def look_and_be_late(wanted: str) -> Any:
        found = look(wanted)
        bench.catalogue.package = look
        stewards.retag(package_id, ["production"], "root")
        return found

    bench.catalogue.package = look_and_be_late

    refused(lambda: stewards.delete(package_id, "ada", TEST))


def test_a_promotion_is_to_a_stage_within_the_grant(bench: Bench) -> None:
    """Asking for it, and deciding about it."""
    package_id = bench.uploaded(b"content", "x.pkg", ["test"])
    do = bench.do.promotions

    refused(lambda: do.promote(package_id, "production", None, "ada", TEST))
    later = "2026-11-04T12:00:00Z"
    asked = do.promote(package_id, "production", later, "ada", ["production"])
    refused(lambda: do.approve(asked["promotion_id"], "ben", TEST))
    refused(lambda: do.reject(asked["promotion_id"], "ben", "no", TEST))

    assert do.reject(asked["promotion_id"], "ben", "no", ["production"])["state"] == "rejected"


@pytest.mark.parametrize("junk", ["test", 3, ["Bad Tag"], [None], {"test": 1}])
def test_a_grant_that_cannot_be_read_lets_nothing_pass(junk: Any) -> None:
    """It is bad input, and no missing limit."""
    with pytest.raises(InvalidInput):
        Within.read(junk)
