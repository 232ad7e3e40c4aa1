"""Settings of the notify service."""

from __future__ import annotations

import datetime as dt
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, FilePath, SecretStr, StringConstraints, ValidationInfo, field_validator

from services.notify.adapters.mail.composer import Letterhead
from services.notify.adapters.mail.smtp import Security, SmtpPlan
from services.notify.domain.channels.email import checked_address
from services.notify.domain.pacing import Pacing
from shared.core.errors import InvalidInput
from shared.runtime.certificates import Reader, files_and_their_settings, served_at
from shared.runtime.outbound import Limits, trusted_authorities
from shared.runtime.settings import COMMA_SEPARATED, Settings

_PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


class MailSettings(Settings):
    """Where mail goes out, if it does, and when. What depends on another setting stands below it."""

    smtp_host: Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:-]+$")] | None = None
    """The mail server. Not set: no mail is sent."""
    smtp_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Not set: 587 for `starttls`, 465 for `tls`, 25 for `none`."""
    smtp_security: Security = Security.STARTTLS
    """`starttls`, `tls` from the first byte, or `none`, for a server on the same machine."""
    smtp_user: Annotated[str | None, Field(min_length=1, max_length=200, validate_default=True)] = None
    """The account that mail is sent by; not set: nobody logs in."""
    smtp_password: Annotated[SecretStr, Field(min_length=1)] | None = None
    """Its password."""
    smtp_password_file: Annotated[FilePath | None, Field(validate_default=True)] = None
    """A file whose first line is its password, instead."""
    smtp_ca_file: FilePath | None = None
    """PEM file of certificate authorities that the server may use besides the usual ones."""
    smtp_from: Annotated[str | None, Field(validate_default=True)] = None
    """The address that mail is from."""
    smtp_from_name: Annotated[str, StringConstraints(max_length=100)] | None = None
    """Its name; not set: `ODST` and the name of the instance."""
    smtp_connect_seconds: Annotated[float, Field(gt=0, le=30)] = 10
    """Longest wait for the server's connection."""
    smtp_total_seconds: Annotated[float, Field(gt=0, le=45)] = 30
    """Longest conversation with the server, from connecting to its last word."""
    mail_collect_seconds: Annotated[float, Field(ge=0, le=120)] = 30
    """For how long after the first event more of them go into the same mail, for those who are told at once."""
    mail_daily_hour: Annotated[int, Field(ge=0, le=23)] = 7
    """The hour at which daily mail is sent."""
    mail_time_zone: str = "UTC"
    """In which hours and days are counted, and times are told in mail, such as `Europe/Berlin`."""

    @field_validator("smtp_user", mode="after")
    @classmethod
    def _never_open(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and info.data.get("smtp_security") is Security.NONE:
            raise ValueError("its password could be read on the way: smtp_security must be starttls or tls")
        return value

    @field_validator("smtp_password_file", mode="after")
    @classmethod
    def _one_password(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        ways = [info.data.get("smtp_password"), value]
        if sum(way is not None for way in ways) != (1 if info.data.get("smtp_user") else 0):
            raise ValueError("smtp_user has a password, either in smtp_password or in this file; without a user there is none")
        if value is not None and not _first_line(value):
            raise ValueError(f"{value} is empty: its first line is the password")
        return value

    @field_validator("smtp_from", mode="after")
    @classmethod
    def _an_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            if info.data.get("smtp_host"):
                raise ValueError("smtp_host needs it: the address that mail is from, such as odst@example.org")
            return None
        try:
            return checked_address(value)
        except InvalidInput as error:
            raise ValueError(str(error)) from error

    @field_validator("smtp_from_name", mode="after")
    @classmethod
    def _one_line(cls, value: str | None) -> str | None:
        if value is not None and not value.isprintable():
            raise ValueError("it is one line of visible characters")
        return value

    @field_validator("mail_time_zone", mode="after")
    @classmethod
    def _a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("it is no time zone that this machine knows, such as UTC or Europe/Berlin") from error
        return value

    @property
    def smtp(self) -> SmtpPlan | None:
        """All of the server as one value; none if there is none."""
        if self.smtp_host is None or self.smtp_from is None:
            return None
        password = self.smtp_password.get_secret_value() if self.smtp_password else _first_line(self.smtp_password_file)
        return SmtpPlan(
            host=self.smtp_host,
            port=self.smtp_port or _PORTS[self.smtp_security],
            security=self.smtp_security,
            sender=self.smtp_from,
            name=urlsplit(self.public_url).hostname or "localhost",
            limits=Limits(self.smtp_connect_seconds, self.smtp_total_seconds),
            tls=trusted_authorities(self.smtp_ca_file),
            user=self.smtp_user,
            password=password,
        )

    @property
    def letterhead(self) -> Letterhead:
        """What all mail has in common."""
        return Letterhead(self.smtp_from or "", self.smtp_from_name or f"ODST {self.instance_name}", self._zone)

    @property
    def pacing(self) -> Pacing:
        """When mail is sent."""
        return Pacing(dt.timedelta(seconds=self.mail_collect_seconds), self.mail_daily_hour, self._zone)

    @property
    def _zone(self) -> dt.tzinfo:
        return dt.UTC if self.mail_time_zone == "UTC" else ZoneInfo(self.mail_time_zone)


def _first_line(file: Path | None) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0].strip() if file else ""


class NotifySettings(MailSettings):
    """What the notify service reads from the configuration."""

    webhook_allowed_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], COMMA_SEPARATED] = ()
    """Networks that are not public and may be posted to all the same, such as 10.20.0.0/16, separated by commas."""
    webhook_ca_file: FilePath | None = None
    """PEM file of certificate authorities that receivers may use besides the usual ones."""
    webhook_connect_seconds: Annotated[float, Field(gt=0, le=30)] = 5
    """Longest wait for a receiver's connection, all its addresses together."""
    webhook_total_seconds: Annotated[float, Field(gt=0, le=30)] = 15
    """Longest conversation with a receiver, from connecting to the end of its answer."""
    webhook_poll_seconds: Annotated[float, Field(ge=0.1, le=60)] = 2
    """How often deliveries that have become due are looked for."""
    webhook_parallel: Annotated[int, Field(ge=1, le=64)] = 16
    """Deliveries under way at once in one process, those aside that have taken longer than a second."""
    webhook_parallel_most: Annotated[int, Field(ge=1, le=1000)] = 128
    """Deliveries under way at once in one process, however slow they are."""
    webhook_lease_seconds: Annotated[float, Field(ge=5, le=3600, validate_default=True)] = 60
    """How long a try belongs to the process that makes it; what a process had that was killed is tried again after that."""
    webhook_secret_overlap_seconds: Annotated[float, Field(ge=0, le=30 * 86400)] = 86400
    """How long the secret before a rotation signs too."""
    delivery_kept_days: Annotated[float, Field(gt=0)] = 30
    """How long deliveries that have ended are kept for people to look at."""
    events_kept: Annotated[int, Field(ge=0, le=10_000_000)] = 100_000
    """How many events are kept at most, for so long, so that subscribers can have what they missed."""

    @field_validator("webhook_lease_seconds", mode="after")
    @classmethod
    def _longer_than_a_try(cls, value: float, info: ValidationInfo) -> float:
        names = ("webhook_total_seconds", *(("smtp_total_seconds",) if info.data.get("smtp_host") else ()))
        longest = max(info.data.get(name, 0) for name in names)
        if value <= longest:
            raise ValueError(f"a try may last {longest:g} s, and would be made twice: it must be longer than that")
        return value

    @property
    def certificates(self) -> dict[str, Reader]:
        """Where certificates are whose end is looked for, by the setting that names them: also the one of this instance's own address."""
        found = files_and_their_settings({"ODST_SMTP_CA_FILE": self.smtp_ca_file, "ODST_WEBHOOK_CA_FILE": self.webhook_ca_file})
        if self.public_url.startswith("https:"):
            found["ODST_PUBLIC_URL"] = lambda: served_at(self.public_url)
        return found
