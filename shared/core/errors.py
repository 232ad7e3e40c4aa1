"""Every error of ODST, as one tree with codes.

The same code appears in the HTTP answer, in the log line, in the event and on the dead letter.

::

    OdstError
    ├── TransientError          try again later: the message goes to a delayed retry
    │   ├── ServiceUnavailable      SERVICE_UNAVAILABLE
    │   │   ├── DatabaseAway            DATABASE_AWAY
    │   │   ├── ServiceTimeout          SERVICE_TIMEOUT
    │   │   └── AnswerLost              ANSWER_LOST
    │   ├── InsufficientSpace       INSUFFICIENT_SPACE
    │   ├── TooMany                 TOO_MANY_REQUESTS and TOO_MANY_ATTEMPTS
    │   ├── Locked                  LOCKED
    │   ├── StillUnderWay           IDEMPOTENCY_IN_PROGRESS
    │   ├── SecretUnreadable        SECRET_UNREADABLE
    │   ├── PeerUnreachable         PEER_UNREACHABLE
    │   └── OutsideFailed           OUTSIDE_FAILED
    └── PermanentError          trying again cannot help: the message goes to the dead letters
        ├── InvalidInput            INPUT_INVALID and finer codes (NAME_INVALID, DIGEST_MALFORMED, …)
        │   ├── TooLarge                TOO_LARGE
        │   └── KeyReused               IDEMPOTENCY_KEY_REUSED
        ├── DigestMismatch          DIGEST_INVALID
        ├── RecordInvalid           RECORD_INVALID
        │   └── ManifestInvalid         MANIFEST_INVALID
        ├── RecordRefused           RECORD_REFUSED
        ├── ClockAhead              CLOCK_AHEAD
        ├── NotFound                NOT_FOUND
        ├── Gone                    GONE
        ├── Conflict                CONFLICT
        ├── PreconditionFailed      PRECONDITION_FAILED
        ├── Unauthenticated         UNAUTHENTICATED
        ├── Forbidden               FORBIDDEN
        ├── PeerLied                PEER_LIED
        └── Malformed               MESSAGE_MALFORMED
"""

from __future__ import annotations

from collections.abc import Mapping


class OdstError(Exception):
    """Base of all errors that ODST raises on purpose.

    `message` says what is wrong and what to do; `code` is stable and machine readable. Both are positional
    arguments, so that an error survives the journey over the bus (`from_wire`).
    """

    default_code = "INTERNAL"

    def __init__(self, message: str = "", code: str | None = None) -> None:
        self.message = message or self.__class__.__name__
        self.code = code or self.default_code
        super().__init__(self.message, self.code)

    def __str__(self) -> str:
        """The sentence for people, without the code."""
        return self.message


class TransientError(OdstError):
    """Something that passes: the same work may succeed later."""

    default_code = "TRANSIENT"


class ServiceUnavailable(TransientError):
    """A service, the broker or a database cannot be reached now."""

    default_code = "SERVICE_UNAVAILABLE"


class DatabaseAway(ServiceUnavailable):
    """A database cannot be reached now, or was lost in the middle: no message is to blame for that, so none is given up for it."""

    default_code = "DATABASE_AWAY"


class ServiceTimeout(ServiceUnavailable):
    """A service did not answer in time; whether it did the work is not known."""

    default_code = "SERVICE_TIMEOUT"


class AnswerLost(ServiceUnavailable):
    """The connection broke after a service was asked; whether it did the work is not known."""

    default_code = "ANSWER_LOST"


class InsufficientSpace(TransientError):
    """The byte store has no room for this, keeping its floor of free space."""

    default_code = "INSUFFICIENT_SPACE"


class TooMany(TransientError):
    """Somebody asks too often; `retry_after_seconds` says when to ask again. Raised at the door only: the bus carries no number."""

    default_code = "TOO_MANY_REQUESTS"

    def __init__(self, message: str = "", code: str | None = None, *, retry_after_seconds: int = 60) -> None:
        super().__init__(message, code)
        self.retry_after_seconds = retry_after_seconds


class Locked(TransientError):
    """Somebody else is at it just now."""

    default_code = "LOCKED"


class StillUnderWay(TransientError):
    """The same request came before and has not ended."""

    default_code = "IDEMPOTENCY_IN_PROGRESS"


class SecretUnreadable(TransientError):
    """A secret in a database cannot be decrypted: its key may come back, or it was changed."""

    default_code = "SECRET_UNREADABLE"


class PeerUnreachable(TransientError):
    """A peer did not answer, or answered with an error that may pass."""

    default_code = "PEER_UNREACHABLE"


class OutsideFailed(TransientError):
    """A program outside of the mesh, which somebody asked us to use, did not do what it was asked."""

    default_code = "OUTSIDE_FAILED"


class PermanentError(OdstError):
    """Trying the same again cannot help."""

    default_code = "PERMANENT"


class InvalidInput(PermanentError):
    """A value from outside that breaks a rule; the code names the rule."""

    default_code = "INPUT_INVALID"


class TooLarge(InvalidInput):
    """More than there may be, or than was said that there would be."""

    default_code = "TOO_LARGE"


class KeyReused(InvalidInput):
    """A key that stands for one request came with another."""

    default_code = "IDEMPOTENCY_KEY_REUSED"


class DigestMismatch(PermanentError):
    """Bytes that are not what a digest says they are."""

    default_code = "DIGEST_INVALID"


class RecordInvalid(PermanentError):
    """A signed record that is malformed, not signed by its author, or contradicts what is known."""

    default_code = "RECORD_INVALID"


class RecordRefused(PermanentError):
    """A well-formed record whose author may not say what it says."""

    default_code = "RECORD_REFUSED"


class ClockAhead(PermanentError):
    """A record from the future: the clock of its author, or ours, is wrong."""

    default_code = "CLOCK_AHEAD"


class ManifestInvalid(RecordInvalid):
    """A manifest that is malformed, not signed by its origin, or contradicts what is known."""

    default_code = "MANIFEST_INVALID"


class NotFound(PermanentError):
    """There is nothing by that name here."""

    default_code = "NOT_FOUND"


class Gone(PermanentError):
    """There was something by that name, and it will not come back."""

    default_code = "GONE"


class Conflict(PermanentError):
    """The request contradicts the present state."""

    default_code = "CONFLICT"


class PreconditionFailed(PermanentError):
    """What is to be changed is not what it was when it was looked at."""

    default_code = "PRECONDITION_FAILED"


class Unauthenticated(PermanentError):
    """Who asks could not be established. The message is for the log; callers get a constant answer."""

    default_code = "UNAUTHENTICATED"


class Forbidden(PermanentError):
    """Who asks is known, and may not. `who` says who it is to our own services, for the audit log; it is never part of an answer."""

    default_code = "FORBIDDEN"
    who: Mapping[str, str | None] | None = None


class PeerLied(PermanentError):
    """A peer answered with something that is provably wrong: bytes, range, length or encoding."""

    default_code = "PEER_LIED"


class Malformed(PermanentError):
    """A message on the bus that cannot be understood."""

    default_code = "MESSAGE_MALFORMED"


def _tree(root: type[OdstError]) -> dict[str, type[OdstError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found.update(_tree(child))
    return found


def from_wire(kind: str, message: str, code: str | None = None) -> OdstError:
    """Rebuild an error that another service raised, from its class name, message and code.

    An unknown kind becomes a plain `OdstError`, so that a newer service can talk to an older one.
    """
    return _tree(OdstError).get(kind, OdstError)(message, code)
