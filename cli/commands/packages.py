"""Packages: list, show, tag, delete, bring back."""

from __future__ import annotations

from typing import Any

import click

from cli import options, output
from cli.client import segment
from cli.matrix import Matrix
from cli.session import Session, with_session

_COLUMNS = ("name", "size", "state", "tags", "sha256", "published")


@click.command()
@click.option("--matrix", is_flag=True, help="Show where each is: packages down, instances across.")
@click.option("--tag", help="Only those with this staging tag.")
@click.option("--deleted", is_flag=True, help="Only deleted ones.")
@with_session
def packages(session: Session, matrix: bool, tag: str | None, deleted: bool) -> None:
    """List the packages of the instance."""
    pages = list(session.client.pages("matrix" if matrix else "packages"))
    rows = [package for page in pages for package in page["items"] if _is_wanted(package, tag, deleted=deleted)]
    empty = "There are no such packages." if tag or deleted else "There are no packages yet: odst upload FILE"
    if not matrix or not rows:
        session.show_rows(rows, _COLUMNS, empty)
        return
    instances = list({instance["instance_id"]: instance for page in pages for instance in page["instances"]}.values())
    session.show({"instances": instances, "items": rows}, lambda: Matrix(instances, rows).print(output.console()))


def _is_wanted(package: dict[str, Any], tag: str | None, *, deleted: bool) -> bool:
    return (tag is None or tag in package["tags"]) and (not deleted or package["state"] == "deleted")


@click.group()
def package() -> None:
    """One package, by name or package_id."""


@package.command("show")
@click.argument("reference")
@with_session
def show(session: Session, reference: str) -> None:
    """Show the package with this name or id."""
    found = session.client.package(reference)
    session.show(found, lambda: output.print_fields(found))


@package.command("tag")
@click.argument("reference")
@click.argument("tags", nargs=-1)
@click.option("--none", is_flag=True, help="Take all tags away: it goes to every instance.")
@with_session
def tag(session: Session, reference: str, tags: tuple[str, ...], none: bool) -> None:
    """Give a package these staging TAGS, instead of those that it has."""
    wanted = options.chosen_tags(tags, none=none)
    changed = session.client.post(f"packages/{segment(reference)}/tags", {"tags": wanted})
    may = f"instances that bear {' or '.join(changed['tags'])}" if changed["tags"] else "every instance"
    session.say(changed, f"{changed['name']} may go to {may}")


@package.command()
@click.argument("reference")
@with_session
def delete(session: Session, reference: str) -> None:
    """Delete a package everywhere; for some days it can be brought back."""
    deleted = session.client.delete(f"packages/{segment(reference)}")
    session.say(deleted, f"deleted {deleted['name']}; to bring it back: odst package undelete {deleted['package_id']}")


@package.command()
@click.argument("reference")
@with_session
def undelete(session: Session, reference: str) -> None:
    """Bring a deleted package back, everywhere."""
    restored = session.client.post(f"packages/{segment(reference)}/undelete")
    session.say(restored, f"brought back {restored['name']}: {restored['state']}")


COMMANDS = (packages, package)
