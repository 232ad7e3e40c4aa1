"""Claims about promotions: from a wish to a tag."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.contracts import events
from shared.core.errors import Conflict, Forbidden, InvalidInput, NotFound, ServiceUnavailable
from shared.core.meta import MetaField
from shared.core.times import rfc3339
from shared.testing.builders import signed
from tests.unit.storage.speaking import Author
from tests.unit.storage.storage_bench import Bench, Crash

NOTHING = "3f0e8a2c-5b1d-4c7e-9a60-1f2e3d4c5b6a"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty storage that asks for a second person before production."""
    return Bench(tmp_path, approval_stages=("production",))


@pytest.fixture
def package_id(bench: Bench) -> str:
    """A package in development."""
    return bench.uploaded(b"bytes", tags=["development"])


def tags(bench: Bench, package_id: str) -> set[str]:
    """Its tags now."""
    return set(bench.package(package_id).tags)


def test_a_promotion_is_to_the_next_stage(bench: Bench, package_id: str) -> None:
    """It keeps the stages that it has, and it is a record like any other; no bytes are wanted."""
    promotion = bench.do.promotions.promote("App.pkg", None, None, "anna")

    assert (promotion["stage"], promotion["state"], promotion["requested_by"]) == ("test", "done", "anna")
    assert tags(bench, package_id) == {"development", "test"}
    assert bench.said[-3:] == ["promotion.requested.v1", "package.retagged.v1", "promotion.ended.v1"]
    assert "package.wanted.v1" not in bench.said
    assert bench.last(events.PackageRetaggedV1).person == "anna"


def test_a_promotion_can_name_its_stage(bench: Bench, package_id: str) -> None:
    """Also one further on."""
    promotion = bench.do.promotions.promote(package_id, "production", None, "anna")

    assert (promotion["stage"], promotion["state"]) == ("production", "waits_for_approval")


@pytest.mark.parametrize(
    ("stage", "at", "code"),
    [
        ("staging", None, "STAGE_UNKNOWN"),
        ("development", None, "ALREADY_THERE"),
        ("test", "tomorrow", "TIME_INVALID"),
        ("test", "2026-11-04T12:00:00", "TIME_INVALID"),
        ("test", "2026-11-02T12:00:00Z", "TIME_INVALID"),
        ("test", "2028-01-01T00:00:00Z", "TIME_INVALID"),
    ],
)
def test_what_cannot_be_is_refused(bench: Bench, package_id: str, stage: str, at: str | None, code: str) -> None:
    """With a code, and nothing is remembered."""
    with pytest.raises((InvalidInput, Conflict)) as caught:
        bench.do.promotions.promote(package_id, stage, at, "anna")

    assert caught.value.code == code  # type: ignore[attr-defined]
    assert bench.do.promotions.listed(10) == {"items": [], "next": None}


def test_after_the_last_stage_there_is_none(bench: Bench) -> None:
    """Nor where a package has none of the stages."""
    packages = [signed(b"1", "1.pkg", tags=frozenset({"production"})), signed(b"2", "2.pkg")]
    for package in packages:
        bench.offer(package)
        with pytest.raises(Conflict) as caught:
            bench.do.promotions.promote(package.package_id, None, None, "anna")
        assert caught.value.code == "STAGE_UNCLEAR"


def test_what_is_deleted_is_not_promoted(bench: Bench, package_id: str) -> None:
    """With a code."""
    bench.do.stewards.delete(package_id, "anna")

    with pytest.raises(Conflict) as caught:
        bench.do.promotions.promote(package_id, None, None, "anna")

    assert caught.value.code == "PACKAGE_DELETED"


def test_a_promotion_can_be_for_a_time(bench: Bench, package_id: str) -> None:
    """Nothing happens before, once it is due it happens once; the zone of the time does not matter."""
    promotion = bench.do.promotions.promote(package_id, "test", "2026-11-03T15:00:00+01:00", "anna")
    assert (promotion["state"], promotion["at"]) == ("scheduled", "2026-11-03T14:00:00Z")

    bench.clock.pass_seconds(2 * 3600 - 1)
    bench.do.promotions.sweep()
    assert tags(bench, package_id) == {"development"}
    bench.clock.pass_seconds(1)
    for _ in range(2):
        bench.do.promotions.sweep()

    assert tags(bench, package_id) == {"development", "test"}
    assert bench.said.count("package.retagged.v1") == bench.said.count("promotion.ended.v1") == 1
    (listed,) = bench.do.promotions.listed(10)["items"]
    assert (listed["state"], listed["ended"]) == ("done", rfc3339(bench.clock()))


def test_a_guarded_stage_waits_for_a_second_person(bench: Bench, package_id: str) -> None:
    """Who approved is written down beside who asked."""
    asked = bench.do.promotions.promote(package_id, "production", None, "anna")
    bench.do.promotions.sweep()
    assert tags(bench, package_id) == {"development"}

    approved = bench.do.promotions.approve(asked["promotion_id"], "ben")

    assert (approved["state"], approved["approved_by"]) == ("done", "ben")
    assert tags(bench, package_id) == {"development", "production"}
    assert bench.last(events.PackageRetaggedV1).person == "anna, approved by ben"


def test_who_asked_cannot_approve(bench: Bench, package_id: str) -> None:
    """And nothing has changed by the try."""
    asked = bench.do.promotions.promote(package_id, "production", None, "anna")

    with pytest.raises(Forbidden) as caught:
        bench.do.promotions.approve(asked["promotion_id"], "anna")

    assert caught.value.code == "SAME_PERSON"
    assert bench.do.promotions.listed(10)["items"] == [asked]


def test_an_approved_promotion_keeps_its_time(bench: Bench, package_id: str) -> None:
    """Approved before: it is done when it is due. Approved after: at once."""
    first = bench.do.promotions.promote(package_id, "production", "2026-11-03T13:00:00Z", "anna")
    assert bench.do.promotions.approve(first["promotion_id"], "ben")["state"] == "scheduled"

    bench.clock.pass_seconds(3600)
    bench.do.promotions.sweep()

    assert "production" in tags(bench, package_id)


def test_a_rejected_promotion_is_over(bench: Bench, package_id: str) -> None:
    """Whoever asked may take it back too; it says why, and it can be neither approved nor rejected again."""
    asked = bench.do.promotions.promote(package_id, "production", None, "anna")

    rejected = bench.do.promotions.reject(asked["promotion_id"], "anna", "a typo")

    assert (rejected["state"], rejected["reason"]) == ("rejected", "anna: a typo")
    assert bench.last(events.PromotionEndedV1).state == "rejected"
    for again in (
        lambda: bench.do.promotions.approve(asked["promotion_id"], "ben"),
        lambda: bench.do.promotions.reject(asked["promotion_id"], "ben", ""),
    ):
        with pytest.raises(Conflict) as caught:
            again()
        assert caught.value.code == "PROMOTION_ENDED"


def test_a_scheduled_promotion_can_be_rejected_until_it_is_due(bench: Bench, package_id: str) -> None:
    """And is not done after."""
    asked = bench.do.promotions.promote(package_id, "test", "2026-11-03T13:00:00Z", "anna")
    bench.do.promotions.reject(asked["promotion_id"], "ben", "not yet")
    bench.clock.pass_seconds(7200)

    bench.do.promotions.sweep()

    assert tags(bench, package_id) == {"development"}


def test_a_rejection_that_comes_first_counts(bench: Bench, package_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the sweep has read already that the promotion is due: no tag, one end."""
    asked = bench.do.promotions.promote(package_id, "test", "2026-11-03T13:00:00Z", "anna")
    bench.clock.pass_seconds(3600)
    due = bench.catalogue.due_promotions(bench.clock())
    monkeypatch.setattr(bench.catalogue, "due_promotions", lambda _now: due)
    bench.do.promotions.reject(asked["promotion_id"], "ben", "not yet")

    bench.do.promotions.sweep()

    assert tags(bench, package_id) == {"development"}
    assert [event.state for event in bench.events(events.PromotionEndedV1)] == ["rejected"]


def test_a_package_that_goes_everywhere_is_not_promoted(bench: Bench, package_id: str) -> None:
    """A promotion would take it from all who do not bear the stage: neither when it is asked for, nor when it is due."""
    bench.do.promotions.promote(package_id, "test", "2026-11-03T13:00:00Z", "anna")
    bench.do.stewards.write(package_id, MetaField.TAGS, lambda _: (), "ben")
    with pytest.raises(Conflict) as caught:
        bench.do.promotions.promote(package_id, "test", None, "anna")
    bench.clock.pass_seconds(3600)

    bench.do.promotions.sweep()

    (listed,) = bench.do.promotions.listed(10)["items"]
    assert caught.value.code == "STAGE_UNCLEAR"
    assert "STAGE_UNCLEAR" in listed["reason"]
    assert tags(bench, package_id) == set()


def test_what_was_deleted_meanwhile_is_not_promoted(bench: Bench, package_id: str) -> None:
    """The promotion failed, and says why; if the package is brought back, it is where it was."""
    bench.do.promotions.promote(package_id, "test", "2026-11-03T13:00:00Z", "anna")
    bench.do.stewards.delete(package_id, "anna")
    bench.clock.pass_seconds(3600)

    bench.do.promotions.sweep()

    (listed,) = bench.do.promotions.listed(10)["items"]
    assert listed["state"] == "failed"
    assert "PACKAGE_DELETED" in listed["reason"]
    assert tags(bench, package_id) == {"development"}


def test_who_is_no_steward_any_more_cannot_promote(bench: Bench) -> None:
    """The promotion failed, with the reason."""
    origin = Author()
    package = signed(origin=origin.key, tags=frozenset({"development"}))
    bench.offer(package)

    promotion = bench.do.promotions.promote(package.package_id, None, None, "anna")

    assert promotion["state"] == "failed"
    assert promotion["reason"].startswith("NOT_STEWARD")


def test_a_promotion_that_crashes_at_its_end_has_not_begun(bench: Bench, package_id: str) -> None:
    """Tag and end are one transaction; the sweep does both, once."""
    bench.catalogue.crashes = lambda changes: any(one.ended for one in changes.promotions.values())
    with pytest.raises(Crash):
        bench.do.promotions.promote(package_id, "test", None, "anna")
    bench.catalogue.crashes = lambda _: False
    assert tags(bench, package_id) == {"development"}

    for _ in range(2):
        bench.do.promotions.sweep()

    assert tags(bench, package_id) == {"development", "test"}
    assert bench.said.count("promotion.ended.v1") == 1


def test_promotions_are_listed_newest_first(bench: Bench, package_id: str) -> None:
    """As many as were asked for."""
    first = bench.do.promotions.promote(package_id, "test", None, "anna")
    bench.clock.pass_seconds(1)
    second = bench.do.promotions.promote(package_id, "production", None, "anna")

    ids = [one["promotion_id"] for one in bench.do.promotions.listed(10)["items"]]
    assert ids == [second["promotion_id"], first["promotion_id"]]
    assert len(bench.do.promotions.listed(1)["items"]) == 1


def test_a_promotion_that_is_not_there_is_not_found(bench: Bench) -> None:
    """Neither to approve nor to reject."""
    for question in (lambda: bench.do.promotions.approve(NOTHING, "ben"), lambda: bench.do.promotions.reject(NOTHING, "ben", "")):
        with pytest.raises(NotFound):
            question()


@pytest.mark.parametrize(("who", "right"), [("anna", "promote"), ("ben", "approve")])
def test_who_lost_the_right_meanwhile_promotes_nothing(bench: Bench, package_id: str, who: str, right: str) -> None:
    """Whoever asked, or approved, is asked about when the time has come; the reason says who."""
    asked = bench.do.promotions.promote(package_id, "production", "2026-11-03T13:00:00Z", "anna")
    bench.do.promotions.approve(asked["promotion_id"], "ben")
    bench.people.lost[who, right] = f"{who} may not come in any more"

    bench.clock.pass_seconds(3600)
    bench.do.promotions.sweep()

    (ended,) = bench.do.promotions.listed(10)["items"]
    assert (ended["state"], ended["reason"]) == ("failed", f"FORBIDDEN: {who} may not come in any more")
    assert tags(bench, package_id) == {"development"}
    assert bench.last(events.PromotionEndedV1).state == "failed"


def test_who_is_just_let_in_is_not_asked_about_and_who_asked_earlier_is(bench: Bench, package_id: str) -> None:
    """A promotion at once needs no directory; an approval asks about whoever wanted it."""
    bench.do.promotions.promote(package_id, "test", None, "anna")
    asked = bench.do.promotions.promote(package_id, "production", None, "anna")
    bench.do.promotions.approve(asked["promotion_id"], "ben")

    assert bench.people.asked == [("anna", "promote", "production")]


def test_while_directory_is_away_a_promotion_waits(bench: Bench, package_id: str) -> None:
    """Whether it is due by its time or by an approval; it is done when directory answers."""
    asked = bench.do.promotions.promote(package_id, "production", None, "anna")
    bench.people.is_away = True

    assert bench.do.promotions.approve(asked["promotion_id"], "ben")["state"] == "scheduled"
    with pytest.raises(ServiceUnavailable):
        bench.do.promotions.sweep()
    assert tags(bench, package_id) == {"development"}
    bench.people.is_away = False
    bench.do.promotions.sweep()

    assert tags(bench, package_id) == {"development", "production"}
