"""Jamf Pro: a channel that keeps its package records right, and what people do with it."""

from __future__ import annotations

from typing import Any

import click

from cli import options
from cli.output import print_table
from cli.session import Session, with_session
from shared.contracts.admin.jamf import JamfWrites
from shared.contracts.admin.subscriptions import ChannelChange, ChannelWish, FiltersWish

EVENTS = ("package.published", "package.raised", "package.restored", "package.retagged", "promotion.ended")
"""After these a record may have to change."""
_FINDINGS = ("step", "ok", "detail")
_DRIFT = ("difference", "file_name", "record_name", "record_id", "package_id", "detail")
_CHANGES = ("method", "url", "field", "before", "after")

_subscription = click.argument("subscription_id", metavar="ID")
_dry_run = click.option("--dry-run", is_flag=True, help="Only show what would be written.")


@click.group()
def jamf() -> None:
    """Jamf Pro as a channel: package records, distribution points, drift."""


@jamf.command()
@click.argument("url")
@click.option("--client-id", help="Of an API client; its secret is asked for, or read from --secret-file.")
@click.option("--username", help="Of a Jamf Pro user, instead of an API client.")
@click.option("--secret-file", type=click.File(), help="File with the client's secret or the user's password; - for standard input.")
@options.tags("Only packages with this staging tag, such as production; repeatable.")
@click.option("--name", "names", multiple=True, metavar="GLOB", help="Only packages such as 'Firefox*.pkg'; repeatable.")
@click.option("--setting", "settings", multiple=True, metavar="NAME=VALUE", help="Such as hash=MD5 or category_id=7; repeatable.")
@click.option("--dry-run", is_flag=True, help="Deliveries only say what they would write.")
@click.option("--description", help="What it is for.")
@with_session
def subscribe(
    session: Session,
    *,
    url: str,
    client_id: str | None,
    username: str | None,
    secret_file: Any,
    tags: list[str] | None,
    names: tuple[str, ...],
    settings: tuple[str, ...],
    dry_run: bool,
    description: str | None,
) -> None:
    """Keep the package records of the Jamf Pro server at URL right from now on."""
    if bool(client_id) == bool(username):
        raise click.UsageError("say as whom: --client-id of an API client, or --username of a Jamf Pro user")
    secret = secret_file.read().strip() if secret_file else click.prompt("Secret", hide_input=True, err=True)
    chosen = {"client_id": client_id, "client_secret": secret} if client_id else {"username": username, "password": secret}
    wished = {"url": url, "dry_run": dry_run, **chosen, **dict(map(_setting, settings))}
    channel = ChannelWish(kind="jamf_pro", settings=wished)
    filters = FiltersWish(tags=tags or [], names=list(names)) if tags or names else None
    made = session.client.webhooks.subscribe("", EVENTS, channel=channel, filters=filters, description=description)
    session.say(made, f"subscription {made.subscription_id}; try it: odst jamf test {made.subscription_id}")


def _setting(text: str) -> tuple[str, Any]:
    name, found, value = text.partition("=")
    if not found:
        raise click.UsageError(f"--setting {text}: give NAME=VALUE")
    if name == "priority" and value.isdecimal():
        return name, int(value)
    return name, {"true": True, "false": False}.get(value.lower(), value)


@jamf.command()
@_subscription
@click.option("--setting", "settings", multiple=True, metavar="NAME=VALUE", help="Such as dry_run=false or hash=MD5; repeatable.")
@click.option("--secret-file", type=click.File(), help="File with another secret or password; - for standard input.")
@with_session
def change(session: Session, *, subscription_id: str, settings: tuple[str, ...], secret_file: Any) -> None:
    """Change settings of the channel; what is not given stays. Another url needs the secret again."""
    wished = dict(map(_setting, settings))
    if secret_file:
        by_client = session.client.webhooks.show(subscription_id).channel.settings.get("client_id")
        wished["client_secret" if by_client else "password"] = secret_file.read().strip()
    session.show_fields(session.client.webhooks.change(subscription_id, channel=ChannelChange(settings=wished)))


@jamf.command("test")
@_subscription
@with_session
def try_connection(session: Session, subscription_id: str) -> None:
    """Try the connection step by step, and say what to do about what failed. Exit code 1 if anything did."""
    found = session.client.jamf.try_connection(subscription_id)
    session.show_rows(found, _FINDINGS, "Nothing was tried.")
    if not all(step.ok for step in found):
        raise click.exceptions.Exit(1)


@jamf.command("register-distribution-point")
@_subscription
@_dry_run
@with_session
def register_point(session: Session, *, subscription_id: str, dry_run: bool) -> None:
    """Make this instance an HTTPS-only distribution point in Jamf Pro."""
    _show_writes(session, session.client.jamf.register_point(subscription_id, dry_run=dry_run))


@jamf.command()
@_subscription
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@_dry_run
@with_session
def repair(session: Session, *, subscription_id: str, names: tuple[str, ...], dry_run: bool) -> None:
    """Make the records of these packages right, or make them. No record is ever deleted."""
    reports = [session.client.jamf.record(subscription_id, name, dry_run=dry_run) for name in names]
    writes = [write for report in reports for write in report.writes]
    _show_writes(session, JamfWrites(sent=any(report.sent for report in reports), writes=writes))


@jamf.command()
@_subscription
@click.option("--check", is_flag=True, help="Exit code 1 if anything differs.")
@with_session
def drift(session: Session, *, subscription_id: str, check: bool) -> None:
    """Show where the records of Jamf Pro and the files here differ; nothing is changed."""
    found = list(session.client.jamf.drift(subscription_id))
    session.show_rows(found, _DRIFT, "Every record has its file here, with the right hash, and every file its record.")
    if found and check:
        raise click.exceptions.Exit(1)


def _show_writes(session: Session, report: JamfWrites) -> None:
    rows = [
        {"method": write.method, "url": write.url, **change.model_dump(mode="json")} for write in report.writes for change in write.changes
    ]

    def table() -> None:
        print_table(rows, _CHANGES, "Nothing to write: it is right already.")
        if rows:
            print("written" if report.sent else "not sent: this was a dry run")

    session.show(report, table)


COMMANDS = (jamf,)
