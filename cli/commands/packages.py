"""Packages: upload, list, show, tag, delete, bring back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from cli import options, output
from cli.matrix import Matrix
from cli.session import Session, with_session
from odst_client import content_digest
from shared.contracts.admin.mesh import Column, Row
from shared.contracts.admin.packages import Package, Upload
from shared.core.names import PackageName

_COLUMNS = ("name", "size", "state", "tags", "sha256", "published")
_UPLOAD = ("name", "size", "state", "package_id", "upload_id")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--name", help="Name of the package; the file's own name by default.")
@click.option(
    "--tags",
    metavar="TAG,TAG",
    callback=options.split_tags,
    help="Staging tags: only instances that bear one of them get it. None: all do.",
)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is hashed and published.")
@click.option("--digest", is_flag=True, help="Hash the file first and have the instance check what it received.")
@with_session
def upload(session: Session, *, file: Path, name: str | None, tags: list[str] | None, wait: bool, digest: bool) -> None:
    """Upload FILE; it is hashed, published, and moved to every peer that may have it."""
    wanted = PackageName.parse(name or file.name).text
    size = file.stat().st_size
    with output.bars(quiet=session.as_json) as bars:
        declared = content_digest(file) if digest else None
        progress = bars.step("uploading", size)
        result = session.client.uploads.send(file, wanted, content_digest=declared, tags=tags or (), progress=progress)
        if wait:
            result = session.client.uploads.wait(result.upload_id, bars.step("hashing", size))
    _show_upload(session, result)


@click.command()
@click.argument("upload_id")
@click.option("--wait", is_flag=True, help="Wait until it is hashed and published, or refused.")
@with_session
def uploaded(session: Session, upload_id: str, wait: bool) -> None:
    """Show what became of an upload, such as one that was made with --no-wait."""
    found = session.client.uploads.wait(upload_id) if wait else session.client.uploads.show(upload_id)
    _show_upload(session, found)


def _show_upload(session: Session, found: Upload) -> None:
    session.show_fields(found, (*_UPLOAD, "error") if found.error else _UPLOAD)
    if found.state in {"rejected", "aborted"}:
        code, reason = (found.error.code, found.error.reason) if found.error else (found.state.upper(), "the upload was not taken")
        raise click.ClickException(f"{code}: {reason}")


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


COMMANDS = (upload, uploaded, packages, package)
