"""Packages: list, show, tag, delete, bring back."""

from __future__ import annotations

from collections.abc import Iterator

import click

from cli import options, output
from cli.matrix import Matrix
from cli.session import Session, with_session
from shared.contracts.admin.mesh import Column, Row
from shared.contracts.admin.packages import Package

_COLUMNS = ("name", "size", "state", "tags", "sha256", "published")


@click.command()
@click.option("--matrix", is_flag=True, help="Show where each is: packages down, instances across.")
@click.option("--tag", help="Only those with this staging tag.")
@click.option("--deleted", is_flag=True, help="Only deleted ones.")
@with_session
def packages(session: Session, matrix: bool, tag: str | None, deleted: bool) -> None:
    """List the packages of the instance."""
    instances: dict[str, Column] = {}
    rows = [one for one in _found(session, instances, matrix=matrix) if _is_wanted(one, tag, deleted=deleted)]
    if not matrix or not rows:
        empty = "There are no such packages." if tag or deleted else "There are no packages yet: odst upload FILE"
        session.show_rows(rows, _COLUMNS, empty)
        return
    document = {"instances": list(instances.values()), "items": rows}
    session.show(document, lambda: Matrix(*output.plain(document).values()).print(output.console()))


def _found(session: Session, instances: dict[str, Column], *, matrix: bool) -> Iterator[Package | Row]:
    """All packages; rows of the matrix if that is asked for, which then puts its columns into `instances`."""
    if not matrix:
        yield from session.client.packages.all()
        return
    for page in session.client.mesh.matrix_pages():
        instances |= {column.instance_id: column for column in page.instances}
        yield from page.items


def _is_wanted(package: Package, tag: str | None, *, deleted: bool) -> bool:
    return (tag is None or tag in package.tags) and (not deleted or package.state == "deleted")


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
@with_session
def tag(session: Session, reference: str, tags: tuple[str, ...], none: bool) -> None:
    """Give a package these staging TAGS, instead of those that it has."""
    wanted = options.chosen_tags(tags, none=none)
    changed = session.client.packages.tag(reference, wanted)
    may = f"instances that bear {' or '.join(changed.tags)}" if changed.tags else "every instance"
    session.say(changed, f"{changed.name} may go to {may}")


@package.command()
@click.argument("reference")
@with_session
def delete(session: Session, reference: str) -> None:
    """Delete a package everywhere; for some days it can be brought back."""
    deleted = session.client.packages.delete(reference)
    session.say(deleted, f"deleted {deleted.name}; to bring it back: odst package undelete {deleted.package_id}")


@package.command()
@click.argument("reference")
@with_session
def undelete(session: Session, reference: str) -> None:
    """Bring a deleted package back, everywhere."""
    restored = session.client.packages.undelete(reference)
    session.say(restored, f"brought back {restored.name}: {restored.state}")


COMMANDS = (packages, package)
