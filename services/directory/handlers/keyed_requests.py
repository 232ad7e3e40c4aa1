"""What is sent twice is done once: requests with an `Idempotency-Key`, taken before the work and written down after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.directory.domain.keyed_requests import KEPT_FOR, MOST_OF_A_PERSON, KeyedRequest
from services.directory.handlers.admitting import Clock
from services.directory.ports import KeyedRequests
from shared.core.errors import InvalidInput, KeyReused
from shared.core.times import rfc3339


@dataclass
class KeyedRequestHandlers:
    """Asked by the gateway around the work of each creating door."""

    kept: KeyedRequests
    clock: Clock

    def begin(self, request_id: str, person_id: str, key_sha256: str, fingerprint: str) -> dict[str, Any]:
        """Take a key for a request: `{state: "new"}`, and it is this request's; asked again for the same `request_id`, the same.

        If it was taken before: `{state, begun, status, answer, secret}`. The state is `under_way`, `ended`, or `lost`: then whether
        it was done is not known. `secret` says that the answer lacks what was shown only once.

        Raises:
            KeyReused: if it was taken for another request.
            TooMany: TOO_MANY_KEYS.
        """
        now = self.clock()
        wished = KeyedRequest(request_id, person_id, key_sha256, fingerprint, now)
        known = self.kept.take(wished, now - KEPT_FOR, MOST_OF_A_PERSON)
        if known is None or known.request_id == request_id:
            return {"state": "new"}
        if known.fingerprint != fingerprint:
            raise KeyReused(
                "this Idempotency-Key came with another request, or with other rights, before: send each request with a key of its own"
            )
        answer = None if known.answer is None else dict(known.answer)
        told = {"begun": rfc3339(known.begun), "status": known.status, "answer": answer, "secret": known.secret}
        return {"state": known.state(now).value, **told}

    def finish(self, request_id: str, status: Any, answer: Any, secret: Any) -> None:
        """Write down what was answered, also later than it was waited for. A request that is not known is none any more.

        Raises:
            InvalidInput: if that is no answer.
        """
        if not isinstance(status, int) or not (answer is None or isinstance(answer, dict)):
            raise InvalidInput("an answer has a status, and an object or nothing")
        self.kept.end(request_id, self.clock(), status, answer, secret=secret is True)

    def release(self, request_id: str) -> None:
        """Nothing was done: the key is free again, if nothing was written down."""
        self.kept.release(request_id)

    def prune(self) -> None:
        """Forget those whose time is over."""
        self.kept.forget(self.clock() - KEPT_FOR)
