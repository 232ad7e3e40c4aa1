"""Claims about the settings for OpenID Connect: what is unsafe or half said is named at start, and the secret is shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.directory.config import DirectorySettings
from shared.runtime.settings import ConfigurationError, explain

URI = {"ODST_AMQP_URI": "amqp://odst@broker/odst", "ODST_PUBLIC_URL": "https://hamburg.example.org/"}
GOOD = URI | {"ODST_OIDC_ISSUER": "https://id.example.org/realms/ours", "ODST_OIDC_CLIENT_ID": "odst"}


def test_without_an_issuer_there_is_no_such_way() -> None:
    """And nothing of it is asked for."""
    assert DirectorySettings.load(URI).oidc is None


def test_settings_become_a_plan(tmp_path: Path) -> None:
    """The secret may be in a file, or there is none; no text form shows it."""
    file = tmp_path / "secret"
    file.write_text("hunter2\n")
    settings = DirectorySettings.load(GOOD | {"ODST_OIDC_CLIENT_SECRET_FILE": str(file), "ODST_OIDC_SCOPES": "openid, groups"})
    plan, public = settings.oidc, DirectorySettings.load(GOOD).oidc

    assert plan is not None
    assert public is not None
    assert (plan.client_secret, plan.scopes, public.client_secret) == ("hunter2", ("openid", "groups"), None)
    assert plan.discovery == "https://id.example.org/realms/ours/.well-known/openid-configuration"
    assert settings.oidc_callback == "https://hamburg.example.org/api/v1/session/oidc/callback"
    assert "hunter2" not in f"{plan!r}{explain({'directory': DirectorySettings}, GOOD | {'ODST_OIDC_CLIENT_SECRET': 'hunter2'})!r}"


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:9000", "http://localhost:9000/x", "http://[::1]:9000"])
def test_a_provider_at_a_loopback_address_needs_no_tls(issuer: str) -> None:
    """For tests and trials."""
    assert DirectorySettings.load(GOOD | {"ODST_OIDC_ISSUER": issuer}).oidc is not None


@pytest.mark.parametrize(
    ("changes", "variable"),
    [
        ({"ODST_OIDC_ISSUER": "http://id.example.org"}, "ODST_OIDC_ISSUER"),
        ({"ODST_OIDC_ISSUER": "http://127.0.0.1.example.org"}, "ODST_OIDC_ISSUER"),
        ({"ODST_OIDC_ISSUER": "https://me:secret@id.example.org"}, "ODST_OIDC_ISSUER"),
        ({"ODST_OIDC_ISSUER": "https://id.example.org?x"}, "ODST_OIDC_ISSUER"),
        ({"ODST_OIDC_ISSUER": "https://id.example.org#x"}, "ODST_OIDC_ISSUER"),
        ({"ODST_OIDC_ISSUER": "id.example.org"}, "ODST_OIDC_ISSUER"),
        ({"ODST_OIDC_CLIENT_ID": ""}, "ODST_OIDC_CLIENT_ID"),
        ({"ODST_OIDC_SCOPES": "profile"}, "ODST_OIDC_SCOPES"),
        ({"ODST_OIDC_TIMEOUT_SECONDS": "5"}, "ODST_OIDC_TIMEOUT_SECONDS"),
        ({"ODST_OIDC_CA_FILE": __file__}, "ODST_OIDC_CA_FILE"),
        ({"ODST_OIDC_CLIENT_SECRET": "a", "ODST_OIDC_CLIENT_SECRET_FILE": __file__}, "ODST_OIDC_CLIENT_SECRET_FILE"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, str], variable: str) -> None:
    """One fault, by the variable that mends it."""
    with pytest.raises(ConfigurationError) as caught:
        DirectorySettings.load(GOOD | changes)

    assert variable in str(caught.value)


def test_half_of_the_settings_is_a_fault() -> None:
    """An issuer without a client id."""
    with pytest.raises(ConfigurationError, match="ODST_OIDC_CLIENT_ID"):
        DirectorySettings.load(URI | {"ODST_OIDC_ISSUER": "https://id.example.org"})
