"""Testing the connection to the provider, step by step, for whoever sets it up.

::

    discovery ─▶ issuer ─▶ pkce ─▶ algorithms ─▶ keys ─▶ client ─▶ redirect

Without a discovery that works nothing can follow it; after that, each is tried.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

from services.directory.adapters.deadlines import Deadline
from services.directory.adapters.oidc_documents import Metadata, checked_metadata, read_keys
from services.directory.adapters.oidc_exchange import REFUSES_US, exchange
from services.directory.adapters.oidc_id_token import ALGORITHMS
from services.directory.adapters.oidc_plan import OidcPlan
from services.directory.adapters.oidc_web import ProviderFault, ProviderWeb
from services.directory.domain.accounts import Finding
from services.directory.domain.pending_logins import Proof

_OK = 200


def examine(plan: OidcPlan, web: ProviderWeb, deadline: Deadline, redirect_uri: str) -> list[Finding]:
    """What came of each step; takes at most the plan's time limit."""
    return list(_steps(plan, web, deadline, redirect_uri))


def _steps(plan: OidcPlan, web: ProviderWeb, deadline: Deadline, redirect_uri: str) -> Iterator[Finding]:
    try:
        document = web.get("discovery", plan.discovery, deadline)
        yield Finding("discovery", ok=True, detail=f"{plan.discovery} answers{_by(plan)}")
        metadata = checked_metadata(plan, document)
    except ProviderFault as fault:
        yield Finding(fault.step, ok=False, detail=str(fault))
        return
    yield Finding("issuer", ok=True, detail=f"it is {plan.issuer}, as it should be")
    steps: dict[str, Callable[[], str]] = {
        "pkce": lambda: _pkce(metadata),
        "algorithms": lambda: _algorithms(metadata),
        "keys": lambda: _keys(metadata, web, deadline),
        "client": lambda: _client(plan, metadata, web, deadline, redirect_uri),
    }
    for step, look in steps.items():
        yield _tried(step, look)
    yield Finding("redirect", ok=True, detail=f"at the provider, register {redirect_uri} and, for `odst login --browser`, http://127.0.0.1")


def _by(plan: OidcPlan) -> str:
    if plan.issuer.startswith("http://"):
        return ", WITHOUT TLS: at a loopback address only, for tests"
    return f", and its certificate is right by {plan.ca_file or 'the authorities of this machine'}"


def _tried(step: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(step, ok=True, detail=look())
    except ProviderFault as fault:
        return Finding(step, ok=False, detail=str(fault))


def _pkce(metadata: Metadata) -> str:
    offered = metadata.listed("code_challenge_methods_supported")
    if offered is None:
        return "the provider does not say whether it knows PKCE; it is sent in any case (S256)"
    if "S256" not in offered:
        raise ProviderFault("pkce", f"the provider offers PKCE by {_list(offered)}, and S256 is needed: allow it there")
    return "the provider offers PKCE by S256"


def _algorithms(metadata: Metadata) -> str:
    offered = metadata.listed("id_token_signing_alg_values_supported") or []
    usable = [one for one in offered if one in ALGORITHMS]
    if not usable:
        raise ProviderFault("algorithms", f"the provider signs by {_list(offered)}, and one of {', '.join(ALGORITHMS)} is needed")
    return f"the provider can sign by {', '.join(usable)}"


def _list(words: list[str]) -> str:
    return ", ".join(words)[:100] or "nothing"


def _keys(metadata: Metadata, web: ProviderWeb, deadline: Deadline) -> str:
    found = read_keys(web.get("keys", metadata.address("jwks_uri"), deadline))
    return f"{len(found.keys)} public keys can be used for signatures"


def _client(plan: OidcPlan, metadata: Metadata, web: ProviderWeb, deadline: Deadline, redirect_uri: str) -> str:
    """A code that nobody was given is refused for itself, if the provider knows us."""
    proof = Proof.of(secrets.token_urlsafe())
    reply = exchange(plan, metadata, web, deadline, f"a-test-{secrets.token_hex(8)}", redirect_uri, proof.verifier)
    if reply.document.get("error") in REFUSES_US:
        raise ProviderFault("client", "the provider refuses us: check ODST_OIDC_CLIENT_ID and ODST_OIDC_CLIENT_SECRET")
    return f"the provider knows {plan.client_id}" if reply.status != _OK else "the provider takes any code: is it a real one?"
