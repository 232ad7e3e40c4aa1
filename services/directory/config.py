"""Settings of the directory service."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

from pydantic import Field, FilePath, SecretStr, StringConstraints, ValidationInfo, field_validator

from services.directory.adapters.ldap_plan import DEFAULT_USER_FILTER, Endpoint, GroupStyle, LdapPlan, trusted
from services.directory.adapters.oidc_plan import OidcPlan, broken_rule
from services.directory.domain.sessions import SessionLimits
from services.directory.domain.throttle import Rule
from services.directory.domain.tokens import Lifetimes
from shared.runtime.certificates import Reader, files_and_their_settings
from shared.runtime.settings import COMMA_SEPARATED, Settings

_MOST_SERVERS = 8
_NAME = "{name}"
Scope = Annotated[str, StringConstraints(pattern=r"^[!#-\[\]-~]{1,100}$")]
Claim = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Attribute = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,79}$")]

_YEAR_SECONDS = 366 * 86400


class LdapSettings(Settings):
    """Where accounts by LDAP or Active Directory are, if there are any. What depends on another setting stands below it."""

    ldap_servers: Annotated[tuple[str, ...], COMMA_SEPARATED, Field(max_length=_MOST_SERVERS)] = ()
    """Addresses such as `ldaps://ldap1.example.org`, separated by commas, in the order in which they are asked. None: no LDAP."""
    ldap_allow_plaintext: bool = False
    """Allow names and passwords to go over the network unencrypted; for a test."""
    ldap_starttls: Annotated[bool, Field(validate_default=True)] = False
    """Begin TLS within the conversation, at servers with an `ldap://` address."""
    ldap_ca_file: FilePath | None = None
    """PEM file of the authorities that servers' certificates may come from, instead of the usual ones."""
    ldap_bind_dn: str | None = None
    """The account that looks for people and groups; none: nobody in particular asks."""
    ldap_bind_password: Annotated[SecretStr, Field(min_length=1)] | None = None
    """Its password."""
    ldap_bind_password_file: Annotated[FilePath | None, Field(validate_default=True)] = None
    """A file with its password, instead."""
    ldap_base_dn: Annotated[str, Field(validate_default=True)] = ""
    """Below which entry people are."""
    ldap_user_filter: str = DEFAULT_USER_FILTER
    """Which entries are people; `{name}` stands for what is typed."""
    ldap_name_attribute: Attribute | None = None
    """Where the one name is that a person is known by; not set: `sAMAccountName` in Active Directory, `uid` elsewhere."""
    ldap_mail_attribute: Attribute = "mail"
    """Where the address for mail is."""
    ldap_display_attribute: Attribute = "displayName"
    """Where the name for people to read is; where it is missing, `cn`."""
    ldap_group_base_dn: str | None = None
    """Below which entry groups are, if not below `ldap_base_dn`."""
    ldap_group_style: GroupStyle = GroupStyle.AUTO
    """How the groups of a person are found: `auto`, `memberof`, `member`, `ad`."""
    ldap_timeout_seconds: Annotated[float, Field(gt=0, lt=5)] = 4
    """Longest wait for everything that one log-in asks of all servers."""
    ldap_group_cache_seconds: Annotated[float, Field(ge=0, le=3600)] = 60
    """How long groups that were looked up are believed."""

    @field_validator("ldap_servers", mode="after")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(Endpoint.parse(url)) for url in value)

    @field_validator("ldap_starttls", mode="after")
    @classmethod
    def _encrypted(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        plain = [url for url in info.data.get("ldap_servers", ()) if url.startswith("ldap://")]
        if plain and not value and not info.data.get("ldap_allow_plaintext"):
            raise ValueError(f"passwords could be read on the way to {plain[0]}: set it to true, or use ldaps://")
        return value

    @field_validator("ldap_ca_file", mode="after")
    @classmethod
    def _certificates(cls, value: Path | None) -> Path | None:
        if value is not None:
            trusted(value)
        return value

    @field_validator("ldap_bind_password_file", mode="after")
    @classmethod
    def _one_password(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        ways = [info.data.get("ldap_bind_password"), _first_line(value)]
        if info.data.get("ldap_bind_dn") and sum(way is not None for way in ways) != 1:
            raise ValueError("ldap_bind_dn has a password, either in ldap_bind_password or in this file")
        return value

    @field_validator("ldap_base_dn", mode="after")
    @classmethod
    def _somewhere(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("ldap_servers") and "=" not in value:
            raise ValueError("ldap_servers needs it: the entry below which people are, such as dc=example,dc=org")
        return value

    @field_validator("ldap_user_filter", mode="after")
    @classmethod
    def _whole(cls, value: str) -> str:
        if _NAME not in value or not value.startswith("(") or not value.endswith(")") or value.count("(") != value.count(")"):
            raise ValueError("it is an LDAP filter in balanced parentheses, with {name} in it, such as (uid={name})")
        return value

    @property
    def ldap(self) -> LdapPlan | None:
        """All of these as one value; none if there is no LDAP."""
        if not self.ldap_servers:
            return None
        secret = self.ldap_bind_password
        return LdapPlan(
            servers=tuple(Endpoint.parse(url) for url in self.ldap_servers),
            base_dn=self.ldap_base_dn,
            starttls=self.ldap_starttls,
            ca_file=self.ldap_ca_file,
            bind_dn=self.ldap_bind_dn,
            bind_password=secret.get_secret_value() if secret else _first_line(self.ldap_bind_password_file) or "",
            user_filter=self.ldap_user_filter,
            name_attribute=self.ldap_name_attribute,
            mail_attribute=self.ldap_mail_attribute,
            display_attribute=self.ldap_display_attribute,
            group_base_dn=self.ldap_group_base_dn,
            group_style=self.ldap_group_style,
            timeout_seconds=self.ldap_timeout_seconds,
            group_cache_seconds=self.ldap_group_cache_seconds,
        )


class OidcSettings(Settings):
    """Which provider of OpenID Connect people may log in at, if there is one. What depends on another setting stands below it."""

    oidc_issuer: Annotated[str, StringConstraints(max_length=500)] | None = None
    """The provider's name for itself, an https address, to the letter. None: no OpenID Connect."""
    oidc_client_id: Annotated[str | None, StringConstraints(pattern=r"^[!-~]([ -~]{0,253}[!-~])?$"), Field(validate_default=True)] = None
    """By which the provider knows this instance."""
    oidc_client_secret: Annotated[SecretStr, Field(min_length=1)] | None = None
    """Its secret there; none for a public client, which PKCE protects."""
    oidc_client_secret_file: Annotated[FilePath | None, Field(validate_default=True)] = None
    """A file with the secret, instead."""
    oidc_scopes: Annotated[tuple[Scope, ...], COMMA_SEPARATED, Field(max_length=20)] = ("openid", "profile", "email")
    """What is asked for; `openid` is among it."""
    oidc_name_claim: Claim = "preferred_username"
    """The claim with the name that a person is known by here."""
    oidc_groups_claim: Claim = "groups"
    """The claim with the groups of a person."""
    oidc_ca_file: FilePath | None = None
    """PEM file of the authorities that the provider's certificate may come from, instead of the usual ones."""
    oidc_shown_as: Annotated[str, StringConstraints(min_length=1, max_length=60)] = "Single sign-on"
    """What the button for it says."""
    oidc_timeout_seconds: Annotated[float, Field(gt=0, lt=5)] = 4
    """Longest wait for everything that one call asks of the provider."""
    oidc_trust_days: Annotated[int, Field(ge=1, le=3660)] = 30
    """Who did not log in for so long is shut out, tokens too, until the next log-in: the provider is not asked in between."""

    @field_validator("oidc_issuer", mode="after")
    @classmethod
    def _reachable(cls, value: str | None) -> str | None:
        rule = broken_rule(value) if value is not None else None
        if rule or "?" in (value or ""):
            raise ValueError(f"{value} is no issuer: {rule or 'it has no query'}")
        return value

    @field_validator("oidc_client_id", mode="after")
    @classmethod
    def _registered(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("oidc_issuer") and not value:
            raise ValueError("oidc_issuer needs it: the client id under which this instance is registered at the provider")
        return value

    @field_validator("oidc_client_secret_file", mode="after")
    @classmethod
    def _one_secret(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if _first_line(value) is not None and info.data.get("oidc_client_secret") is not None:
            raise ValueError("the secret is either in oidc_client_secret or in this file")
        return value

    @field_validator("oidc_scopes", mode="after")
    @classmethod
    def _with_openid(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in value:
            raise ValueError("openid must be among them: without it there is no ID token")
        return value

    @field_validator("oidc_ca_file", mode="after")
    @classmethod
    def _authorities(cls, value: Path | None) -> Path | None:
        if value is not None:
            trusted(value)
        return value

    @property
    def oidc(self) -> OidcPlan | None:
        """All of these as one value; none if there is no OpenID Connect."""
        if self.oidc_issuer is None or self.oidc_client_id is None:
            return None
        secret = self.oidc_client_secret
        return OidcPlan(
            issuer=self.oidc_issuer,
            client_id=self.oidc_client_id,
            client_secret=secret.get_secret_value() if secret else _first_line(self.oidc_client_secret_file),
            scopes=self.oidc_scopes,
            name_claim=self.oidc_name_claim,
            groups_claim=self.oidc_groups_claim,
            ca_file=self.oidc_ca_file,
            shown_as=self.oidc_shown_as,
            timeout_seconds=self.oidc_timeout_seconds,
        )

    @property
    def oidc_callback(self) -> str:
        """Where the provider sends browsers back to."""
        return f"{self.public_url.rstrip('/')}/api/v1/session/oidc/callback"

    @property
    def oidc_trust(self) -> dt.timedelta:
        """How long a log-in at the provider is believed."""
        return dt.timedelta(days=self.oidc_trust_days)


class DirectorySettings(LdapSettings, OidcSettings):
    """What the directory service reads from the configuration."""

    audit_checkpoint_seconds: Annotated[float, Field(ge=1, le=30 * 86400)] = 3600
    """How long entries of the audit log may wait for a checkpoint."""
    audit_checkpoint_entries: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """After so many entries a checkpoint is made earlier."""
    audit_keep_days: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """After so many days entries are moved out of the database into sealed files; for ever in the database, if it is not set."""
    password_least_characters: Annotated[int, Field(ge=8, le=64)] = 12
    """How long a new password has to be."""
    passwords_at_once: Annotated[int, Field(ge=1, le=8)] = 2
    """Passwords that one process hashes side by side; each takes 64 MiB, and all processors for a moment."""
    passwords_waiting: Annotated[int, Field(ge=0, le=12)] = 8
    """Passwords that may wait for their turn; who comes then is told to try again in some seconds."""
    session_idle_seconds: Annotated[int, Field(ge=60, le=30 * 86400)] = 3600
    """A session that is not used for so long ends."""
    session_longest_seconds: Annotated[int, Field(ge=60, le=90 * 86400)] = 12 * 3600
    """A session ends after so long, however much it is used."""
    token_default_seconds: Annotated[int, Field(ge=60, le=10 * _YEAR_SECONDS)] = 90 * 86400
    """How long an API token is valid if nothing else is asked for."""
    token_longest_seconds: Annotated[int, Field(ge=60, le=10 * _YEAR_SECONDS)] = _YEAR_SECONDS
    """How long an API token can be made valid."""
    login_tries: Annotated[int, Field(ge=1, le=1000)] = 3
    """Wrong passwords for one name before the next attempt has to wait; fewer than the directory's own lockout."""
    login_tries_from_address: Annotated[int, Field(ge=1, le=100_000)] = 20
    """Wrong passwords from one address before the next attempt has to wait."""
    login_first_wait_seconds: Annotated[int, Field(ge=1, le=86400)] = 300
    """The first wait; each further one is twice as long."""
    login_longest_wait_seconds: Annotated[int, Field(ge=1, le=86400)] = 3600
    """The longest wait."""
    accounts_refresh_seconds: Annotated[int, Field(ge=10, le=86400)] = 900
    """How often a source outside is asked whether its accounts that came in here are still there."""

    @property
    def first_admin_file(self) -> Path:
        """Where the first administrator's credentials wait for the launcher, which shows and deletes them."""
        return self.layout.secrets / "first-admin.json"

    @property
    def session_limits(self) -> SessionLimits:
        """How long a session lasts."""
        return SessionLimits(dt.timedelta(seconds=self.session_idle_seconds), dt.timedelta(seconds=self.session_longest_seconds))

    @property
    def token_lifetimes(self) -> Lifetimes:
        """How long tokens are valid."""
        return Lifetimes(dt.timedelta(seconds=self.token_default_seconds), dt.timedelta(seconds=self.token_longest_seconds))

    @property
    def certificates(self) -> dict[str, Reader]:
        """Where certificates are whose end is looked for, by the setting that names them."""
        return files_and_their_settings({"ODST_LDAP_CA_FILE": self.ldap_ca_file, "ODST_OIDC_CA_FILE": self.oidc_ca_file})

    def login_rule(self, tries: int) -> Rule:
        """How much is waited after so many free tries."""
        first, longest = self.login_first_wait_seconds, self.login_longest_wait_seconds
        return Rule(tries, dt.timedelta(seconds=first), dt.timedelta(seconds=longest))


def _first_line(file: Path | None) -> str | None:
    """The secret in a file.

    Raises:
        ValueError: if there is none.
    """
    if file is None:
        return None
    try:
        line = next(iter(file.read_text(encoding="utf-8").splitlines()), "")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    if not line:
        raise ValueError(f"{file} is empty: its first line is the secret")
    return line
