"""Stand-ins for the outside of the directory service; they pass the same suites as the real ones."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.directory.domain.audit import Entry, Kept
from services.directory.domain.checkpoints import KeptCheckpoint, KeptReceipt
from services.directory.domain.groups import GroupGrant
from services.directory.domain.keyed_requests import KeyedRequest
from services.directory.domain.pending_logins import MOST, MOST_FROM_ADDRESS, PendingLogin
from services.directory.domain.people import Credentials, Everybody, Person
from services.directory.domain.search import Search
from services.directory.domain.sessions import Session
from services.directory.domain.throttle import Failures, Rule
from services.directory.domain.tokens import Token
from shared.core.audit_chain import Link, Position
from shared.core.errors import TooMany


@dataclass
class FakeRegister:
    """`Register` in memory."""

    kept_people: dict[str, Person] = field(default_factory=dict)
    kept: dict[str, Token] = field(default_factory=dict)
    kept_sessions: dict[str, Session] = field(default_factory=dict)
    uses_written: int = 0

    def has_people(self) -> bool:
        """True if anybody was ever added."""
        return bool(self.kept_people)

    def add_first(self, person: Person, token: Token, hand_over: Callable[[], None]) -> bool:
        """Add the first person with a token."""
        if self.kept_people:
            return False
        hand_over()
        self.kept_people[person.person_id] = person
        self.kept[token.token_id] = token
        return True

    def people(self) -> Sequence[Person]:
        """All people, by name."""
        return sorted(self.kept_people.values(), key=lambda person: person.key)

    def person(self, person_id: str) -> Person | None:
        """A person by id."""
        return self.kept_people.get(person_id)

    def named(self, key: str) -> Person | None:
        """Who has, or had, this name."""
        return next((person for person in self.kept_people.values() if person.key == key), None)

    def known_as(self, subject: str) -> Person | None:
        """Who has, or had, this subject."""
        return next((person for person in self.kept_people.values() if person.subject == subject), None)

    def add_person(self, person: Person) -> bool:
        """Keep somebody new."""
        if self.named(person.key) is not None or (person.subject is not None and self.known_as(person.subject) is not None):
            return False
        self.kept_people[person.person_id] = person
        return True

    def change_person(self, person_id: str, when: dt.datetime, change: Callable[[Person, Everybody], Person]) -> Person:
        """Replace a person, and end what they must lose."""
        changed = change(self.kept_people[person_id], self._everybody())
        self.kept_people[person_id] = changed
        for session in [one for one in self.kept_sessions.values() if one.person_id == person_id and one.epoch != changed.epoch]:
            del self.kept_sessions[session.session_id]
        for token in [one for one in self.kept.values() if one.person_id == person_id and changed.tokens_end]:
            self.kept[token.token_id] = replace(token, revoked=token.revoked or when)
        return changed

    def bearer(self, sha256: str) -> tuple[Token, Person] | None:
        """The token with this SHA-256, and whose it is."""
        token = next((token for token in self.kept.values() if token.sha256 == sha256), None)
        return None if token is None or token.person_id not in self.kept_people else (token, self.kept_people[token.person_id])

    def tokens(self) -> Sequence[Token]:
        """All tokens, newest first."""
        return sorted(self.kept.values(), key=lambda token: token.created, reverse=True)

    def ending(self, after: dt.datetime, before: dt.datetime) -> Sequence[tuple[Token, Person]]:
        """Tokens that expire between these times, with whose they are."""
        meant = [token for token in self.kept.values() if not token.revoked and token.expires and after < token.expires <= before]
        meant.sort(key=lambda token: (token.expires, token.token_id))
        return [(token, self.kept_people[token.person_id]) for token in meant if token.person_id in self.kept_people]

    def add_token(self, token: Token) -> None:
        """Keep a new token."""
        self.kept[token.token_id] = token

    def note_use(self, token_id: str, when: dt.datetime) -> None:
        """Write when a token was last used."""
        token = self.kept[token_id]
        self.kept[token_id] = replace(token, last_used=max(when, token.last_used or when))
        self.uses_written += 1

    def revoke_token(self, token_id: str, when: dt.datetime, check: Callable[[Everybody], None]) -> None:
        """Revoke a token, unless `check` raises."""
        check(self._everybody())
        token = self.kept[token_id]
        self.kept[token_id] = replace(token, revoked=token.revoked or when)

    def counts(self) -> dict[str, int]:
        """Numbers of people and tokens."""
        return {"people": len(self.kept_people), "tokens": len(self.kept)}

    def _everybody(self) -> Everybody:
        return Everybody(self.people(), self.tokens())


@dataclass
class FakeSessions:
    """`Sessions` in memory, beside a register."""

    register: FakeRegister

    def add(self, session: Session, created_before: dt.datetime, used_before: dt.datetime) -> None:
        """Keep a new session; those whose time is over go."""
        kept = self.register.kept_sessions
        for over in [one for one in kept.values() if one.created < created_before or one.last_used < used_before]:
            del kept[over.session_id]
        kept[session.session_id] = session

    def find(self, sha256: str) -> tuple[Session, Person] | None:
        """The session with this SHA-256, and whose it is."""
        found = next((one for one in self.register.kept_sessions.values() if one.sha256 == sha256), None)
        person = self.register.person(found.person_id) if found else None
        return (found, person) if found and person else None

    def note_use(self, session_id: str, when: dt.datetime) -> None:
        """Write when a session was last used."""
        kept = self.register.kept_sessions
        kept[session_id] = replace(kept[session_id], last_used=max(when, kept[session_id].last_used))

    def of(self, person_id: str) -> Sequence[Session]:
        """All sessions of a person, newest first."""
        theirs = [one for one in self.register.kept_sessions.values() if one.person_id == person_id]
        return sorted(theirs, key=lambda one: one.created, reverse=True)

    def end(self, person_id: str, session_id: str) -> bool:
        """Remove a session of this person."""
        if session_id not in {one.session_id for one in self.of(person_id)}:
            return False
        del self.register.kept_sessions[session_id]
        return True

    def count(self) -> int:
        """How many there are."""
        return len(self.register.kept_sessions)


@dataclass
class FakeAttempts:
    """`Attempts` in memory."""

    kept: dict[str, Failures] = field(default_factory=dict)

    def begin(self, rules: Mapping[str, Rule], now: dt.datetime) -> dt.timedelta:
        """Count an attempt, or say how long to wait."""
        wait = max(rule.wait(self.kept.get(key), now) for key, rule in rules.items())
        if not wait:
            self.kept |= {key: rule.after_failure(self.kept.get(key), now) for key, rule in rules.items()}
        return wait

    def wait(self, rules: Mapping[str, Rule], now: dt.datetime) -> dt.timedelta:
        """How long an attempt would have to wait."""
        return max(rule.wait(self.kept.get(key), now) for key, rule in rules.items())

    def forget(self, key: str) -> None:
        """Remember nothing under this key."""
        self.kept.pop(key, None)

    def give_back(self, rules: Mapping[str, Rule]) -> None:
        """One attempt did not fail."""
        self.kept |= {key: rule.after_success(self.kept[key]) for key, rule in rules.items() if key in self.kept}


@dataclass
class FakePendingLogins:
    """`PendingLogins` in memory."""

    kept: dict[str, PendingLogin] = field(default_factory=dict)

    def add(self, login: PendingLogin, created_before: dt.datetime) -> bool:
        """Keep a new one, unless there are too many."""
        self.kept = {key: one for key, one in self.kept.items() if one.created >= created_before}
        if len(self.kept) >= MOST or sum(one.address == login.address for one in self.kept.values()) >= MOST_FROM_ADDRESS:
            return False
        self.kept[login.state_sha256] = login
        return True

    def take(self, state_sha256: str, secret_sha256: str, created_after: dt.datetime) -> PendingLogin | None:
        """Remove one, and return it if it is young enough."""
        found = self.kept.get(state_sha256)
        if found is None or found.secret_sha256 != secret_sha256:
            return None
        del self.kept[state_sha256]
        return found if found.created > created_after else None


@dataclass
class FakeGroupGrants:
    """`GroupGrants` in memory."""

    kept: dict[str, GroupGrant] = field(default_factory=dict)

    def all(self) -> Sequence[GroupGrant]:
        """All of them, by group."""
        return sorted(self.kept.values(), key=lambda granted: (granted.key, granted.grant_id))

    def add(self, granted: GroupGrant) -> None:
        """Keep a new one."""
        self.kept[granted.grant_id] = granted

    def remove(self, grant_id: str) -> bool:
        """Forget one."""
        return self.kept.pop(grant_id, None) is not None


@dataclass
class FakeKeyedRequests:
    """`KeyedRequests` in memory."""

    kept: dict[str, KeyedRequest] = field(default_factory=dict)

    def take(self, wished: KeyedRequest, begun_before: dt.datetime, most: int) -> KeyedRequest | None:
        """Keep a new one, or say what is there."""
        self.forget(begun_before)
        theirs = [one for one in self.kept.values() if one.person_id == wished.person_id]
        known = next((one for one in theirs if one.key_sha256 == wished.key_sha256), None)
        if known is None and len(theirs) >= most:
            raise TooMany("too many", "TOO_MANY_KEYS")
        if known is None:
            self.kept[wished.request_id] = wished
        return known

    def end(self, request_id: str, when: dt.datetime, status: int, answer: Mapping[str, Any] | None, *, secret: bool) -> None:
        """Write down what was answered."""
        known = self.kept.get(request_id)
        if known is not None and known.ended is None:
            self.kept[request_id] = replace(known, ended=when, status=status, answer=answer, secret=secret)

    def release(self, request_id: str) -> None:
        """Forget one that was not answered."""
        if request_id in self.kept and self.kept[request_id].ended is None:
            del self.kept[request_id]

    def forget(self, begun_before: dt.datetime) -> None:
        """Forget older ones."""
        self.kept = {key: one for key, one in self.kept.items() if one.begun >= begun_before}


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

    def put_aside(self, position: Position) -> None:
        """Remember nothing."""
        if self.position == position:
            self.position = None


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


@dataclass
class FakePasswords:
    """Quick, and no secret; it counts what would take long."""

    computed: int = 0
    parameters: str = "new"

    def hash(self, password: str) -> str:
        """Anything but the password."""
        self.computed += 1
        return f"{self.parameters}:{hashlib.sha256(password.encode()).hexdigest()}"

    def verify(self, password_hash: str, password: str) -> bool:
        """True if it is that."""
        self.computed += 1
        return password_hash.partition(":")[2] == hashlib.sha256(password.encode()).hexdigest()

    def is_outdated(self, password_hash: str) -> bool:
        """True if it was made otherwise."""
        return not password_hash.startswith(f"{self.parameters}:")
