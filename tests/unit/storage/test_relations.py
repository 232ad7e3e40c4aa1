"""Claims about charters, alarms about those of others, and our own key."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import pytest

from services.storage.domain.package import PackageState
from shared.contracts import events
from shared.core.charter import Census, Charter
from shared.core.errors import Conflict
from shared.core.meta import MetaField, digest_of
from shared.runtime.keys import open_charter, open_rotation
from shared.testing.builders import Signed, signed
from shared.testing.fakes.clock import NOON
from shared.testing.records import later
from tests.unit.storage.speaking import Author, document
from tests.unit.storage.storage_bench import Bench, Crash

HOUR = 3600
TAGS, DELETED = MetaField.TAGS, MetaField.DELETED
STEWARD, STRANGER = Author(), Author()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty storage that issues its charter every hour."""
    return Bench(tmp_path, charter_seconds=HOUR, instance_name="Kiel", staging_tags=("test",))


def charter_of(bench: Bench, instance_id: str | None = None) -> Charter:
    """The charter of an instance, by default our own, as the feed has it."""
    (envelope,) = charters(bench, instance_id or str(bench.key.instance_id))
    return open_charter(envelope)


def charters(bench: Bench, instance_id: str) -> list[bytes]:
    """The charters that are known of an instance."""
    return [one.envelope for one in bench.catalogue.charters() if str(one.charter.instance_id) == instance_id]


def test_a_charter_says_what_replication_declares(bench: Bench) -> None:
    """Who stewards, who did until when, who is revoked since when; and name and tags of the house."""
    former, revoked = Author(), Author()
    bench.declare(STEWARD, until={former: later(-5)}, revoked={revoked: later(-9)})

    charter = charter_of(bench)

    assert dict(charter.stewards) == {STEWARD.key.instance_id: None, former.key.instance_id: later(-5)}
    assert charter.revoked == ((revoked.key.instance_id, later(-9)),)
    assert (charter.name, charter.tags, charter.stamp) == ("Kiel", {"test"}, later(0))
    assert [item["kind"] for item in bench.feed()] == ["charter"]
    assert isinstance(bench.catalogue.dispatched[-1], events.CatalogueChangedV1)


def test_what_was_declared_already_is_no_news(bench: Bench) -> None:
    """In any order; a change is."""
    bench.declare(STEWARD, STRANGER)
    bench.declare(STRANGER, STEWARD)
    assert bench.do.feed.position()["seq"] == 1

    bench.declare(STEWARD, until={STRANGER: later(0)})

    assert bench.do.feed.position()["seq"] == 2
    assert charter_of(bench).stamp > later(0)


def test_a_charter_is_issued_anew_when_it_is_time(bench: Bench) -> None:
    """With the same relations; not before."""
    bench.declare(STEWARD)
    bench.clock.pass_seconds(HOUR)
    bench.do.relations.sweep()
    assert bench.do.feed.position()["seq"] == 1

    bench.clock.pass_seconds(1)
    bench.do.relations.sweep()
    bench.do.relations.sweep()

    assert bench.do.feed.position()["seq"] == 2
    assert charter_of(bench).stewards == ((STEWARD.key.instance_id, None),)


def test_a_charter_is_issued_anew_when_the_house_changed(tmp_path: Path) -> None:
    """Another name, or other tags, after a start."""
    bench = Bench(tmp_path)
    bench.declare(STEWARD)
    bench.settings = bench.settings.model_copy(update={"instance_name": "Lübeck", "staging_tags": ("production",)})
    bench.start()

    bench.do.relations.sweep()

    assert (charter_of(bench).name, charter_of(bench).tags) == ("Lübeck", {"production"})
    assert charter_of(bench).stewards == ((STEWARD.key.instance_id, None),)


def test_nobody_is_dismissed_before_replication_said_who_there_is(bench: Bench) -> None:
    """A storage that lost its database keeps silent: a charter without stewards would undo what they wrote, everywhere."""
    bench.do.relations.sweep()

    assert bench.catalogue.charters() == []


def test_a_charter_that_came_from_the_future_is_issued_anew(bench: Bench) -> None:
    """Our clock was ahead, others refused it; and again once that time has come, because some may have gone by it."""
    bench.clock.pass_seconds(10 * 60)
    bench.declare(STEWARD)
    bench.clock.pass_seconds(-10 * 60)

    bench.do.relations.sweep()
    assert charter_of(bench).stamp == later(0)
    bench.clock.pass_seconds(10 * 60)
    bench.do.relations.sweep()

    assert charter_of(bench).stamp > later(600_000)


# What others say, and keep silent about


def test_who_leaves_out_three_charters_is_told_once(bench: Bench) -> None:
    """Away, or withheld; told again only after it was heard in between."""
    bench.learn(charters=[STRANGER.charter()])
    for hours, alarms in ((3, 0), (1, 1), (1, 1)):
        bench.clock.pass_seconds(hours * HOUR)
        bench.do.relations.sweep()
        assert len(bench.events(events.InstanceStaleV1)) == alarms

    bench.learn(charters=[STRANGER.charter(stamp=later(5 * HOUR * 1000))])
    bench.do.relations.sweep()
    assert not next(one for one in bench.do.relations.instances()["items"] if one["instance_id"] == STRANGER.id)["stale"]
    bench.clock.pass_seconds(4 * HOUR)
    bench.do.relations.sweep()

    assert [event.instance_id for event in bench.events(events.InstanceStaleV1)] == [STRANGER.id] * 2


def test_nobody_waits_for_us_or_for_whom_we_revoked(bench: Bench) -> None:
    """Our own charter, an id that was rotated away, and an instance that is no longer trusted raise no alarm."""
    rotated, new = Author(), Author()
    bench.learn(charters=[STRANGER.charter(), rotated.charter()], rotations=[rotated.rotation(new, later(1))])
    bench.declare(revoked={STRANGER: later(1)})
    own = list(bench.catalogue.charters())
    bench.clock.pass_seconds(9 * HOUR)

    bench.do.relations.sweep()

    assert len(own) == 3
    assert bench.events(events.InstanceStaleV1) == []


class Witness:
    """An origin elsewhere that writes records and charters with an honest census."""

    def __init__(self) -> None:
        self.author, self.envelopes, self.issued = Author(), list[bytes](), 0

    def makes(self, name: str, seconds: int = 0) -> Signed:
        """A package without tags, made so long after noon."""
        package = signed(name.encode(), name, self.author.key, created=NOON + dt.timedelta(seconds=seconds))
        self.envelopes.append(package.envelope)
        return package

    def charter(self) -> bytes:
        """A charter, a second after the one before."""
        self.issued += 1
        digests = [hashlib.sha256(one).hexdigest() for one in self.envelopes]
        return self.author.charter(stamp=later(self.issued * 1000), census=Census(len(digests), digest_of(digests)))


def hear(bench: Bench, charter: bytes) -> None:
    """A charter arrives, and the sweep looks at it, twice."""
    bench.learn(charters=[charter])
    bench.do.relations.sweep()
    bench.do.relations.sweep()


def test_an_author_that_writes_all_the_time_is_silent_too(bench: Bench) -> None:
    """The next record is here before the sweep looks at a charter: only what was written by then is counted."""
    witness = Witness()
    for number in range(5):
        bench.learn(document(witness.makes(f"{number}.pkg")))
        charter = witness.charter()
        after = witness.makes(f"{number}-after.pkg", seconds=number + 2)
        said = witness.author.says(after, DELETED, stamp=later((number + 2) * 1000))
        witness.envelopes.append(said)
        bench.clock.pass_seconds(2)
        bench.learn(document(after, said), charters=[charter])
        bench.do.relations.sweep()

    assert bench.events(events.CensusDifferedV1) == []


def test_an_honest_census_is_silent(bench: Bench) -> None:
    """However much is written between two charters."""
    witness = Witness()
    for number in range(5):
        bench.learn(document(witness.makes(f"{number}.pkg")))
        hear(bench, witness.charter())
        bench.learn(document(witness.makes(f"{number}-after.pkg")))
        bench.do.relations.sweep()

    assert bench.events(events.CensusDifferedV1) == []


def test_what_was_stripped_on_the_way_is_an_alarm(bench: Bench) -> None:
    """Told once, after two charters that contradict what is here; over when it arrives, and a later case is told again."""
    witness = Witness()
    bench.learn(document(witness.makes("here.pkg")))
    missing = witness.makes("missing.pkg")
    hear(bench, witness.charter())
    assert bench.events(events.CensusDifferedV1) == []

    hear(bench, witness.charter())
    hear(bench, witness.charter())

    told = [(event.instance_id, event.written, event.arrived) for event in bench.events(events.CensusDifferedV1)]
    assert told == [(witness.author.id, 2, 1)]
    bench.learn(document(missing))
    bench.do.relations.sweep()
    witness.makes("also-missing.pkg")
    for _ in range(2):
        hear(bench, witness.charter())
    assert len(bench.events(events.CensusDifferedV1)) == 2


def test_a_stripped_meta_record_is_an_alarm(bench: Bench) -> None:
    """A hop that shows the package and hides its tombstone is found out; a retag to tags takes both out of the census."""
    witness = Witness()
    package = witness.makes("App.pkg")
    tombstone = witness.author.says(package, DELETED, stamp=later(1))
    witness.envelopes.append(tombstone)
    bench.learn(document(package))
    for _ in range(2):
        hear(bench, witness.charter())
    assert len(bench.events(events.CensusDifferedV1)) == 1

    bench.learn(document(package, tombstone))
    bench.do.relations.sweep()
    census = charter_of(bench, witness.author.id).census
    assert bench.catalogue.census(witness.author.key.instance_id, later(9000)) == census
    bench.learn(document(package, witness.author.says(package, TAGS, ("test",), later(2))))
    assert bench.catalogue.census(witness.author.key.instance_id, later(9000)) == Census()


# Our own key


def test_a_rotation_hands_everything_over(bench: Bench) -> None:
    """Both keys sign it; the new key's charter says what the old one's said; what we made stays ours, and we still write about it."""
    bench.declare(STEWARD)
    package_id, old = bench.uploaded(b"bytes", tags=["production"]), bench.key.instance_id

    answer = bench.do.relations.rotate("anna")

    assert (answer["old"], answer["new"]) == (str(old), str(bench.key.instance_id))
    (rotation,) = (open_rotation(one.envelope) for one in bench.catalogue.rotations())
    assert (rotation.old, rotation.new) == (old, bench.key.instance_id)
    assert charter_of(bench).stewards == ((STEWARD.key.instance_id, None),)
    assert bench.last(events.InstanceRotatedV1).new_id == answer["new"]
    assert bench.do.stewards.retag(package_id, ["test"], "anna")["state"] == "published"
    assert [one["is_self"] for one in bench.do.relations.instances()["items"]] == [True, True]


def test_another_instance_follows_a_rotation(bench: Bench, tmp_path: Path) -> None:
    """It takes what the new key writes about packages of the old one, and charters of the new one."""
    package_id = bench.uploaded(b"bytes")
    bench.declare()
    bench.do.relations.rotate("anna")
    bench.do.stewards.delete(package_id, "anna")

    other = Bench(tmp_path / "other")
    everything = bench.do.feed.records([package_id], ["*"], ["*"], None)
    refused = other.do.records.offer(everything["packages"], everything["charters"], everything["rotations"], "PEER")

    assert refused == {"refused": []}
    assert other.state_of(package_id) is PackageState.DELETED


def test_a_rotation_is_later_than_all_that_the_old_key_signed(bench: Bench) -> None:
    """Else what it signed just before would count nowhere."""
    package_id = bench.uploaded(b"bytes")
    for tags in (["test"], ["production"], ["test"]):
        bench.do.stewards.retag(package_id, tags, "anna")
    bench.declare(STEWARD)

    bench.do.relations.rotate("anna")
    bench.do.healing.sweep()

    assert bench.package(package_id).tags == {"test"}
    assert len(charters(bench, str(bench.key.instance_id))) == 1


def test_no_key_is_rotated_while_what_it_signed_lies_in_the_future(bench: Bench) -> None:
    """With a code; after the sweep has signed it anew, the rotation goes on."""
    bench.clock.pass_seconds(HOUR)
    bench.uploaded(b"bytes")
    bench.clock.pass_seconds(-HOUR)
    with pytest.raises(Conflict) as caught:
        bench.do.relations.rotate("anna")
    assert caught.value.code == "CLOCK_WAS_AHEAD"

    bench.sweep()

    assert bench.do.relations.rotate("anna")["new"]


@pytest.mark.parametrize("lost", ["everything after the first commit", "the charter of the new key"])
def test_a_rotation_that_was_interrupted_is_finished_by_the_sweep(bench: Bench, lost: str) -> None:
    """Wherever the process ended: no steward is lost on the way, not for a moment."""
    bench.declare(STEWARD)
    before, old = bench.do.feed.position()["seq"], bench.key
    if lost == "the charter of the new key":
        bench.catalogue.crashes = lambda changes: changes.seq > before + 1
    else:
        bench.signer.complete_rotation = crash  # type: ignore[method-assign, assignment]
    with pytest.raises(Crash):
        bench.do.relations.rotate("anna")
    bench.catalogue.crashes = lambda _: False
    vars(bench.signer).pop("complete_rotation", None)

    bench.start()
    bench.sweep()

    assert bench.key is not old
    assert charter_of(bench).stewards == ((STEWARD.key.instance_id, None),)
    stamps = [one.charter for one in bench.catalogue.charters() if one.charter.instance_id == bench.key.instance_id]
    assert all(one.stewards for one in stamps)
    assert len(bench.events(events.InstanceRotatedV1)) == 1
    assert len(bench.catalogue.rotations()) == 1


def crash(_: object) -> None:
    """The process ends before the new key takes its place."""
    raise Crash


def test_charters_go_on_after_a_rotation(bench: Bench) -> None:
    """The heartbeat is that of the new key."""
    bench.declare(STEWARD)
    bench.do.relations.rotate("anna")
    first = charter_of(bench).stamp
    bench.clock.pass_seconds(HOUR + 1)

    bench.do.relations.sweep()

    assert charter_of(bench).stamp > first
    assert charter_of(bench).stamp.time - first.time > dt.timedelta(hours=1)


def test_instances_are_listed_with_what_they_say(bench: Bench) -> None:
    """Whoever issued a charter that arrived here."""
    new = Author()
    bench.declare(STEWARD)
    bench.learn(
        charters=[STRANGER.charter(STEWARD, revoked={new: later(0)}, name="Emden", tags=frozenset({"test"}))],
        rotations=[STRANGER.rotation(new, later(1))],
    )

    listed = {one["instance_id"]: one for one in bench.do.relations.instances()["items"]}

    assert listed[STRANGER.id] == {
        "instance_id": STRANGER.id,
        "present_id": new.id,
        "name": "Emden",
        "tags": ["test"],
        "issued": "2026-11-03T12:00:00Z",
        "stale": False,
        "stewards": [STEWARD.id],
        "revoked": [new.id],
        "is_self": False,
    }
    assert listed[str(bench.key.instance_id)]["is_self"]
