"""Stand-ins for the outside of the directory service; they pass the same suites as the real ones."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from services.directory.domain.audit import Entry, Kept
from services.directory.domain.checkpoints import KeptCheckpoint, KeptReceipt
from services.directory.domain.people import Credentials, Person
from services.directory.domain.search import Search
from services.directory.domain.tokens import Token
from shared.core.audit_chain import Link, Position


@dataclass
class FakeRegister:
    """`Register` in memory."""

    people: list[Person] = field(default_factory=list)
    kept: dict[str, Token] = field(default_factory=dict)
    uses_written: int = 0

    def has_people(self) -> bool:
        """True if anybody was ever added."""
        return bool(self.people)

    def add_first(self, person: Person, token: Token, hand_over: Callable[[], None]) -> bool:
        """Add the first person with a token."""
        if self.people:
            return False
        hand_over()
        self.people.append(person)
        self.kept[token.token_id] = token
        return True

    def find_token(self, sha256: str) -> Token | None:
        """The token with this SHA-256."""
        return next((token for token in self.kept.values() if token.sha256 == sha256), None)

    def tokens(self) -> Sequence[Token]:
        """All tokens, newest first."""
        return sorted(self.kept.values(), key=lambda token: token.created, reverse=True)

    def add_token(self, token: Token) -> None:
        """Keep a new token."""
        self.kept[token.token_id] = token

    def note_use(self, token_id: str, when: dt.datetime) -> None:
        """Write when a token was last used."""
        token = self.kept[token_id]
        self.kept[token_id] = replace(token, last_used=max(when, token.last_used or when))
        self.uses_written += 1

    def revoke_token(self, token_id: str, when: dt.datetime, check: Callable[[Sequence[Token]], None]) -> None:
        """Revoke a token, unless `check` raises."""
        check(self.tokens())
        token = self.kept[token_id]
        self.kept[token_id] = replace(token, revoked=token.revoked or when)

    def counts(self) -> dict[str, int]:
        """Numbers of people and tokens."""
        return {"people": len(self.people), "tokens": len(self.kept)}


@dataclass
class FakeAuditLog:
    """`AuditLog` in memory."""

    kept: list[Kept] = field(default_factory=list)

    def append(self, entry: Entry) -> Link | None:
        """Write down what is new."""
        if entry.event_id in {known.entry.event_id for known in self.kept}:
            return None
        link = entry.link(self.newest())
        self.kept.append(Kept(link.number, entry, link.previous, link.hash))
        return link

    def page(self, search: Search, limit: int, *, above: int = 0, below: int | None = None, oldest_first: bool = False) -> Sequence[Kept]:
        """Entries that are looked for."""
        meant = [one for one in self.kept if one.number > above and (below is None or one.number < below)]
        found = [one for one in meant if search.finds(one.entry, json.dumps(one.entry.data, ensure_ascii=False))]
        return (found if oldest_first else found[::-1])[:limit]

    def newest(self) -> Position:
        """Where the chain ends."""
        return Position(self.kept[-1].number, self.kept[-1].hash) if self.kept else Position()

    def links(self, after: int, limit: int) -> Sequence[Link]:
        """Entries above this number."""
        return [one.link for one in self.kept if one.number > after][:limit]

    def hashes(self, numbers: Collection[int]) -> dict[int, str]:
        """The hashes that stand with these entries."""
        return {one.number: one.hash for one in self.kept if one.number in numbers}

    def expired(self, before: dt.datetime, limit: int) -> Sequence[Link]:
        """The oldest entries, but never the newest one."""
        return [one.link for one in itertools.takewhile(lambda kept: kept.entry.time < before, self.kept[:-1])][:limit]

    def remove(self, first: int, last: int) -> None:
        """Remove entries that were sealed."""
        self.kept = [one for one in self.kept if not first <= one.number <= last]


@dataclass
class FakeHead:
    """`Head` in memory; `stuck` after it was told of a log that is not the one that it remembers."""

    position: Position | None = None
    stuck: bool = False

    def read(self) -> Position | None:
        """What is remembered."""
        return self.position

    def advance(self, link: Link, is_known: Callable[[Position], bool]) -> None:
        """Remember the end of the log."""
        known = self.position
        if known is not None and known.number >= link.number:
            return
        self.stuck = known is not None and known != Position(link.number - 1, link.previous) and not is_known(known)
        if not self.stuck:
            self.position = Position(link.number, link.hash)


@dataclass
class FakeCheckpoints:
    """`Checkpoints` in memory."""

    made: list[KeptCheckpoint] = field(default_factory=list)
    given: list[KeptReceipt] = field(default_factory=list)

    def add(self, make: Callable[[KeptCheckpoint | None], KeptCheckpoint | None]) -> KeptCheckpoint | None:
        """Keep what is made of the last one."""
        new = make(self.latest())
        self.made += [new] if new else []
        return new

    def latest(self) -> KeptCheckpoint | None:
        """The one with the greatest number."""
        return max(self.made, key=lambda one: one.at.number, default=None)

    def among(self, first: int, last: int | None) -> Sequence[KeptCheckpoint]:
        """Those of these entries."""
        return sorted((one for one in self.made if _within(one.at.number, first, last)), key=lambda one: one.at.number)

    def add_receipt(self, receipt: KeptReceipt) -> None:
        """Keep a receipt."""
        self.given = [one for one in self.given if (one.peer_id, one.at.number) != (receipt.peer_id, receipt.at.number)] + [receipt]

    def receipts(self, first: int, last: int | None) -> Sequence[KeptReceipt]:
        """Those of these entries."""
        return sorted((one for one in self.given if _within(one.at.number, first, last)), key=lambda one: one.at.number)


def _within(number: int, first: int, last: int | None) -> bool:
    return number >= first and (last is None or number <= last)


@dataclass
class FakeHandOver:
    """Remembers what was handed over."""

    written: list[Credentials] = field(default_factory=list)

    def write(self, credentials: Credentials) -> None:
        """Take the credentials."""
        self.written.append(credentials)


class FakePasswords:
    """Quick, and no secret."""

    def hash(self, password: str) -> str:
        """Anything but the password."""
        return f"hash of {len(password)} characters"
