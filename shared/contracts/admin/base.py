"""What all bodies, queries and answers of the Admin API have in common."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Self, TypeVar, get_args

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)

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
    several: ClassVar[frozenset[str]] = frozenset()
    """Parameters that may be given more than once; with commas means the same."""


LENIENT: Final = {"lenient": True}
"""Validation context for whoever reads answers: states that only a newer instance knows are taken as they are."""


class Answer(BaseModel):
    """Base of all answers. A newer instance may say more."""

    model_config = ConfigDict(frozen=True)
    _etag: str | None = PrivateAttr(default=None)

    @property
    def etag(self) -> str | None:
        """The entity tag that came with it, quotes included; for `if_match`. It is not part of the document."""
        return self._etag

    def with_etag(self, etag: str | None) -> Self:
        """The same, with the entity tag that came with it."""
        self._etag = etag
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _also_of_newer_instances(cls, document: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        try:
            return handler(document)
        except ValidationError as error:
            newer = _unknown_words(error) if info.context == LENIENT else {}
            if not newer:
                raise
            known = {name: get_args(cls.model_fields[name].annotation)[0] for name in newer}
            return handler({**document, **known}).model_copy(update=newer)


def _unknown_words(error: ValidationError) -> dict[str, Any]:
    """By field; none if anything else is wrong."""
    faults = error.errors(include_url=False, include_context=False)
    if any(fault["type"] != "literal_error" or len(fault["loc"]) != 1 for fault in faults):
        return {}
    return {str(fault["loc"][0]): fault["input"] for fault in faults}


_SHOWN_ONCE: Final = "x-odst-shown-once"
ShownOnce = Annotated[str, Field(json_schema_extra={_SHOWN_ONCE: True})]
"""A secret in an answer: it is kept nowhere, so that nobody can ask for it again."""


def shown_once(model: type[BaseModel]) -> frozenset[str]:
    """Which fields of an answer hold such a secret."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get(_SHOWN_ONCE)
    )


def _listed(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


T = TypeVar("T")
Several = Annotated[tuple[T, ...], BeforeValidator(_listed)]
"""Of a query: values with commas."""


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
