"""Uploads: send a file, and see what became of it."""

from __future__ import annotations

from pathlib import Path

import click

from cli import options, output
from cli.session import Session, with_session
from odst_client import content_digest
from shared.contracts.admin.packages import Upload
from shared.core.names import PackageName

_COLUMNS = ("name", "size", "state", "package_id", "upload_id")


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


@click.group()
def uploads() -> None:
    """Uploads, under way and ended."""


@uploads.command("show")
@click.argument("upload_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until it is hashed and published, or refused.")
@with_session
def show(session: Session, upload_id: str, wait: bool) -> None:
    """Show what became of an upload, such as one that was made with --no-wait."""
    _show_upload(session, session.client.uploads.wait(upload_id) if wait else session.client.uploads.show(upload_id))


def _show_upload(session: Session, found: Upload) -> None:
    session.show_fields(found, (*_COLUMNS, "error") if found.error else _COLUMNS)
    if found.state in {"rejected", "aborted"}:
        code, reason = (found.error.code, found.error.reason) if found.error else (found.state.upper(), "the upload was not taken")
        raise click.ClickException(f"{code}: {reason}")


COMMANDS = (upload, uploads)
