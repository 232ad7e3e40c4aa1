"""Where everything lies on disk. One file system; every step between these folders is an atomic move.

::

    data/
      incoming/<id>.part            bytes not yet verified, preallocated; chunk i at i × 1 MiB
      incoming/<id>.chunks          its chunk-digest list, 52 bytes a chunk
      incoming/<id>.lock            of a resumable upload: whoever writes to it holds this
      blobs/sha256/ab/cd/<hex>         verified, immutable
      blobs/sha256/ab/cd/<hex>.chunks  chunk-digest list of that blob
      public/<name>                 what clients see: a hard link to a blob, replaced atomically
      quarantine/<id>[.note.json]   what failed a check, with a note of why
      databases/<service>.sqlite3
      records/ab/<package id>.json  signed records of what was made here: a lost database is filled from them
      feed-told.json                what peers were told of the change feed: an older database is noticed by it
      audit/<first>-<last>.jsonl.gz entries of the audit log that were moved out of its database
      audit/head.json               where the audit log ends: a log that was cut is noticed by it
      unsaid/<event id>.json        acts at the doors that the broker has not taken yet
      secrets/instance.key          mode 0600
      secrets/vault.keys            mode 0600: what encrypts secrets in the databases
      broker/  run/                 the private broker and the launcher, if this instance has them
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from shared.core.digest import Digest
from shared.core.names import PackageName

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths under one data folder. Every id is checked, so that no path leaves it."""

    root: Path

    @property
    def incoming(self) -> Path:
        """Folder of bytes that wait to be verified."""
        return self.root / "incoming"

    @property
    def blobs(self) -> Path:
        """Folder of verified bytes."""
        return self.root / "blobs" / "sha256"

    @property
    def public(self) -> Path:
        """Folder that clients see."""
        return self.root / "public"

    @property
    def quarantine(self) -> Path:
        """Folder of what failed a check."""
        return self.root / "quarantine"

    @property
    def databases(self) -> Path:
        """Folder of the SQLite files."""
        return self.root / "databases"

    @property
    def records(self) -> Path:
        """Folder of the signed records of packages that were made or written about here."""
        return self.root / "records"

    @property
    def feed_told(self) -> Path:
        """What peers were told of the change feed."""
        return self.root / "feed-told.json"

    @property
    def audit(self) -> Path:
        """Folder of sealed files of the audit log."""
        return self.root / "audit"

    @property
    def audit_head(self) -> Path:
        """Where the audit log ends."""
        return self.audit / "head.json"

    @property
    def unsaid(self) -> Path:
        """Folder of events that wait for the broker because their service keeps nothing else."""
        return self.root / "unsaid"

    @property
    def secrets(self) -> Path:
        """Folder of keys and first-run credentials, mode 0700."""
        return self.root / "secrets"

    @property
    def vault_keys(self) -> Path:
        """Keys by which secrets in the databases are encrypted."""
        return self.secrets / "vault.keys"

    def part(self, incoming_id: str) -> Path:
        """Unverified bytes of an upload or transfer."""
        return self.incoming / f"{_checked(incoming_id)}.part"

    def part_chunks(self, incoming_id: str) -> Path:
        """Chunk-digest list that belongs to `part`."""
        return self.incoming / f"{_checked(incoming_id)}.chunks"

    def part_lock(self, incoming_id: str) -> Path:
        """What a writer of `part` holds, if there may be several."""
        return self.incoming / f"{_checked(incoming_id)}.lock"

    def blob(self, sha256: Digest) -> Path:
        """Verified bytes by their SHA-256."""
        return self.blobs / sha256.hex[:2] / sha256.hex[2:4] / sha256.hex

    def blob_chunks(self, sha256: Digest) -> Path:
        """Chunk-digest list of a blob."""
        return self.blob(sha256).with_name(f"{sha256.hex}.chunks")

    def public_file(self, name: PackageName) -> Path:
        """What clients download under this name."""
        return self.public / name.text

    def quarantined(self, incoming_id: str) -> Path:
        """Where a refused part is kept."""
        return self.quarantine / _checked(incoming_id)


def _checked(incoming_id: str) -> str:
    if not _ID.fullmatch(incoming_id):
        raise ValueError(f"not an id: {incoming_id[:60]!r}")
    return incoming_id
