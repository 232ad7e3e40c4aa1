"""Alarms in the Admin API."""

from __future__ import annotations

from shared.contracts.admin.base import Answer, Time


class Alarm(Answer):
    """What is the matter, and lasts."""

    service: str
    """Which looked."""
    kind: str
    """Such as `peer.lagging`."""
    about: str
    """Which one: the id of a peer, of a transfer, of a token, the name of a setting."""
    severity: str
    """`warning` or `critical`."""
    detail: str
    since: Time
    repeated: int
    """How often it was told again."""


class AlarmList(Answer):
    """All alarms that are raised, oldest first."""

    items: list[Alarm]
    silent: list[str]
    """Services that did not answer, or do not know the question yet: what they would say is not here."""
