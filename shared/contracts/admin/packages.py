"""Packages, uploads and promotions in the Admin API."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from shared.contracts.admin.base import Answer, Body, Bytes, Fault, Sha1, Sha256, TagList, Time

NO_REASON = "no reason given"
_FIRST, _LAST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
"""Times that can be meant; beyond, calendars and stamps end."""


class Tagging(Body):
    """All staging tags that the package has from now on."""

    tags: TagList


class Rollback(Body):
    """Which version becomes current: a `package_id` of the history; left out, the one before."""

    to: Annotated[str, StringConstraints(max_length=60)] | None = None


class PromotionWish(Body):
    """Without a stage, the next one; without a time, at once."""

    to: Annotated[str, StringConstraints(max_length=60)] | None = None
    at: Annotated[AwareDatetime, Field(ge=_FIRST, le=_LAST)] | None = None


class Rejection(Body):
    """Why a promotion is rejected."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=300)] = NO_REASON


class Package(Answer):
    """A package as this instance knows it."""

    package_id: str
    name: str
    size: Bytes
    sha256: Sha256
    sha1: Sha1
    origin: str
    created: Time
    revision: Annotated[int, Field(ge=1)]
    state: Literal["wanted", "published", "superseded", "quarantined", "deleted", "withheld", "refused"]
    bytes_here: bool
    tags: list[str]
    deleted: Time | None
    raised: Time | None
    remove_after: Time | None
    received_from: str | None
    published: Time | None
    error: Fault | None
    url: str


class PackageList(Answer):
    """A page of packages; `next` is null at the end."""

    items: list[Package]
    next: str | None


class History(Answer):
    """All packages that ever had a name, by falling precedence."""

    items: list[Package]


class Upload(Answer):
    """An upload, and what became of it."""

    upload_id: str
    name: str
    size: Bytes | None
    state: Literal["receiving", "received", "published", "already_here", "rejected", "aborted"]
    bytes_hashed: Bytes
    package_id: str | None
    error: Fault | None
    uploaded_by: str
    created: Time
    bytes_received: Bytes | None
    """Where an upload that can be resumed stands; null for others."""
    expires: Time | None
    """When it is given up unless more of it comes."""


class UploadList(Answer):
    """A page of uploads, newest first; `next` is null at the end."""

    items: list[Upload]
    next: str | None


class Promotion(Answer):
    """A promotion, and who decided what."""

    promotion_id: str
    package_id: str
    name: str
    stage: str
    state: Literal["waits_for_approval", "scheduled", "done", "failed", "rejected"]
    requested_by: str
    requested: Time
    at: Time
    approved_by: str | None
    ended: Time | None
    reason: str | None


class PromotionList(Answer):
    """Promotions, newest first."""

    items: list[Promotion]
