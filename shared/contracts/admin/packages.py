"""Packages, uploads and promotions in the Admin API."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from shared.contracts.admin.base import Answer, Body, Bytes, Fault, Page, Query, Several, Sha1, Sha256, TagList, Time
from shared.core.staging import MAX_TAGS

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


PackageState = Literal["wanted", "published", "superseded", "quarantined", "deleted", "withheld", "refused"]
UploadState = Literal["receiving", "received", "published", "already_here", "rejected", "aborted"]
PromotionState = Literal["waits_for_approval", "scheduled", "done", "failed", "rejected"]
PackageOrder = Literal["name", "-name", "created", "-created", "size", "-size"]


class PackageFilters(Query):
    """Which packages are meant, all of it together, and in which order; ids decide between equals."""

    several: ClassVar = frozenset({"tag", "state"})
    tag: Annotated[
        Several[Annotated[str, StringConstraints(max_length=60)]],
        Field(max_length=MAX_TAGS, description="it has all of these staging tags"),
    ] = ()
    untagged: Annotated[bool, Field(description="true: it has no staging tags")] = False
    state: Annotated[Several[PackageState], Field(max_length=20, description="it is in one of these")] = ()
    text: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=255)] | None, Field(description="part of its name; case does not count")
    ] = None
    origin: Annotated[Annotated[str, StringConstraints(min_length=1, max_length=80)] | None, Field(description="id of an instance")] = None
    created_after: Annotated[AwareDatetime | None, Field(description="the first moment that is meant")] = None
    created_before: Annotated[AwareDatetime | None, Field(description="the first moment that is not meant any more")] = None
    bytes_here: bool | None = None
    sort: Annotated[PackageOrder, Field(description="`-`: falling")] = "name"

    @property
    def filters(self) -> dict[str, Any]:
        """What was given, as storage is asked for it."""
        texts = {"text": self.text, "origin": self.origin, "bytes_here": self.bytes_here, "untagged": self.untagged or None}
        times = {name: time.isoformat() for name in ("created_after", "created_before") if (time := getattr(self, name)) is not None}
        several = {"tags": list(self.tag), "states": list(self.state)}
        return {name: value for name, value in (several | texts).items() if value not in (None, [])} | times


class PackageQuery(PackageFilters, Page):
    """A page of the list of packages."""


class UploadQuery(Page):
    """A page of the list of uploads, newest first."""

    several: ClassVar = frozenset({"state"})
    state: Annotated[Several[UploadState], Field(max_length=20, description="it is in one of these")] = ()
    name: Annotated[Annotated[str, StringConstraints(min_length=1, max_length=255)] | None, Field(description="exactly this name")] = None


class PromotionQuery(Page):
    """A page of the list of promotions, newest first."""

    several: ClassVar = frozenset({"state"})
    state: Annotated[Several[PromotionState], Field(max_length=20, description="it is in one of these")] = ()


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
    state: PackageState
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
    state: UploadState
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
    state: PromotionState
    requested_by: str
    requested: Time
    at: Time
    approved_by: str | None
    ended: Time | None
    reason: str | None


class PromotionList(Answer):
    """A page of promotions, newest first; `next` is null at the end."""

    items: list[Promotion]
    next: str | None = None
