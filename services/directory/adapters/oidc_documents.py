"""What the provider says of itself, and its keys: fetched when they are needed, believed for an hour.

Keys are fetched anew when a token names one that is not known, which is how providers replace theirs; but not more often than every
half minute, as anybody can make up such a name.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwk
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from services.directory.adapters.deadlines import Deadline, Monotonic
from services.directory.adapters.oidc_plan import OidcPlan, broken_rule
from services.directory.adapters.oidc_web import ProviderFault, ProviderWeb

_BELIEVED_SECONDS = 3600.0
_LEAST_SECONDS_BETWEEN_KEYS = 30.0
_MOST_KEYS = 100
_PUBLIC_KEY_TYPES = frozenset({"RSA", "EC", "OKP"})
"""Never `oct`: a key that both sides know is no proof of who signed."""
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_USED = (*_NEEDED, "userinfo_endpoint")


@dataclass(frozen=True)
class Metadata:
    """How the provider describes itself, as far as it is used here; every address in it may be asked."""

    document: dict[str, Any]

    def address(self, name: str) -> str:
        """One of its addresses that it must have."""
        return str(self.document[name])

    @property
    def userinfo(self) -> str | None:
        """Where it says more of a person, if it does."""
        return self.document.get("userinfo_endpoint")

    @property
    def names_itself(self) -> bool:
        """Whether it sends its issuer along with each answer through the browser (RFC 9207)."""
        return self.document.get("authorization_response_iss_parameter_supported") is True

    def listed(self, name: str) -> list[str] | None:
        """One of its lists of what it supports; none if it says nothing of that."""
        found = self.document.get(name)
        return [str(one) for one in found] if isinstance(found, list) else None


def checked_metadata(plan: OidcPlan, document: dict[str, Any]) -> Metadata:
    """The provider's description of itself.

    Raises:
        ProviderFault: `issuer` if it is that of another one; `discovery` if it cannot be used.
    """
    issuer = document.get("issuer")
    if issuer != plan.issuer:
        said = f"ODST_OIDC_ISSUER is {plan.issuer}, and the provider calls itself {str(issuer)[:200]}: they must be equal to the letter"
        raise ProviderFault("issuer", said)
    metadata = OpenIDProviderMetadata(document)
    try:
        for name in ("code_challenge_methods_supported", "response_types_supported"):
            getattr(metadata, f"validate_{name}")()
    except (ValueError, TypeError) as error:
        raise ProviderFault("discovery", f"the provider's description of itself cannot be used: {str(error)[:200]}") from error
    for name in _USED:
        rule = broken_rule(document[name]) if document.get(name) is not None else _missing(name)
        if rule:
            raise ProviderFault("discovery", f"the provider's {name} cannot be used: {rule}")
    return Metadata(document)


def _missing(name: str) -> str | None:
    return "it is missing" if name in _NEEDED else None


def read_keys(document: dict[str, Any]) -> KeySet:
    """The public keys in a set; those of kinds that are not known here, or not for signatures, are left out.

    Raises:
        ProviderFault: if there are none.
    """
    listed = document.get("keys")
    found = [_key(one) for one in listed[:_MOST_KEYS] if isinstance(one, dict)] if isinstance(listed, list) else []
    keys = [key for key in found if key is not None]
    if not keys:
        raise ProviderFault("keys", "the provider's jwks_uri has no public key that can be used for signatures")
    return KeySet(keys)


def _key(data: dict[str, Any]) -> Any:
    if data.get("kty") not in _PUBLIC_KEY_TYPES or data.get("use", "sig") != "sig":
        return None
    try:
        return jwk.import_key(data)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


class Documents:
    """Both, with memory."""

    def __init__(self, plan: OidcPlan, web: ProviderWeb, clock: Monotonic) -> None:
        """Nothing is fetched yet."""
        self._plan, self._web, self._clock = plan, web, clock
        self._lock = threading.Lock()
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, str, KeySet] | None = None

    def metadata(self, deadline: Deadline) -> Metadata:
        """How the provider describes itself.

        Raises:
            ProviderFault: if it cannot be had, or used.
        """
        kept = self._metadata
        if kept is not None and self._clock() - kept[0] < _BELIEVED_SECONDS:
            return kept[1]
        found = checked_metadata(self._plan, self._web.get("discovery", self._plan.discovery, deadline))
        self._metadata = (self._clock(), found)
        return found

    def keys(self, deadline: Deadline, *, other_than: KeySet | None = None) -> KeySet:
        """The provider's keys; with `other_than`, newer ones than these, if they may be fetched again already.

        Raises:
            ProviderFault: as above.
        """
        url = self.metadata(deadline).address("jwks_uri")
        with self._lock:
            kept = self._keys
            if kept is not None and kept[1] == url and not self._is_due(kept[0], kept[2] is other_than):
                return kept[2]
            self._keys = (self._clock(), url, kept[2]) if kept is not None else None
        try:
            found = read_keys(self._web.get("keys", url, deadline))
        except ProviderFault:
            self._forget_old(kept)
            raise
        self._keys = (self._clock(), url, found)
        return found

    def _forget_old(self, kept: tuple[float, str, KeySet] | None) -> None:
        """Asking in vain makes nothing younger."""
        if kept is not None and self._is_due(kept[0], is_unwanted=False):
            self._keys = None

    def _is_due(self, since: float, is_unwanted: bool) -> bool:  # noqa: FBT001 - said at the one place that asks
        return self._clock() - since >= (_LEAST_SECONDS_BETWEEN_KEYS if is_unwanted else _BELIEVED_SECONDS)
