"""What happens at the doors of an instance."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from shared.contracts.events.base import Event, Size


class DoorActedV1(Event):
    """Somebody called an operation of the Admin API that changes something, or reads what is secret; or was refused."""

    type: ClassVar[str] = "door.acted.v1"
    source: ClassVar[str] = "api_gateway"
    right: ClassVar[str] = "audit"
    operation: Annotated[str, Field(max_length=60)]
    """Such as `create_token`; `refused` for calls of whom nobody knows who made them."""
    method: str
    path: str
    """The door, as the API describes it: `/api/v1/tokens/{token_id}`."""
    person: str | None = None
    token_id: str | None = None
    session_id: str | None = None
    """With which of the two it was made, if with any."""
    address: str
    """Whence the call came."""
    subject: str | None = None
    """What it was about, if that can be told."""
    status: int
    """What was answered: the HTTP status."""
    code: str | None = None
    """And the code of the problem, if it was one."""
    times: Size = 1
    """How many calls this entry stands for: refusals, and reading again, are counted together."""
    details: dict[str, str] = Field(default_factory=dict)
    """What else says what was asked for."""
