"""A provider of OpenID Connect: `OidcProvider` is what logging in by browser meets."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from services.directory.adapters import oidc_claims, oidc_examination
from services.directory.adapters.deadlines import Deadline, Monotonic
from services.directory.adapters.oidc_documents import Documents
from services.directory.adapters.oidc_exchange import REFUSES_US, address_for, exchange
from services.directory.adapters.oidc_id_token import Expected, KeyUnknown, TokenRefused, verified
from services.directory.adapters.oidc_plan import OidcPlan, authorities
from services.directory.adapters.oidc_web import ProviderFault, ProviderWeb, Reply
from services.directory.domain.accounts import Finding, Recognised
from services.directory.domain.pending_logins import Proof, Returned
from shared.core.errors import ServiceUnavailable, Unauthenticated
from shared.runtime.logging import get_logger

log = get_logger(__name__)
T = TypeVar("T")
_AWAY = "the provider of single sign-on does not answer as it should: local accounts work; `odst oidc test` says what is wrong"
_REFUSED = "what the provider of single sign-on says of this log-in does not hold: begin anew; the log of directory says why"
_AT_ONCE = 4
"""Conversations under way at once: a frozen provider must not hold all workers of this service, which tokens need too."""
_REST_SECONDS = 3.0
"""Nobody waits for a provider that has just been tried in vain."""
_OK = 200


class OidcProvider:
    """`IdentityProvider` by Authlib. One deadline for all that one call asks of the provider."""

    def __init__(self, plan: OidcPlan, clock: Monotonic = time.monotonic) -> None:
        """Connects to nobody yet.

        Raises:
            ValueError: if the file of authorities cannot be used.
        """
        self._plan, self._clock = plan, clock
        self._web = ProviderWeb(authorities(plan))
        self._documents = Documents(plan, self._web, clock)
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._failed = float("-inf")

    @property
    def shown_as(self) -> str:
        """What the button for it says."""
        return self._plan.shown_as

    def address_for(self, redirect_uri: str, state: str, proof: Proof) -> str:
        """Where a browser is sent.

        Raises:
            ServiceUnavailable: OIDC_UNAVAILABLE.
        """
        metadata = self._ask(self._documents.metadata)
        return address_for(self._plan, metadata, redirect_uri, state, proof)

    def recognise(self, returned: Returned, redirect_uri: str, proof: Proof) -> Recognised:
        """Who came back.

        Raises:
            Unauthenticated: OIDC_REFUSED.
            Forbidden: OIDC_CLAIM_UNUSABLE.
            ServiceUnavailable: OIDC_UNAVAILABLE.
        """
        try:
            claims = self._ask(lambda deadline: self._claims(returned, redirect_uri, proof, deadline))
        except TokenRefused as refused:
            log.warning("oidc_login_refused", reason=str(refused))
            raise Unauthenticated(_REFUSED, "OIDC_REFUSED") from refused
        return oidc_claims.recognised(self._plan, claims)

    def examine(self, redirect_uri: str) -> list[Finding]:
        """Try what can be tried without a person, with fresh eyes."""
        return oidc_examination.examine(self._plan, self._web, Deadline(self._plan.timeout_seconds, self._clock), redirect_uri)

    def _ask(self, question: Callable[[Deadline], T]) -> T:
        if self._clock() - self._failed < _REST_SECONDS or not self._places.acquire(blocking=False):
            raise ServiceUnavailable(_AWAY, "OIDC_UNAVAILABLE")
        try:
            return question(Deadline(self._plan.timeout_seconds, self._clock))
        except ProviderFault as fault:
            self._failed = self._clock()
            log.warning("oidc_provider_failed", step=fault.step, reason=str(fault))
            raise ServiceUnavailable(_AWAY, "OIDC_UNAVAILABLE") from fault
        finally:
            self._places.release()

    def _claims(self, returned: Returned, redirect_uri: str, proof: Proof, deadline: Deadline) -> dict[str, Any]:
        metadata = self._documents.metadata(deadline)
        if returned.issuer != self._plan.issuer and (returned.issuer is not None or metadata.names_itself):
            raise TokenRefused("another provider answered than the one that was asked (RFC 9207)")
        reply = exchange(self._plan, metadata, self._web, deadline, returned.code, redirect_uri, proof.verifier)
        tokens = _granted(reply)
        access = tokens.get("access_token")
        access = access if isinstance(access, str) and access.isascii() and access.isprintable() else None
        claims = self._verified(tokens.get("id_token"), proof.nonce, access, deadline)
        if metadata.userinfo and access and oidc_claims.missing(self._plan, claims):
            claims = self._more(metadata.userinfo, access, deadline, claims)
        return claims

    def _verified(self, id_token: Any, nonce: str, access: str | None, deadline: Deadline) -> dict[str, Any]:
        expected, keys = Expected(self._plan.issuer, self._plan.client_id, nonce), self._documents.keys(deadline)
        try:
            return verified(id_token, keys, expected, access)
        except KeyUnknown:
            newer = self._documents.keys(deadline, other_than=keys)
            if newer is keys:
                raise
        return verified(id_token, newer, expected, access)

    def _more(self, url: str, access: str, deadline: Deadline, claims: dict[str, Any]) -> dict[str, Any]:
        """What the userinfo endpoint adds; what was signed goes before it."""
        said = self._web.get("userinfo", url, deadline, {"authorization": f"Bearer {access}"})
        if not isinstance(said.get("sub"), str) or not hmac.compare_digest(said["sub"].encode(), str(claims["sub"]).encode()):
            raise TokenRefused("the userinfo endpoint answered about somebody else")
        return said | claims


def _granted(reply: Reply) -> dict[str, Any]:
    if reply.status == _OK:
        return reply.document
    error = "".join(one for one in str(reply.document.get("error", ""))[:60] if one.isalnum() or one == "_")
    if error in REFUSES_US:
        raise ProviderFault("client", f"the provider refuses us ({error}): check ODST_OIDC_CLIENT_ID and ODST_OIDC_CLIENT_SECRET")
    raise TokenRefused(f"the provider does not take the code ({error or reply.status})")
