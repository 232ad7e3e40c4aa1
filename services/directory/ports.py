"""What the directory handlers need from outside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from services.directory.domain.accounts import Admit, Finding, Recognised, everybody
from services.directory.domain.audit import Entry, Kept
from services.directory.domain.checkpoints import KeptCheckpoint, KeptReceipt
from services.directory.domain.groups import GroupGrant
from services.directory.domain.keyed_requests import KeyedRequest
from services.directory.domain.pending_logins import PendingLogin, Proof, Returned
from services.directory.domain.people import Credentials, Everybody, Person
from services.directory.domain.search import Search
from services.directory.domain.sessions import Session
from services.directory.domain.throttle import Rule
from services.directory.domain.tokens import Token
from shared.core.audit_chain import Link, Position
from shared.core.errors import PermanentError


class Register(Protocol):
    """People and tokens, kept. Nobody is ever removed."""

    def has_people(self) -> bool:
        """True if anybody was ever added."""

    def add_first(self, person: Person, token: Token, hand_over: Callable[[], None]) -> bool:
        """Add the first person with a token, in one transaction; False, and nothing done, if there are people already.

        `hand_over` is called last before the commit; if it raises, nothing was added.
        """

    def people(self) -> Sequence[Person]:
        """All people, by name."""

    def person(self, person_id: str) -> Person | None:
        """A person by id."""

    def named(self, key: str) -> Person | None:
        """Who has, or had, this name, by its key."""

    def known_as(self, subject: str) -> Person | None:
        """Who has, or had, this subject at a source outside."""

    def add_person(self, person: Person) -> bool:
        """Keep somebody new; False, and nothing done, if the name or the subject was ever given."""

    def change_person(self, person_id: str, when: dt.datetime, change: Callable[[Person, Everybody], Person]) -> Person:
        """Replace a person, who is known, by what `change` makes of them, alone among all such changes; what was made.

        `change` sees everybody within the transaction, and may refuse by raising. With the change, whatever its person must lose
        ends: sessions of another epoch; tokens, if these end.
        """

    def bearer(self, sha256: str) -> tuple[Token, Person] | None:
        """The token with this SHA-256, and whose it is."""

    def tokens(self) -> Sequence[Token]:
        """All tokens, newest first."""

    def ending(self, after: dt.datetime, before: dt.datetime) -> Sequence[tuple[Token, Person]]:
        """Tokens that are not revoked and expire after `after`, and no later than `before`, with whose they are; in that order."""

    def add_token(self, token: Token) -> None:
        """Keep a new token."""

    def note_use(self, token_id: str, when: dt.datetime) -> None:
        """Write when a token was last used; an earlier time than the one that is there changes nothing."""

    def revoke_token(self, token_id: str, when: dt.datetime, check: Callable[[Everybody], None]) -> None:
        """Revoke a token, unless `check` refuses by raising; alone among all changes of people and tokens.

        `check` sees everybody within the transaction. A token that is revoked already keeps its time.
        """

    def counts(self) -> dict[str, int]:
        """Numbers of `people` and `tokens`."""


class Sessions(Protocol):
    """Sessions, kept until they end."""

    def add(self, session: Session, created_before: dt.datetime, used_before: dt.datetime) -> None:
        """Keep a new session; those that were created or last used before these times are over, and go."""

    def find(self, sha256: str) -> tuple[Session, Person] | None:
        """The session with this SHA-256, and whose it is."""

    def note_use(self, session_id: str, when: dt.datetime) -> None:
        """Write when a session was last used; forwards only."""

    def of(self, person_id: str) -> Sequence[Session]:
        """All sessions of a person, newest first."""

    def end(self, person_id: str, session_id: str) -> bool:
        """Remove a session of this person; False if there is none."""

    def count(self) -> int:
        """How many there are."""


class Attempts(Protocol):
    """Failed attempts to log in, remembered by key, also over restarts and between processes."""

    def begin(self, rules: Mapping[str, Rule], now: dt.datetime) -> dt.timedelta:
        """Count an attempt as failed under every key; or, if one of the keys has to wait, count nothing: the longest wait."""

    def wait(self, rules: Mapping[str, Rule], now: dt.datetime) -> dt.timedelta:
        """How long an attempt would have to wait; counts nothing."""

    def forget(self, key: str) -> None:
        """Remember nothing under this key."""

    def give_back(self, rules: Mapping[str, Rule]) -> None:
        """One attempt that was counted under these keys did not fail."""


class PendingLogins(Protocol):
    """Log-ins that were begun here and are finished elsewhere, also over restarts and between processes."""

    def add(self, login: PendingLogin, created_before: dt.datetime) -> bool:
        """Keep a new one; those that were created before this time go. False, and nothing kept, if there are too many."""

    def take(self, state_sha256: str, secret_sha256: str, created_after: dt.datetime) -> PendingLogin | None:
        """Remove the one with this state and this secret, and return it; none if there is none that is so young."""


class GroupGrants(Protocol):
    """What groups outside mean here."""

    def all(self) -> Sequence[GroupGrant]:
        """All of them, by group."""

    def add(self, granted: GroupGrant) -> None:
        """Keep a new one."""

    def remove(self, grant_id: str) -> bool:
        """Forget one; False if there is none."""


class KeyedRequests(Protocol):
    """Requests that came with an `Idempotency-Key`, kept for a while."""

    def take(self, wished: KeyedRequest, begun_before: dt.datetime, most: int) -> KeyedRequest | None:
        """Keep a new one, unless its person has one under this key already, which is then answered; alone among all that do so.

        Those that were begun before that time are forgotten first.

        Raises:
            TooMany: TOO_MANY_KEYS, if its person has `most` of them.
        """

    def end(self, request_id: str, when: dt.datetime, status: int, answer: Mapping[str, Any] | None, *, secret: bool) -> None:
        """Write down what was answered, once; of one that is not there, nothing."""

    def release(self, request_id: str) -> None:
        """Forget one that was not answered."""

    def forget(self, begun_before: dt.datetime) -> None:
        """Forget all that were begun before that time."""


class Accounts(Protocol):
    """A source of accounts outside of this instance."""

    def recognise(self, name: str, password: str, admit: Admit = everybody) -> Recognised:
        """Who logs in with this name and this password. A password that `admit` does not let be tried is as good as a wrong one.

        Raises:
            Unauthenticated: if nobody does.
            ServiceUnavailable: if the source is away, within 5 s.
        """

    def look_up(self, name: str) -> Recognised | None:
        """Who has this name now, without a proof; none if nobody has, or the account is closed.

        Raises:
            ServiceUnavailable: as above.
        """

    def examine(self, name: str | None = None) -> list[Finding]:
        """Try the connection step by step, and say what was found; with a name, also of whoever has it."""


class IdentityProvider(Protocol):
    """Who proves to us who somebody is, in their browser."""

    @property
    def shown_as(self) -> str:
        """What the button for it says."""

    def address_for(self, redirect_uri: str, state: str, proof: Proof) -> str:
        """The address to which a browser is sent.

        Raises:
            ServiceUnavailable: OIDC_UNAVAILABLE, if the provider is away, within 5 s.
        """

    def recognise(self, returned: Returned, redirect_uri: str, proof: Proof) -> Recognised:
        """Who came back, by what the provider says of them to us directly.

        Raises:
            Unauthenticated: OIDC_REFUSED, if that does not hold.
            Forbidden: OIDC_CLAIM_UNUSABLE, if it holds and says too little.
            ServiceUnavailable: as above.
        """

    def examine(self, redirect_uri: str) -> list[Finding]:
        """Try everything that can be tried without a person, step by step, and say what was found."""


class AuditLog(Protocol):
    """Entries, chained and numbered from 1 without gaps. Nothing in it is changed; the oldest may be moved out when they are sealed."""

    def append(self, entry: Entry) -> Link | None:
        """Write an entry down under the next number, chained to the one before; none, and nothing done, if its event is known."""

    def page(self, search: Search, limit: int, *, above: int = 0, below: int | None = None, oldest_first: bool = False) -> Sequence[Kept]:
        """Up to `limit` entries that are looked for, with numbers above and below these; newest first unless said otherwise."""

    def newest(self) -> Position:
        """Where the chain ends."""

    def links(self, after: int, limit: int) -> Sequence[Link]:
        """Up to `limit` entries above this number in their order, exactly as they are found: they may have been tampered with."""

    def hashes(self, numbers: Collection[int]) -> dict[int, str]:
        """The hashes that stand with these entries; those that are not there are left out."""

    def expired(self, before: dt.datetime, limit: int) -> Sequence[Link]:
        """The oldest entries, in order, up to the first that happened no earlier than that; never the newest one of all."""

    def remove(self, first: int, last: int) -> None:
        """Remove entries that were sealed."""


class Checkpoints(Protocol):
    """The checkpoints that were made here, and the receipts of peers."""

    def add(self, make: Callable[[KeptCheckpoint | None], KeptCheckpoint | None]) -> KeptCheckpoint | None:
        """Keep what `make` makes of the last one. Nobody else adds one meanwhile, in any process."""

    def latest(self) -> KeptCheckpoint | None:
        """The one with the greatest number."""

    def among(self, first: int, last: int | None) -> Sequence[KeptCheckpoint]:
        """Those of these entries, in their order; to the end, if `last` is none."""

    def add_receipt(self, receipt: KeptReceipt) -> None:
        """Keep a receipt; a second one of the same peer for the same entry replaces the first."""

    def receipts(self, first: int, last: int | None) -> Sequence[KeptReceipt]:
        """Those of these entries, in their order."""


class Seals(Protocol):
    """Entries that were moved out of the database, in sealed files."""

    def write(self, links: Sequence[Link]) -> None:
        """Write a file with these entries; returns when it is safely there."""

    def after(self, number: int) -> Sequence[Link] | None:
        """The entries above this number in the first file that has such; none if there is none.

        Raises:
            SealUnreadable: if there is one and it cannot be read.
        """

    def go_on(self, number: int) -> bool:
        """True if there is a file that should have entries above this number."""

    def turn(self) -> AbstractContextManager[bool]:
        """True for who may seal now: one process at a time."""


class SealUnreadable(PermanentError):
    """A sealed file of the audit log cannot be read."""

    default_code = "SEAL_UNREADABLE"

    def __init__(self, message: str, first: int, last: int) -> None:
        """The file should have the entries from `first` to `last`."""
        super().__init__(message)
        self.first, self.last = first, last


class Head(Protocol):
    """Where the audit log ends, remembered outside of its database."""

    def read(self) -> Position | None:
        """What is remembered; none if nothing is."""

    def advance(self, link: Link, is_known: Callable[[Position], bool]) -> None:
        """Remember that the log ends with this entry, if that is further than what is remembered.

        What is remembered and is not part of the log (`is_known` says no) is kept: it shows that the log was cut or written anew.
        """

    def put_aside(self, position: Position) -> None:
        """Keep what is remembered elsewhere, if it still is this: from the next entry on the log is guarded from its present end."""


class CheckpointSigner(Protocol):
    """The instance's key, for checkpoints; and who else signed what."""

    @property
    def instance_id(self) -> str:
        """Ours, now."""

    def sign(self, at: Position, previous: Position | None, time: dt.datetime) -> bytes:
        """The envelope of a checkpoint."""

    def read_checkpoint(self, envelope: bytes) -> tuple[str, Position]:
        """Whose it is and what it says.

        Raises:
            RecordInvalid: if it is none, or not signed by whom it says.
        """

    def read_receipt(self, envelope: bytes) -> KeptReceipt:
        """What it says; the peer is who signed it.

        Raises:
            RecordInvalid: as above.
        """


class HandOver(Protocol):
    """The way of the first credentials to the person who installs."""

    def write(self, credentials: Credentials) -> None:
        """Put them where only that person reads them; returns when they are safely there."""


class Passwords(Protocol):
    """Password hashing. Each call takes as long as a hash does.

    Raises:
        ServiceUnavailable: PASSWORDS_BUSY, if too many are under way.
    """

    def hash(self, password: str) -> str:
        """A salted, slow hash with its parameters."""

    def verify(self, password_hash: str, password: str) -> bool:
        """True if the hash was made from this password."""

    def is_outdated(self, password_hash: str) -> bool:
        """True if a hash that is made today has other parameters. Takes no time."""


Here = Callable[[], Collection[str]]
"""By which names this instance is known: its name, and its present id."""
