"""What is sent to the provider, by Authlib: the address for the browser, and the exchange of a code for tokens, with PKCE."""

from __future__ import annotations

from urllib.parse import quote

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from services.directory.adapters.deadlines import Deadline
from services.directory.adapters.oidc_documents import Metadata
from services.directory.adapters.oidc_plan import OidcPlan
from services.directory.adapters.oidc_web import ProviderWeb, Reply
from services.directory.domain.pending_logins import Proof

_BASIC, _POST, _NONE = "client_secret_basic", "client_secret_post", "none"
REFUSES_US = frozenset({"invalid_client", "unauthorized_client"})
"""Errors of a provider that does not know us, or not by this secret."""
_FORM = {"content-type": "application/x-www-form-urlencoded"}


def address_for(plan: OidcPlan, metadata: Metadata, redirect_uri: str, state: str, proof: Proof) -> str:
    """Where the browser is sent to log in."""
    address: str = prepare_grant_uri(
        metadata.address("authorization_endpoint"),
        client_id=plan.client_id,
        response_type="code",
        redirect_uri=redirect_uri,
        scope=list(plan.scopes),
        state=state,
        nonce=proof.nonce,
        code_challenge=create_s256_code_challenge(proof.verifier),
        code_challenge_method="S256",
    )
    return address


def exchange(  # noqa: PLR0913, PLR0917 - all that it takes
    plan: OidcPlan, metadata: Metadata, web: ProviderWeb, deadline: Deadline, code: str, redirect_uri: str, verifier: str
) -> Reply:
    """What the provider answers to a code.

    Raises:
        ProviderFault: if it answers neither with tokens nor with a refusal.
    """
    url = metadata.address("token_endpoint")
    body = prepare_token_request("authorization_code", redirect_uri=redirect_uri, code=code, code_verifier=verifier)
    url, headers, body = _client(plan, metadata).prepare("POST", url, dict(_FORM), body)
    return web.post("token", url, deadline, headers, body)


def _client(plan: OidcPlan, metadata: Metadata) -> ClientAuth:
    if plan.client_secret is None:
        return ClientAuth(plan.client_id, None, _NONE)
    supported = metadata.listed("token_endpoint_auth_methods_supported") or [_BASIC]
    if _BASIC not in supported and _POST in supported:
        return ClientAuth(plan.client_id, plan.client_secret, _POST)
    # Authlib leaves out what RFC 6749, 2.3.1 asks for: both are encoded as in a form first.
    return ClientAuth(quote(plan.client_id, safe=""), quote(plan.client_secret, safe=""), _BASIC)
