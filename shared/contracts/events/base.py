"""What every event is, and what surrounds it on the bus."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Sha512 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Sha1 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Size = Annotated[int, Field(ge=0)]
Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
StampText = Annotated[str, StringConstraints(pattern=r"^[0-9]{13}\.[0-9]{4}$")]


class Event(BaseModel):
    """Base of all events. Unknown fields are ignored, so that a newer sender can talk to an older reader."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)
    type: ClassVar[str]
    """Routing key and catalogue name, with its version."""
    source: ClassVar[str]
    """The service that dispatches it."""
    right: ClassVar[str] = "view"
    """The right that whoever follows events needs to be told of it: `view`, or `audit` for what only auditors read."""


class Envelope(BaseModel):
    """What surrounds an event on the bus, in the outbox and in a webhook."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)
    id: Id
    """Names this happening; the same each time that it comes."""
    type: str
    """Which event it is, with its version."""
    source: str
    """The service that said it."""
    time: dt.datetime
    """When it happened, in UTC."""
    correlation_id: str
    """Finds what belongs together in the logs of every instance that it touched."""
    data: dict[str, object]
    """The event itself."""

    @classmethod
    def around(cls, event: Event, correlation_id: str) -> Envelope:
        """A new envelope, with an id of its own, around a fact that has just happened."""
        return cls(
            id=str(uuid.uuid4()),
            type=event.type,
            source=event.source,
            time=dt.datetime.now(dt.UTC),
            correlation_id=correlation_id,
            data=event.model_dump(mode="json"),
        )
