"""Webhooks: subscribe, list, what became of the deliveries."""

from __future__ import annotations

import click

from cli import options
from cli.session import Session, with_session

_COLUMNS = ("subscription_id", "url", "events", "state", "created_by", "created", "secret_readable")
_DELIVERIES = ("event_type", "state", "attempts", "last_status", "last_error", "next_attempt", "delivery_id", "subscription_id")


@click.command()
@click.argument("url")
@click.option(
    "--events", "patterns", multiple=True, required=True, metavar="PATTERN", help="Such as package.published or package.*; repeatable."
)
@with_session
def subscribe(session: Session, url: str, patterns: tuple[str, ...]) -> None:
    """Have events posted to URL, signed by Standard Webhooks. The secret is shown only now."""
    session.show_fields(session.client.webhooks.subscribe(url, patterns))


@click.command()
@with_session
def subscriptions(session: Session) -> None:
    """List the subscriptions of the instance."""
    session.show_rows(session.client.webhooks.all(), _COLUMNS, "There are no subscriptions yet: odst subscribe URL --events PATTERN")


@click.command()
@click.argument("subscription_id")
@with_session
def unsubscribe(session: Session, subscription_id: str) -> None:
    """End a subscription."""
    session.client.webhooks.unsubscribe(subscription_id)
    session.say({"subscription_id": subscription_id, "state": "removed"}, f"removed {subscription_id}")


@click.command()
@options.limit
@with_session
def deliveries(session: Session, limit: int) -> None:
    """List what was posted to subscribers, and what waits to be posted again."""
    session.show_rows(session.client.webhooks.deliveries(limit), _DELIVERIES, "Nothing was delivered yet.")


COMMANDS = (subscribe, subscriptions, unsubscribe, deliveries)
