"""Who is told of what, on which channel, and what became of it, in the Admin API."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from shared.contracts.admin.base import Answer, Body, Page, ShownOnce, TagList, Time

_Pattern = Annotated[str, StringConstraints(max_length=80)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_Description = Annotated[str, StringConstraints(max_length=200)]
_Patterns = Annotated[list[_Pattern], Field(min_length=1, max_length=50)]
_Settings = Annotated[dict[str, Any], Field(max_length=50)]


class FiltersWish(Body):
    """Of which packages: all that is given must hold; of each, one is enough. Events about no package are not filtered."""

    tags: TagList = Field(default_factory=list)
    names: Annotated[list[_Text], Field(max_length=50)] = Field(default_factory=list)
    """Globs such as `Firefox*.pkg`."""
    origins: Annotated[list[_Text], Field(max_length=50)] = Field(default_factory=list)
    """Instance ids of where packages were uploaded."""


class ChannelWish(Body):
    """On which way: `webhook` `{url}`, `email` `{to, pace}`, `slack` `{url}`, `teams` `{url}`, `jamf_pro` (docs/jamf.md)."""

    kind: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    settings: _Settings


class SubscriptionWish(Body):
    """Which events (types, or patterns such as `package.*`), on which way: a `url` is short for a webhook's channel."""

    events: _Patterns
    url: Annotated[str, StringConstraints(max_length=2000)] | None = None
    channel: ChannelWish | None = None
    filters: FiltersWish | None = None
    description: _Description = ""


class ChannelChange(Body):
    """Other settings; those that are left out stay. The kind is for good."""

    settings: _Settings
    kind: Annotated[str, StringConstraints(max_length=40)] | None = None


class SubscriptionChange(Body):
    """What is left out stays as it is."""

    events: _Patterns | None = None
    channel: ChannelChange | None = None
    filters: FiltersWish | None = None
    description: _Description | None = None


class Channel(Answer):
    """A way, without what of it is secret."""

    kind: str
    settings: dict[str, Any]


class Filters(Answer):
    """Of which packages; empty lists are no filter."""

    tags: list[str]
    names: list[str]
    origins: list[str]


class Subscription(Answer):
    """Who is told of what, and how."""

    subscription_id: str
    channel: Channel
    url: str | None
    """Of a webhook."""
    events: list[str]
    filters: Filters
    within: list[str] | None
    """Staging tags within which its owner may be told; null for everything."""
    description: str
    state: str
    """`active`, `paused` or `disabled`."""
    reason: str | None
    """Why it is disabled: RECEIVER_GONE, RECEIVER_FAILED, OWNER_GONE or OWNER_MAY_NOT."""
    since: Time
    """Since when it is in this state."""
    created_by: str
    """In whose name."""
    owner_id: str | None
    """Their person_id; null for a subscription that is older than this field."""
    created: Time
    changed: Time | None
    secret_readable: bool = True
    """False if the key that encrypted its secret is not there: its deliveries wait until it is."""


class NewSubscription(Subscription):
    """A subscription with the secret that was made for it, which is shown only once; empty where a channel needs none."""

    secret: ShownOnce


class NewSecret(Answer):
    """A secret that signs from now on; until `former_until` the one before signs beside it."""

    subscription_id: str
    secret: ShownOnce
    former_until: Time


class EventsReplayWish(Body):
    """Everything that happened from `since` up to but not including `until`; left out, until now."""

    since: Time
    until: Time | None = None


class EventsReplayed(Answer):
    """How many are sent again; `next` is the `since` of the next call, if there were more events than one call looks at."""

    replayed: int
    next: Time | None


class SubscriptionList(Answer):
    """All subscriptions."""

    items: list[Subscription]


class DeliveryPage(Page):
    """Which deliveries."""

    subscription_id: Annotated[str, StringConstraints(min_length=1, max_length=60)] | None = None
    state: Annotated[str, StringConstraints(min_length=1, max_length=20)] | None = None
    """`waiting`, `delivered` or `failed`."""
    event_type: Annotated[str, StringConstraints(min_length=1, max_length=80)] | None = None
    """With its version, such as `package.published.v1`."""


class Delivery(Answer):
    """One event on its way to one subscriber."""

    delivery_id: str
    subscription_id: str
    event_id: str
    event_type: str
    kind: str
    """Of the channel."""
    created: Time
    state: str
    attempts: int
    """Tries since it was made, or since it was replayed."""
    last_status: int | None
    last_error: str | None
    next_attempt: Time | None


class Try(Answer):
    """What came of one try."""

    time: Time
    milliseconds: int
    status: int | None
    error: str | None
    answer: str
    """The beginning of what the receiver said; what is invisible is escaped."""


class TestResult(Try):
    """What came of a message of the type `webhook.test`."""

    message_id: str
    delivered: bool


class DeliveryWithTries(Delivery):
    """A delivery with each of its tries, oldest first."""

    tries: list[Try]


class DeliveryList(Answer):
    """Deliveries, newest first; `next` goes on where this page ends."""

    items: list[Delivery]
    next: str | None
