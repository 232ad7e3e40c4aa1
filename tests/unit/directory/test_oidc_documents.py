"""Claims about what a provider of OpenID Connect says of itself: for how long it is believed."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc.jwk import ECKey

from services.directory.adapters.deadlines import Deadline
from services.directory.adapters.oidc_documents import Documents
from services.directory.adapters.oidc_plan import OidcPlan
from services.directory.adapters.oidc_web import ProviderFault, ProviderWeb

ISSUER = "https://sso.example.org"
METADATA = {"issuer": ISSUER, "response_types_supported": ["code"]} | {
    name: f"{ISSUER}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
}
HOUR = 3600.0


class Web(ProviderWeb):
    """A provider with one key, whose list of keys can go away."""

    is_away = False

    def get(self, step: str, url: str, deadline: Deadline, headers: Mapping[str, str] | None = None) -> dict[str, Any]:  # noqa: ARG002
        """As the real one."""
        if step == "keys" and type(self).is_away:
            raise ProviderFault(step, f"{url} is away")
        return {"keys": [ECKey.generate_key("P-256").as_dict(private=False)]} if step == "keys" else METADATA


def test_keys_are_believed_for_an_hour_and_not_for_longer_because_newer_ones_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that the provider has taken back opens nothing while its list of keys is out of reach."""
    now = [0.0]
    deadline = Deadline(10 * HOUR, lambda: 0.0)
    documents = Documents(OidcPlan(ISSUER, "odst"), Web(ssl.create_default_context()), lambda: now[0])
    first = documents.keys(deadline)
    now[0] = HOUR - 1
    assert documents.keys(deadline) is first
    now[0] = HOUR + 1
    monkeypatch.setattr(Web, "is_away", True)

    for _ in range(2):
        with pytest.raises(ProviderFault):
            documents.keys(deadline)
    monkeypatch.setattr(Web, "is_away", False)

    assert documents.keys(deadline) is not first
