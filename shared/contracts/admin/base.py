"""What all bodies, queries and answers of the Admin API have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.core.staging import MAX_TAGS

TagList = Annotated[list[Annotated[str, StringConstraints(max_length=60)]], Field(max_length=MAX_TAGS)]
"""Staging tags in a JSON body. Which of them there are, the service that keeps them says."""
Time = Annotated[AwareDatetime, Field(description="RFC 3339, in UTC")]
Bytes = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Sha1 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]


class Body(BaseModel):
    """Base of all request bodies: unknown fields and other types are refused, so that a typing error shows."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Query(BaseModel):
    """Base of all queries: text is read as what it stands for; unknown parameters are refused, so that a typing error shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """Base of all answers. A newer instance may say more."""

    model_config = ConfigDict(frozen=True)


class NoQuery(Query):
    """For what takes no parameters."""


class Limit(Query):
    """How many items a list shall have."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class Page(Limit):
    """A page of a list: `after` is the `next` of the page before."""

    after: Annotated[str, StringConstraints(min_length=1, max_length=600)] | None = None


class Fault(Answer):
    """Why something failed."""

    code: str
    reason: str | None


class Problem(Answer):
    """Problem details (RFC 9457): what is wrong, and what to do."""

    type: Annotated[str, StringConstraints(pattern=r"^urn:odst:error:[A-Z0-9_]+$")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    code: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_]+$")]
    detail: str
    correlation_id: str
