"""The first administrator's credentials, in a file that only its owner reads."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from pathlib import Path

from services.directory.domain.people import Credentials
from shared.runtime.logging import get_logger

log = get_logger(__name__)


class FirstAdminFile:
    """`HandOver` by a file `{user, password, token}`, mode 0600, there as a whole or not at all."""

    def __init__(self, path: Path) -> None:
        """The folder is made when it is needed, mode 0700."""
        self._path = path

    def write(self, credentials: Credentials) -> None:
        """Write the file, synced to disk; one that is there, from a start that did not commit, is replaced."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent)  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(dataclasses.asdict(credentials), file)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(self._path.parent)
        log.info("first_administrator_handed_over", file=str(self._path))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
