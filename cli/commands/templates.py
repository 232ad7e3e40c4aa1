"""Templates: how Slack and Teams word events."""

from __future__ import annotations

import json
from typing import TextIO

import click

from cli.session import Session, with_session

_kind = click.argument("kind", type=click.Choice(["slack", "teams"]))


@click.group()
def templates() -> None:
    """How Slack and Teams word events."""


@templates.command()
@_kind
@with_session
def show(session: Session, kind: str) -> None:
    """Print the template of a chat."""
    found = session.client.templates.show(kind)
    session.say(found, found.source)


@templates.command("set")
@_kind
@click.argument("file", type=click.File("r"))
@with_session
def set_template(session: Session, kind: str, file: TextIO) -> None:
    """Word events by the template in FILE ('-' is the input), from the next message on."""
    found = session.client.templates.change(kind, file.read())
    session.say(found, f"{kind} has the template of {found.changed_by} now")


@templates.command()
@_kind
@with_session
def reset(session: Session, kind: str) -> None:
    """Word events as built in again."""
    session.client.templates.reset(kind)
    session.say({"kind": kind, "built_in": True}, f"{kind} has the built-in template again")


@templates.command()
@_kind
@click.argument("event_type", metavar="TYPE")
@click.option("--template", "file", type=click.File("r"), metavar="FILE", help="By this template, which is not kept; '-' is the input.")
@with_session
def preview(session: Session, kind: str, event_type: str, file: TextIO | None) -> None:
    """Print what would be sent of the example of an event, such as package.published.v1. Nothing is sent."""
    found = session.client.templates.preview(kind, event_type, file.read() if file else None)
    if found.fault:
        click.echo(f"the template fails, and the built-in one takes its place: {found.fault}", err=True)
    session.say(found, json.dumps(found.payload, indent=2, ensure_ascii=False))


COMMANDS = (templates,)
