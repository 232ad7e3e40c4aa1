"""Options and arguments that several subcommands have."""

from __future__ import annotations

import click

limit = click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
"""For lists."""


def split_tags(_context: click.Context | None, _parameter: click.Parameter | None, value: str | None) -> list[str] | None:
    """Staging tags with commas, as a list; None if none were given."""
    return None if value is None else [tag.strip() for tag in value.split(",") if tag.strip()]


def chosen_tags(tags: tuple[str, ...], *, none: bool) -> list[str]:
    """Tags that are given one by one, or `--none`.

    Raises:
        click.UsageError: if both are given, or neither; so that nobody widens what may be seen by a word left out.
    """
    if bool(tags) == none:
        raise click.UsageError("name the tags that there are to be from now on, or say --none")
    return [tag.strip(",") for tag in tags]
