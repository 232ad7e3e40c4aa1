"""Claims about checkpoints, sealed files and the check of the audit log."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from services.directory.adapters.audit_files import HeadFile, SealedFiles
from services.directory.adapters.signer import KeySigner
from services.directory.domain.audit import Kept
from services.directory.domain.checkpoints import Pace
from services.directory.handlers.audit import AuditTrail
from services.directory.handlers.checkpointing import Checkpointing
from services.directory.handlers.sealing import Sealing
from services.directory.handlers.verifying import Verifying
from shared.contracts.events import PeerRevokedV1
from shared.contracts.happening import Happening
from shared.core.audit_chain import NOTHING, Link, Position
from shared.core.checkpoint import Receipt
from shared.core.errors import Conflict, InvalidInput, RecordInvalid
from shared.core.layout import Layout
from shared.runtime.keys import InstanceKey, open_checkpoint
from shared.testing.fakes.clock import FakeClock
from tests.unit.directory.directory_fakes import FakeAuditLog, FakeCheckpoints, FakeHead

DAY = 86400


@dataclass
class Keeping:
    """The audit log with everything around it; the files are real."""

    folder: Path

    def __post_init__(self) -> None:
        """Checkpoints after an hour or 100 entries; entries are kept for 30 days."""
        self.log, self.checkpoints, self.head, self.clock = FakeAuditLog(), FakeCheckpoints(), FakeHead(), FakeClock()
        self.key, self.seals = InstanceKey.generate(), SealedFiles(Layout(self.folder))
        self.signer = KeySigner(self.key)
        self.trail = AuditTrail(self.log, self.head)
        self.checkpointing = Checkpointing(self.log, self.checkpoints, self.head, self.signer, Pace(3600, 100), self.clock)
        self.sealing = Sealing(self.log, self.seals, dt.timedelta(days=30), self.clock)
        self.verifying = Verifying(self.log, self.checkpoints, self.seals, self.head, self.signer)
        self._written = 0

    def write(self, number: int) -> None:
        """As many entries as asked for."""
        for _ in range(number):
            self._written += 1
            self.trail.write_down(PeerRevokedV1(peer_id="P", name=f"peer {self._written}"), Happening(f"e{self._written}", self.clock()))

    def report(self) -> list[dict[str, Any]]:
        """All portions of a check."""
        found = [self.verifying.verify_audit(None)]
        while found[-1]["next"] is not None:
            found.append(self.verifying.verify_audit(found[-1]["next"]))
        return found

    def faults(self) -> list[tuple[str, int, int]]:
        """What is wrong."""
        return [(fault["kind"], fault["first"], fault["last"]) for portion in self.report() for fault in portion["faults"]]

    def harm(self, number: int) -> None:
        """Edit an entry."""
        kept = self.log.kept[number - 1]
        self.log.kept[number - 1] = replace(kept, entry=replace(kept.entry, person="nobody"))

    def write_anew(self, first: int) -> None:
        """Edit an entry, and make all later hashes anew."""
        self.harm(first)
        before = self.log.kept[first - 2].hash if first > 1 else NOTHING
        for place in range(first - 1, len(self.log.kept)):
            link = self.log.kept[place].entry.link(Position(place, before))
            self.log.kept[place] = Kept(link.number, self.log.kept[place].entry, link.previous, link.hash)
            before = link.hash


@pytest.fixture
def keeping(tmp_path: Path) -> Keeping:
    """Nothing is written yet."""
    return Keeping(tmp_path)


def numbers(keeping: Keeping) -> list[int]:
    """Of the checkpoints that were made."""
    return [one.at.number for one in keeping.checkpoints.made]


def test_a_checkpoint_is_made_after_a_time_or_so_many_entries(keeping: Keeping) -> None:
    """At once for the first entries; never for nothing; each names the one before."""
    keeping.checkpointing.step()
    keeping.write(3)
    keeping.checkpointing.step()
    keeping.write(99)
    keeping.checkpointing.step()
    assert numbers(keeping) == [3]

    keeping.write(1)
    keeping.checkpointing.step()
    keeping.write(1)
    keeping.clock.pass_seconds(3599)
    keeping.checkpointing.step()
    assert numbers(keeping) == [3, 103]

    keeping.clock.pass_seconds(1)
    keeping.checkpointing.step()
    keeping.clock.pass_seconds(9999)
    keeping.checkpointing.step()
    assert numbers(keeping) == [3, 103, 104]
    first, second, third = (open_checkpoint(one.envelope) for one in keeping.checkpoints.made)
    assert (first.previous, second.previous, third.previous) == (None, first.at, second.at)
    assert third.at == keeping.log.newest()


def test_a_new_key_signs_as_soon_as_there_is_something_new(keeping: Keeping) -> None:
    """And until it has, peers are shown nothing: what the old key signed is not ours to show."""
    keeping.write(3)
    keeping.checkpointing.step()
    keeping.checkpointing.signer = keeping.verifying.signer = KeySigner(InstanceKey.generate())
    assert keeping.checkpointing.latest_checkpoint() is None

    keeping.write(1)
    keeping.checkpointing.step()

    assert numbers(keeping) == [3, 4]
    assert keeping.checkpointing.latest_checkpoint()["number"] == 4  # type: ignore[index]
    (portion,) = keeping.report()
    assert (portion["checkpoints"], portion["other_keys"], portion["faults"]) == (3, 1, [])


def test_nothing_is_signed_while_the_log_is_not_what_is_remembered(keeping: Keeping) -> None:
    """A signature would make respectable what somebody wrote anew."""
    keeping.write(5)
    keeping.checkpointing.step()
    keeping.write_anew(2)
    keeping.write(1)
    keeping.clock.pass_seconds(DAY)
    keeping.checkpointing.step()

    assert numbers(keeping) == [5]
    assert keeping.checkpointing.figures() == {"audit_checkpoint": 5, "audit_witnesses": 0, "audit_broken": 1}
    assert keeping.head.stuck


def receipt(keeping: Keeping, witness: InstanceKey, at: Position) -> str:
    """What a peer signed about this log."""
    made = Receipt(keeping.key.instance_id, at, witness.instance_id, witness.public_bytes, keeping.clock())
    return base64.b64encode(witness.sign_receipt(made)).decode()


def test_receipts_of_peers_are_kept(keeping: Keeping) -> None:
    """And then those peers have witnessed; what is signed by another, or about something else, is refused."""
    witness, other = InstanceKey.generate(), InstanceKey.generate()
    keeping.write(5)
    keeping.checkpointing.step()
    at, peer_id = keeping.log.newest(), str(witness.instance_id)

    with pytest.raises(RecordInvalid):
        keeping.checkpointing.keep_receipt(peer_id, receipt(keeping, other, at))
    with pytest.raises(Conflict):
        keeping.checkpointing.keep_receipt(peer_id, receipt(keeping, witness, Position(5, "f" * 64)))
    with pytest.raises(Conflict):
        keeping.checkpointing.keep_receipt(peer_id, receipt(keeping, witness, Position(4, at.hash)))
    for _ in range(2):
        keeping.checkpointing.keep_receipt(peer_id, receipt(keeping, witness, at))

    told = keeping.checkpointing.latest_checkpoint() or {}
    assert (told["number"], told["witnesses"]) == (5, [peer_id])
    assert open_checkpoint(base64.b64decode(told["envelope"])).at == at
    assert keeping.checkpointing.figures()["audit_witnesses"] == 1


def test_old_entries_are_sealed_and_the_check_goes_on_over_them(keeping: Keeping) -> None:
    """A file a day, as soon as there is a day of them; numbers, chain and checkpoints go on."""
    keeping.write(5)
    keeping.checkpointing.step()
    keeping.clock.pass_seconds(DAY)
    keeping.write(5)
    keeping.clock.pass_seconds(30 * DAY)
    keeping.sealing.step()
    assert [link.number for link in keeping.log.links(0, 1)] == [1]

    keeping.clock.pass_seconds(1)
    keeping.sealing.step()
    keeping.sealing.step()
    assert [link.number for link in keeping.log.links(0, 1)] == [10], "the newest stays, whatever its age"
    keeping.write(2)

    first, second = keeping.report()
    assert (first["first"], first["last"], first["checkpoints"]) == (1, 9, 1)
    assert (second["first"], second["last"], second["faults"], first["faults"]) == (10, 12, [], [])
    assert [path.name for path in Layout(keeping.folder).audit.glob("*.gz")] == ["000000000001-000000000009.jsonl.gz"]


def sealed(keeping: Keeping) -> Path:
    """Nine entries in a file, and three that are not; the file."""
    keeping.write(10)
    keeping.checkpointing.step()
    keeping.clock.pass_seconds(32 * DAY)
    keeping.sealing.step()
    keeping.write(2)
    (path,) = Layout(keeping.folder).audit.glob("*.gz")
    return path


def test_a_sealed_file_that_is_gone_or_changed_is_named(keeping: Keeping) -> None:
    """What follows it is checked all the same."""
    path = sealed(keeping)
    content = path.read_bytes()

    path.write_bytes(content[:-20])
    assert keeping.faults() == [("unreadable", 1, 9)]
    path.unlink()
    assert keeping.faults() == [("missing", 1, 9)]
    path.write_bytes(content)
    assert keeping.faults() == []
    keeping.harm(1)
    assert keeping.faults() == [("edited", 10, 10)]


def test_what_was_tampered_with_is_not_sealed(keeping: Keeping) -> None:
    """It stays where it can be looked at."""
    keeping.write(10)
    keeping.harm(3)
    keeping.clock.pass_seconds(32 * DAY)
    keeping.sealing.step()

    assert keeping.faults() == [("edited", 3, 3)]
    assert list(Layout(keeping.folder).audit.glob("*.gz")) == []


def test_nothing_is_sealed_unless_that_is_set(keeping: Keeping) -> None:
    """By default the log is kept as it is."""
    keeping.write(10)
    keeping.clock.pass_seconds(5000 * DAY)
    Sealing(keeping.log, keeping.seals, None, keeping.clock).step()

    assert len(keeping.log.kept) == 10


def test_a_log_that_was_cut_is_named_though_its_chain_holds(keeping: Keeping) -> None:
    """By the file beside the database; by a checkpoint, if that file is gone too; and peers go on knowing if both are."""
    keeping.write(10)
    keeping.checkpointing.step()
    keeping.log.remove(8, 10)
    assert keeping.faults() == [("cut", 8, 10)]

    keeping.head.position = None
    assert keeping.faults() == [("cut", 8, 10)]

    held = [{"number": one.at.number, "hash": one.at.hash, "witness": "Kiel"} for one in keeping.checkpoints.made]
    keeping.checkpoints.made.clear()
    assert keeping.faults() == []
    (fault,) = keeping.verifying.compare_checkpoints(held)["faults"]
    assert (fault["kind"], fault["first"], fault["last"], "Kiel" in fault["detail"]) == ("cut", 8, 10, True)


def test_a_log_that_was_written_anew_is_named(keeping: Keeping) -> None:
    """By a checkpoint; by a receipt, if the checkpoints are gone; by what peers hold, if those are gone too."""
    witness = InstanceKey.generate()
    keeping.write(5)
    keeping.checkpointing.step()
    keeping.checkpointing.keep_receipt(str(witness.instance_id), receipt(keeping, witness, keeping.log.newest()))
    held = [{"number": 5, "hash": keeping.log.newest().hash, "witness": "Kiel"}]
    assert keeping.verifying.compare_checkpoints(held) == {"agree": 1, "faults": []}
    keeping.write(2)
    keeping.write_anew(4)
    keeping.head.position = None

    assert keeping.faults() == [("rewritten", 1, 5)]
    keeping.checkpoints.made.clear()
    assert keeping.faults() == [("rewritten", 1, 5)]
    keeping.checkpoints.given.clear()
    assert keeping.faults() == []
    told = keeping.verifying.compare_checkpoints(held)
    assert (told["agree"], [fault["kind"] for fault in told["faults"]]) == (0, ["rewritten"])


def test_what_peers_hold_of_sealed_entries_is_compared_too(keeping: Keeping) -> None:
    """Out of the file."""
    sealed(keeping)
    four = keeping.seals.after(3)[0]  # type: ignore[index]
    told = [{"number": 4, "hash": four.hash, "witness": "Kiel"}, {"number": 12, "hash": keeping.log.newest().hash, "witness": "Bonn"}]

    assert keeping.verifying.compare_checkpoints(told) == {"agree": 2, "faults": []}
    told[0]["hash"] = "f" * 64
    assert [fault["kind"] for fault in keeping.verifying.compare_checkpoints(told)["faults"]] == ["rewritten"]


def test_a_checkpoint_that_was_tampered_with_is_named(keeping: Keeping) -> None:
    """It is signed, so it cannot be made to say something else."""
    keeping.write(5)
    keeping.checkpointing.step()
    forged = keeping.checkpoints.made[0]
    keeping.checkpoints.made[0] = replace(forged, envelope=forged.envelope.replace(b'"sig": "', b'"sig": "0'))

    assert keeping.faults() == [("edited", 5, 5)]


def test_a_long_log_is_checked_in_portions(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry once; faults on the seam are found."""
    monkeypatch.setattr("services.directory.handlers.verifying.PORTION", 4)
    keeping.write(10)
    assert [(one["first"], one["last"]) for one in keeping.report()] == [(1, 4), (5, 8), (9, 10)]

    keeping.log.remove(4, 5)
    assert keeping.faults() == [("missing", 4, 5)]


@pytest.mark.parametrize("after", ["", "7", f"7.{NOTHING}", f"7.{'x' * 64}.0", 7, ["7"]])
def test_a_made_up_place_is_refused(keeping: Keeping, after: Any) -> None:
    """Whatever it is."""
    with pytest.raises(InvalidInput) as caught:
        keeping.verifying.verify_audit(after)

    assert caught.value.code == "CURSOR_INVALID"


@pytest.mark.parametrize(
    "told", [None, [{}], [7], [{"number": 0, "hash": NOTHING, "witness": "x"}], [{"number": 1, "hash": 5, "witness": "x"}]]
)
def test_made_up_checkpoints_are_refused(keeping: Keeping, told: Any) -> None:
    """Whatever they are."""
    with pytest.raises(InvalidInput) as caught:
        keeping.verifying.compare_checkpoints(told)

    assert caught.value.code == "CHECKPOINTS_INVALID"


def a_link(number: int, previous: str = NOTHING) -> Link:
    """An entry of some log."""
    return Link.made({"number": number, "previous": previous})


def test_the_head_file_moves_on_only_with_the_log_that_it_knows(tmp_path: Path) -> None:
    """It never goes back, and stays at what was cut away or written anew."""
    head = HeadFile(Layout(tmp_path))
    first = a_link(1)
    second = a_link(2, first.hash)
    assert head.read() is None

    for link in (first, second, first):
        head.advance(link, lambda _: False)
    assert head.read() == Position(2, second.hash)
    head.advance(a_link(5), lambda position: position == Position(2, second.hash))
    assert head.read() == Position(5, a_link(5).hash)
    head.advance(a_link(6, "f" * 64), lambda _: False)
    assert head.read() == Position(5, a_link(5).hash)

    head.put_aside(Position(2, second.hash))
    assert head.read() == Position(5, a_link(5).hash)
    head.put_aside(Position(5, a_link(5).hash))
    assert head.read() is None
    assert len(list(Layout(tmp_path).audit.glob("head-5-*.json"))) == 1

    Layout(tmp_path).audit_head.write_text("nonsense")
    assert head.read() is None


def test_one_process_seals_at_a_time(tmp_path: Path) -> None:
    """The other one does something else."""
    one, other = SealedFiles(Layout(tmp_path)), SealedFiles(Layout(tmp_path))

    with one.turn() as mine, other.turn() as theirs:
        assert (mine, theirs) == (True, False)
    with other.turn() as theirs:
        assert theirs
