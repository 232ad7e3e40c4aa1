"""The first administrator's credentials, in a file that only its owner reads."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from services.directory.domain.people import Credentials
from shared.runtime.logging import get_logger
from shared.runtime.secret_files import replace_file

log = get_logger(__name__)


class FirstAdminFile:
    """`HandOver` by a file `{user, password, token}`, mode 0600, there as a whole or not at all."""

    def __init__(self, path: Path) -> None:
        """The folder is made when it is needed, mode 0700."""
        self._path = path

    def write(self, credentials: Credentials) -> None:
        """Write the file, synced to disk; one that is there, from a start that did not commit, is replaced."""
        replace_file(self._path, json.dumps(dataclasses.asdict(credentials)).encode())
        log.info("first_administrator_handed_over", file=str(self._path))
