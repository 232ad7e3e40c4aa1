"""The settings in effect, and the table of roles, in the Admin API."""

from __future__ import annotations

from shared.contracts.admin.base import Answer


class ServiceSetting(Answer):
    """What one service goes by."""

    service: str
    value: str | None
    origin: str


class Setting(Answer):
    """A setting in effect. Of secrets it is said whether they are set; of passwords in addresses, nothing."""

    name: str
    """Of the variable: `ODST_…`."""
    value: str | None
    """Of the first of `services`."""
    default: str | None
    origin: str
    """`default`, or `environment` or `file` and which."""
    unit: str | None
    meaning: str
    secret: bool
    services: list[str]
    """Which read it."""
    differs: bool
    """True if services go by different values: one was not restarted, or is configured otherwise."""
    in_services: list[ServiceSetting]
    """What each goes by, if they differ."""


class SettingList(Answer):
    """All settings, by name."""

    items: list[Setting]
    unknown: list[str]
    """Variables that are set and that no service which answered knows: typing errors."""
    silent: list[str]
    """Services that did not answer; what only they read is not here."""


class RoleRights(Answer):
    """A role, and what it gives."""

    role: str
    rights: list[str]
    narrowable: list[str]
    """Those of them that a grant narrowed to staging tags gives within these tags; of the others it gives `self` and `view`."""


class RoleList(Answer):
    """The table of rights."""

    items: list[RoleRights]
