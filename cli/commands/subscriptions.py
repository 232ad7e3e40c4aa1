"""Subscriptions: who is told of what, on which channel; and what became of the deliveries."""

from __future__ import annotations

import datetime as dt
from typing import Any, TextIO

import click

from cli import options
from cli.session import Session, with_session
from shared.contracts.admin.subscriptions import ChannelChange, ChannelWish, FiltersWish, Subscription

_COLUMNS = ("subscription_id", "url", "events", "state", "reason", "created_by", "created", "description", "secret_readable")
_DELIVERIES = ("event_type", "state", "attempts", "last_status", "last_error", "next_attempt", "delivery_id", "subscription_id")
_TRIES = ("time", "milliseconds", "status", "error", "answer")

_subscription = click.argument("subscription_id", metavar="ID")
_tags = options.tags("Only of packages with this staging tag; repeatable.")
_names = click.option("--name", "names", multiple=True, metavar="GLOB", help="Only of packages such as 'Firefox*.pkg'; repeatable.")
_origins = click.option("--origin", "origins", multiple=True, metavar="INSTANCE_ID", help="Only of packages uploaded there; repeatable.")
_description = click.option("--description", help="What it is for.")


_PATTERNS: dict[str, Any] = {"multiple": True, "metavar": "PATTERN", "help": "Such as package.published or package.*; repeatable."}


def _filters(tags: list[str] | None, names: tuple[str, ...], origins: tuple[str, ...]) -> FiltersWish | None:
    return FiltersWish(tags=tags or [], names=list(names), origins=list(origins)) if tags or names or origins else None


_email = click.option("--email", metavar="ADDRESS", help="By mail, to this address.")
_pace = click.option("--pace", type=click.Choice(["at_once", "hourly", "daily"]), help="How often there is mail at most.")
_SECRET_FILE: dict[str, Any] = {"type": click.File("r"), "metavar": "FILE"}
_slack = click.option("--slack", help="In Slack; FILE has the URL of an incoming webhook ('-' is the input).", **_SECRET_FILE)
_teams = click.option("--teams", help="In Teams; FILE has the URL of a Workflows webhook.", **_SECRET_FILE)


def _settings(
    url: str | None, email: str | None, pace: str | None, slack: TextIO | None, teams: TextIO | None
) -> tuple[str, dict[str, Any]]:
    """The kind of channel that was given, and what was given of its settings; a URL that is secret is read now."""
    if slack or teams:
        kind, file = ("slack", slack) if slack else ("teams", teams)
        return kind, {"url": file.readline().strip() if file else ""}
    given = {name: value for name, value in (("url", url), ("to", email), ("pace", pace)) if value is not None}
    return ("email" if url is None else "webhook"), given


@click.command()
@click.argument("url", required=False)
@click.option("--events", "patterns", required=True, **_PATTERNS)
@_email
@_pace
@_slack
@_teams
@_tags
@_names
@_origins
@_description
@with_session
def subscribe(
    session: Session,
    *,
    url: str | None,
    patterns: tuple[str, ...],
    email: str | None,
    pace: str | None,
    slack: TextIO | None,
    teams: TextIO | None,
    tags: list[str] | None,
    names: tuple[str, ...],
    origins: tuple[str, ...],
    description: str | None,
) -> None:
    """Have events posted to URL, signed by Standard Webhooks; or sent by mail, to Slack or to Teams. A secret is shown only now."""
    if sum(way is not None for way in (url, email, slack, teams)) != 1:
        raise click.UsageError("give one of URL, --email, --slack, --teams")
    if pace and not email:
        raise click.UsageError("--pace is for --email")
    kind, settings = _settings(url, email, pace, slack, teams)
    channel, filters = ChannelWish(kind=kind, settings=settings) if url is None else None, _filters(tags, names, origins)
    session.show_fields(session.client.webhooks.subscribe(url or "", patterns, channel=channel, filters=filters, description=description))


@click.group(invoke_without_command=True)
@with_session
def subscriptions(session: Session) -> None:
    """Who is told of what; without a subcommand, list them."""
    if click.get_current_context().invoked_subcommand is None:
        _list(session)


@subscriptions.command("list")
@with_session
def list_subscriptions(session: Session) -> None:
    """List the subscriptions of the instance."""
    _list(session)


def _list(session: Session) -> None:
    session.show_rows(session.client.webhooks.all(), _COLUMNS, "There are no subscriptions yet: odst subscribe URL --events PATTERN")


@subscriptions.command()
@_subscription
@with_session
def show(session: Session, subscription_id: str) -> None:
    """Show one subscription."""
    session.show_fields(session.client.webhooks.show(subscription_id))


@subscriptions.command()
@_subscription
@click.option("--events", "patterns", **_PATTERNS)
@click.option("--url", help="Another address; the secret stays.")
@_email
@_pace
@_slack
@_teams
@_tags
@_names
@_origins
@click.option("--no-filters", is_flag=True, help="Of all packages.")
@_description
@options.if_match
@with_session
def change(
    session: Session,
    *,
    subscription_id: str,
    patterns: tuple[str, ...],
    url: str | None,
    email: str | None,
    pace: str | None,
    slack: TextIO | None,
    teams: TextIO | None,
    tags: list[str] | None,
    names: tuple[str, ...],
    origins: tuple[str, ...],
    no_filters: bool,
    description: str | None,
    if_match: str | None,
) -> None:
    """Give a subscription other events, another address or room, other filters; what is not given stays. Its kind is for good."""
    if sum(way is not None for way in (url, email or pace, slack, teams)) > 1:
        raise click.UsageError("a subscription has one of --url, --email, --slack, --teams")
    if no_filters and (tags or names or origins):
        raise click.UsageError("give filters, or --no-filters, not both")
    filters = FiltersWish() if no_filters else _filters(tags, names, origins)
    kind, settings = _settings(url, email, pace, slack, teams)
    channel = ChannelChange(kind=kind, settings=settings) if settings else None
    if not patterns and channel is None and filters is None and description is None:
        raise click.UsageError("say what is to change: --events, an address or room, a filter, --no-filters or --description")
    changed = session.client.webhooks.change(
        subscription_id, events=list(patterns) or None, channel=channel, filters=filters, description=description, if_match=if_match
    )
    session.show_fields(changed)


def _say(session: Session, found: Subscription) -> None:
    session.say(found, f"{found.subscription_id} is {found.state}")


@subscriptions.command()
@_subscription
@options.if_match
@with_session
def pause(session: Session, subscription_id: str, if_match: str | None) -> None:
    """Send nothing until it is resumed."""
    _say(session, session.client.webhooks.pause(subscription_id, if_match=if_match))


@subscriptions.command()
@_subscription
@options.if_match
@with_session
def resume(session: Session, subscription_id: str, if_match: str | None) -> None:
    """Send again, whether it was paused or disabled."""
    _say(session, session.client.webhooks.resume(subscription_id, if_match=if_match))


@subscriptions.command("take-over")
@_subscription
@options.if_match
@with_session
def take_over(session: Session, subscription_id: str, if_match: str | None) -> None:
    """Put it into your own name, such as when its owner is gone; then resume it."""
    found = session.client.webhooks.take_over(subscription_id, if_match=if_match)
    session.say(found, f"{found.subscription_id} is yours, and {found.state}")


@subscriptions.command()
@_subscription
@with_session
def test(session: Session, subscription_id: str) -> None:
    """Send a message of the type webhook.test, and say what came of it."""
    result = session.client.webhooks.test(subscription_id)
    session.show_fields(result)
    if not result.delivered:
        raise click.ClickException(f"NOT_DELIVERED: {result.error}")


@subscriptions.command("rotate-secret")
@_subscription
@with_session
def rotate_secret(session: Session, subscription_id: str) -> None:
    """Make a new secret, shown only now; until the time that is told, the one before signs beside it."""
    session.show_fields(session.client.webhooks.rotate_secret(subscription_id))


@subscriptions.command()
@_subscription
@click.option("--since", type=options.TIME, required=True, help="From when on, such as 2030-01-31T22:00:00+01:00.")
@click.option("--until", type=options.TIME, help="Until when; without it, until now.")
@with_session
def replay(session: Session, *, subscription_id: str, since: dt.datetime, until: dt.datetime | None) -> None:
    """Send again what happened in that time, with the ids of the first time: receivers drop what they know."""
    number, following = 0, since
    while True:
        done = session.client.webhooks.replay(subscription_id, following, until)
        number += done.replayed
        if done.next is None:
            break
        following = done.next
    session.say({"subscription_id": subscription_id, "replayed": number}, f"{number} to be sent again: odst deliveries")


@click.command()
@click.argument("subscription_id")
@options.if_match
@with_session
def unsubscribe(session: Session, subscription_id: str, if_match: str | None) -> None:
    """End a subscription."""
    session.client.webhooks.unsubscribe(subscription_id, if_match=if_match)
    session.say({"subscription_id": subscription_id, "state": "removed"}, f"removed {subscription_id}")


_listing = options.together(
    options.limit,
    options.after,
    click.option("--subscription", "subscription_id", metavar="ID", help="Only to this subscriber."),
    click.option("--state", type=click.Choice(["waiting", "delivered", "failed"]), help="Only those."),
    click.option("--type", "event_type", metavar="TYPE", help="Only of events such as package.published.v1."),
)


@click.group(invoke_without_command=True)
@_listing
@with_session
def deliveries(session: Session, /, **asked: Any) -> None:
    """What was sent to subscribers, and what waits to be sent again; without a subcommand, list it."""
    if click.get_current_context().invoked_subcommand is None:
        _list_deliveries(session, **asked)


@deliveries.command("list")
@_listing
@with_session
def list_deliveries(session: Session, /, **asked: Any) -> None:
    """List deliveries, newest first."""
    _list_deliveries(session, **asked)


def _list_deliveries(session: Session, **asked: Any) -> None:
    filters = ("subscription_id", "state", "event_type")
    empty = "There are no such deliveries." if any(asked[name] for name in filters) else "Nothing was delivered yet."
    session.show_page(session.client.webhooks.deliveries_page(**asked), _DELIVERIES, empty)


@deliveries.command("show")
@click.argument("delivery_id", metavar="ID")
@with_session
def show_delivery(session: Session, delivery_id: str) -> None:
    """Show a delivery with each of its tries, oldest first."""
    found = session.client.webhooks.delivery(delivery_id)
    if session.as_json:
        session.show_fields(found)
        return
    session.show_fields(found, _DELIVERIES)
    session.show_rows(found.tries, _TRIES, "It was not tried yet.")


@deliveries.command("replay")
@click.argument("delivery_id", metavar="ID")
@with_session
def replay_delivery(session: Session, delivery_id: str) -> None:
    """Send a delivery again, now, with the id of the first time."""
    found = session.client.webhooks.replay_delivery(delivery_id)
    session.say(found, f"{found.delivery_id} is {found.state}")


COMMANDS = (subscribe, subscriptions, unsubscribe, deliveries)
