"""Packages: list, show, tag, delete, bring back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import click

from cli import options, output
from cli.matrix import Matrix
from cli.session import Session, with_session
from shared.contracts.admin.mesh import Column, Row
from shared.contracts.admin.packages import Package, PackageOrder, PackageState

_COLUMNS = ("name", "size", "state", "tags", "sha256", "published")


@click.command()
@click.option("--matrix", is_flag=True, help="Show where each is: packages down, instances across.")
@click.option("--tag", multiple=True, metavar="TAG", help="Only those with this staging tag; given several times, with all of them.")
@click.option("--untagged", is_flag=True, help="Only those without staging tags.")
@click.option("--state", multiple=True, type=click.Choice(get_args(PackageState)), help="Only those in this state; or in one of several.")
@click.option("--deleted", is_flag=True, help="Only deleted ones.")
@click.option("--text", help="Only those with this in their name; case does not count.")
@click.option("--origin", metavar="ID", help="Only those that come from this instance.")
@click.option("--created-after", type=options.TIME, help="Not made before this time (RFC 3339).")
@click.option("--created-before", type=options.TIME, help="Made before this time.")
@click.option("--here/--not-here", "bytes_here", default=None, help="Only those whose bytes are here, or are not.")
@click.option("--sort", type=click.Choice(get_args(PackageOrder)), help="By name, unless said otherwise; with - in front: falling.")
@with_session
def packages(session: Session, /, matrix: bool, deleted: bool, state: tuple[str, ...], **wanted: Any) -> None:
    """List the packages of the instance."""
    instances: dict[str, Column] = {}
    # What is not asked for is not sent: an older instance knows no filters.
    asked = {name: value for name, value in wanted.items() if value not in (None, ()) and (name, value) != ("untagged", False)}
    if states := (*state, "deleted") if deleted else state:
        asked["state"] = states
    rows = list(_found(session, instances, asked, matrix=matrix))
    if not matrix or not rows:
        empty = "There are no such packages." if asked.keys() - {"sort"} else "There are no packages yet: odst upload FILE"
        session.show_rows(rows, _COLUMNS, empty)
        return
    document = {"instances": list(instances.values()), "items": rows}
    session.show(document, lambda: Matrix(*output.plain(document).values()).print(output.console()))


def _found(session: Session, instances: dict[str, Column], wanted: Any, *, matrix: bool) -> Iterator[Package | Row]:
    """All packages; rows of the matrix if that is asked for, which then puts its columns into `instances`."""
    if not matrix:
        yield from session.client.packages.all(**wanted)
        return
    for page in session.client.mesh.matrix_pages(**wanted):
        instances |= {column.instance_id: column for column in page.instances}
        yield from page.items


@click.group()
def package() -> None:
    """One package, by name or package_id."""


@package.command("show")
@click.argument("reference")
@with_session
def show(session: Session, reference: str) -> None:
    """Show the package with this name or id."""
    session.show_fields(session.client.packages.show(reference))


@package.command("tag")
@click.argument("reference")
@click.argument("tags", nargs=-1)
@click.option("--none", is_flag=True, help="Take all tags away: it goes to every instance.")
@options.if_match
@with_session
def tag(session: Session, *, reference: str, tags: tuple[str, ...], none: bool, if_match: str | None) -> None:
    """Give a package these staging TAGS, instead of those that it has."""
    wanted = options.chosen_tags(tags, none=none)
    changed = session.client.packages.tag(reference, wanted, if_match=if_match)
    may = f"instances that bear {' or '.join(changed.tags)}" if changed.tags else "every instance"
    session.say(changed, f"{changed.name} may go to {may}")


@package.command()
@click.argument("reference")
@options.if_match
@with_session
def delete(session: Session, reference: str, if_match: str | None) -> None:
    """Delete a package everywhere; for some days it can be brought back."""
    deleted = session.client.packages.delete(reference, if_match=if_match)
    session.say(deleted, f"deleted {deleted.name}; to bring it back: odst package undelete {deleted.package_id}")


@package.command()
@click.argument("reference")
@options.if_match
@with_session
def undelete(session: Session, reference: str, if_match: str | None) -> None:
    """Bring a deleted package back, everywhere."""
    restored = session.client.packages.undelete(reference, if_match=if_match)
    session.say(restored, f"brought back {restored.name}: {restored.state}")


COMMANDS = (packages, package)
