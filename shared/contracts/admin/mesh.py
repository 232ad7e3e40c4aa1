"""Peers, transfers, and the view over instances in the Admin API."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from shared.contracts.admin.base import Answer, Body, Bytes, Page, Query, Several, ShownOnce, TagList, Time
from shared.contracts.admin.packages import Package, PackageFilters

MOST_ROWS = 200
"""Packages in a page of the matrix at most; peers are asked about that many at once."""


class InvitationWish(Body):
    """How long the invitation holds, and what the joiner will see and do."""

    valid_seconds: Annotated[int, Field(gt=0)] | None = None
    tags: TagList | None = None
    steward: bool = False


class Joining(Body):
    """The invitation, and what the inviter will see of here."""

    invitation: Annotated[str, StringConstraints(max_length=1000)]
    tags: TagList | None = None


class PeerChange(Body):
    """What is to change about a peer; what is left out stays."""

    tags: TagList | None = None
    steward: bool | None = None


class MatrixQuery(PackageFilters, Page):
    """A page of the matrix."""

    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 100


class PlanQuery(Query):
    """Of one package or of all; with `tags`, what would move if the package had these."""

    package: Annotated[str, StringConstraints(min_length=1, max_length=300)] | None = None
    tags: Annotated[str, StringConstraints(max_length=2000)] | None = Field(None, description="staging tags with commas")


class Invitation(Answer):
    """A one-time invitation: it holds a secret, and is shown only once."""

    invitation: ShownOnce
    expires: Time


class Peer(Answer):
    """An instance that this one is registered with."""

    peer_id: str
    name: str
    url: str
    state: Literal["active", "revoked"]
    tags: list[str]
    steward: bool
    protocol: int
    behind: int | None
    last_contact: Time | None
    last_pull: Time | None
    last_error: str | None
    clock_skew_seconds: float | None
    banned_until: Time | None


class PeerList(Answer):
    """All peers."""

    items: list[Peer]


class Pulling(Answer):
    """All feeds are read now."""

    state: Literal["pulling"]


TransferState = Literal["planned", "moving", "assembled", "done", "failed", "suspect", "cancelled"]
PriorityWord = Literal["low", "normal", "high"]


class TransferQuery(Page):
    """A page of the list of transfers, newest first."""

    several: ClassVar = frozenset({"state"})
    state: Annotated[Several[TransferState], Field(max_length=20, description="it is in one of these")] = ()
    name: Annotated[Annotated[str, StringConstraints(min_length=1, max_length=255)] | None, Field(description="exactly this name")] = None


class TransferWish(Body):
    """Whose turn it is: the higher first, of equals the older one."""

    priority: PriorityWord


class Transfer(Answer):
    """One package's journey to here."""

    transfer_id: str
    package_id: str
    name: str
    size: Bytes
    state: TransferState
    bytes_done: Bytes
    bytes_fetched: Bytes
    planned: Time
    finished: Time | None
    error: str | None
    paused: bool = False
    """Its slices are not fetched; what is here stays."""
    priority: PriorityWord = "normal"


class TransferList(Answer):
    """A page of transfers, newest first; `next` is null at the end."""

    items: list[Transfer]
    next: str | None = None


class Cell(Answer):
    """One package at one instance."""

    state: Literal[
        "there", "on_its_way", "not_entitled", "quarantined", "deleted", "superseded", "absent", "unknown", "paused", "cancelled"
    ]
    percent: Annotated[int, Field(ge=0, le=100)] | None


class Column(Answer):
    """One instance of the matrix."""

    instance_id: str
    name: str
    is_self: bool
    reachable: bool


class Row(Package):
    """A package, and its state at each instance by id."""

    at: dict[str, Cell]


class Matrix(Answer):
    """A page of packages × instances."""

    instances: list[Column]
    items: list[Row]
    next: str | None


class Move(Answer):
    """Bytes that will move. In JSON, `from` is where they come from."""

    package_id: str
    name: str
    size: Bytes
    from_: Annotated[str, Field(alias="from")]
    to: str
    bytes: Bytes
    why: str


class Withdrawal(Answer):
    """A package that an instance will no longer have."""

    package_id: str
    name: str
    to: str
    why: str


class Plan(Answer):
    """What will move, and why; `left_out` counts the moves beyond those that are listed, `unknown` is what a peer does not say."""

    items: list[Move]
    withdrawals: list[Withdrawal]
    unknown: list[Withdrawal] = Field(default_factory=list)
    bytes: Bytes
    left_out: int


class Instance(Answer):
    """An instance that said something of itself, over any number of hops."""

    instance_id: str
    present_id: str
    name: str
    tags: list[str]
    issued: Time
    stale: bool
    stewards: list[str]
    revoked: list[str]
    is_self: bool


class InstanceList(Answer):
    """All instances that are known."""

    items: list[Instance]


class Rotation(Answer):
    """The ids of this instance before and after its key was changed."""

    old: str
    new: str
