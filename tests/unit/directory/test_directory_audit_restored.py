"""Claims about the audit log after directory's database was restored from a backup."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.core.errors import Conflict
from tests.unit.directory.test_directory_audit_keeping import DAY, Keeping


@pytest.fixture
def keeping(tmp_path: Path) -> Keeping:
    """An empty log."""
    return Keeping(tmp_path)


def test_after_a_restored_backup_the_log_is_guarded_from_its_present_end_when_somebody_said_so(keeping: Keeping) -> None:
    """What is remembered is put aside, and checkpoints are made again; without a cut there is nothing to say."""
    keeping.write(5)
    keeping.checkpointing.step()
    keeping.write(5)
    with pytest.raises(Conflict) as nothing:
        keeping.checkpointing.acknowledge_restore()
    keeping.log.remove(8, 10)
    keeping.clock.pass_seconds(DAY)
    keeping.checkpointing.step()
    assert keeping.checkpointing.figures()["audit_broken"] == 1

    found = keeping.checkpointing.acknowledge_restore()
    keeping.write(1)
    keeping.checkpointing.step()

    assert nothing.value.code == "NOTHING_RESTORED"
    assert (found["remembered"], found["number"]) == (10, 7)
    assert keeping.checkpointing.figures() == {"audit_checkpoint": 8, "audit_witnesses": 0, "audit_broken": 0}
    assert keeping.faults() == []


def test_what_no_backup_does_cannot_be_acknowledged(keeping: Keeping) -> None:
    """A log that its own last checkpoint contradicts was cut or written anew, not restored."""
    keeping.write(5)
    keeping.checkpointing.step()
    keeping.write_anew(2)

    with pytest.raises(Conflict) as caught:
        keeping.checkpointing.acknowledge_restore()

    assert caught.value.code == "AUDIT_CONTRADICTED"
    assert keeping.head.read() is not None
