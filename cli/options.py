"""Options and arguments that several subcommands have."""

from __future__ import annotations

import datetime as dt
import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click
from pydantic import ValidationError

from shared.contracts.admin.people import GrantWish, RoleName

F = TypeVar("F", bound=Callable[..., Any])

limit = click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
"""For lists."""
after = click.option("--after", metavar="NEXT", help="Go on where an earlier page ended: its `next`, with the same filters.")
"""For lists that have pages."""


def together(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one, in this order; for a group that lists and its `list`."""

    def decorate(command: F) -> F:
        return functools.reduce(lambda decorated, option: option(decorated), reversed(decorators), command)

    return decorate


class _Time(click.ParamType[dt.datetime]):
    """A time with a zone."""

    name = "time"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> dt.datetime:
        """What people write as a time."""
        try:
            time = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time such as 2030-01-31T22:00:00+01:00", parameter, context)
        if time.tzinfo is None:
            self.fail(f"{value!r} does not say in which zone: such as 2030-01-31T22:00:00+01:00, or Z at the end", parameter, context)
        return time


TIME = _Time()
"""RFC 3339."""


def _quoted(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """An entity tag as HTTP has it; its quotes may have got lost in a shell."""
    return value if value is None or value == "*" or value.endswith('"') else f'"{value}"'


if_match = click.option(
    "--if-match", metavar="TAG", callback=_quoted, help="Only if nobody changed it since: the `etag` that `show --json` told."
)
"""For what changes one thing."""
ROLES = get_args(RoleName)
role = click.option("--role", type=click.Choice(ROLES), help="What they may do.")
grants = click.option(
    "--grant",
    "grants",
    multiple=True,
    metavar="ROLE[:TAG,…][@INSTANCE,…]",
    help="A role within staging tags and at instances, such as uploader:test@Hamburg. Can be given several times.",
)


def chosen_grants(role: RoleName | None, grants: tuple[str, ...]) -> list[GrantWish] | None:
    """What `--role` and `--grant` say together; None if they say nothing.

    Raises:
        click.UsageError: if that is no grant.
    """
    texts = [*([role] if role else []), *grants]
    return [_grant(text) for text in texts] or None


def _grant(text: str) -> GrantWish:
    rest, _, instances = text.partition("@")
    role, _, tags = rest.partition(":")
    try:
        return GrantWish.model_validate({"role": role, "tags": _listed(tags), "instances": _listed(instances)})
    except ValidationError as error:
        raise click.UsageError(f"{text!r} is no grant such as uploader:test@Hamburg, with a role of {', '.join(ROLES)}") from error


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def password(prompt: str, *, twice: bool = False) -> str:
    """A password that is typed, unseen, or else the first line of standard input. Arguments would be seen by everybody on the machine.

    Raises:
        click.UsageError: if nothing was given.
    """
    if sys.stdin.isatty():
        return str(click.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True))
    typed = sys.stdin.readline().rstrip("\r\n")
    if not typed:
        raise click.UsageError(
            f"{prompt}: there is nothing on standard input; give it there on a line of its own, or call this in a terminal"
        )
    return typed


def _split(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> list[str] | None:
    return [tag for value in values for tag in _listed(value)] if values else None


def tags(text: str) -> Callable[[F], F]:
    """`--tag`, which can be given several times or with commas, and is called `--tags` too: a list, or None if it was not given."""
    return click.option("--tag", "--tags", "tags", multiple=True, metavar="TAG[,TAG]", callback=_split, help=text)


def chosen_tags(tags: tuple[str, ...], *, none: bool) -> list[str]:
    """Tags that are given one by one, or `--none`.

    Raises:
        click.UsageError: if both are given, or neither; so that nobody widens what may be seen by a word left out.
    """
    if bool(tags) == none:
        raise click.UsageError("name the tags that there are to be from now on, or say --none")
    return [tag.strip(",") for tag in tags]
