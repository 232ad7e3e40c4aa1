"""Rotation of the audit log: old entries go into sealed files. The chain goes on over them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from services.directory.ports import AuditLog, Seals
from shared.core.audit_chain import Position, check_run
from shared.runtime.logging import get_logger

log = get_logger(__name__)
MOST_SEALED = 10_000
"""Entries in one file."""
_COLLECTED = dt.timedelta(days=1)
"""Expired entries wait for so long, so that there is a file a day and not one for each entry."""


@dataclass
class Sealing:
    """Moves what is older than `keep` out of the database; nothing, if that is none."""

    log: AuditLog
    seals: Seals
    keep: dt.timedelta | None
    clock: Callable[[], dt.datetime]

    def step(self) -> None:
        """Seal one file, if there is enough for one."""
        if self.keep is None:
            return
        with self.seals.turn() as mine:
            if mine:
                self._seal(self.clock() - self.keep)

    def _seal(self, before: dt.datetime) -> None:
        if not self.log.expired(before - _COLLECTED, 1):
            return
        links = self.log.expired(before, MOST_SEALED)
        # What was tampered with stays where it is, to be looked at: a seal must not make it respectable.
        if check_run(links, Position(links[0].number - 1, links[0].previous)):
            log.error("audit_log_not_sealed", first=links[0].number, last=links[-1].number)
            return
        self.seals.write(links)
        self.log.remove(links[0].number, links[-1].number)
        log.info("audit_log_sealed", first=links[0].number, last=links[-1].number)
