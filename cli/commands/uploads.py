"""Uploads: send a file, see where uploads are, give one up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click

from cli import options, output
from cli.resuming import WORTHWHILE_BYTES, Remembered, ResumableUpload, cache_folder, sha256_of
from cli.session import Session, with_session
from odst_client import Client, Progress, content_digest
from shared.contracts.admin.packages import Upload, UploadState
from shared.core.names import PackageName

_UPLOAD = ("name", "size", "state", "package_id", "upload_id")
_COLUMNS = ("upload_id", "name", "state", "size", "bytes_received", "uploaded_by", "created", "error")


@dataclass(frozen=True)
class _Wish:
    """What is to be sent, and how."""

    file: Path
    name: str
    tags: list[str]
    digest: bool
    resumable: bool

    def send(self, client: Client, progress: Progress) -> Upload:
        if not self.resumable:
            declared = content_digest(self.file) if self.digest else None
            return client.uploads.send(self.file, self.name, content_digest=declared, tags=self.tags, progress=progress)
        remembered = Remembered(cache_folder(), client.url, self.file, self.name, *self.tags)
        sha256 = sha256_of(self.file) if self.digest else None
        return ResumableUpload(client, self.file, self.name, self.tags, sha256, remembered, progress).send()


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--name", help="Name of the package; the file's own name by default.")
@options.tags("Staging tag: only instances that bear it, or another one given, get the package. Without: all do.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is hashed and published.")
@click.option("--digest", is_flag=True, help="Hash the file first: the instance checks what it received, or says that it has it already.")
@click.option(
    "--resumable/--at-once", default=None, help="In parts, going on after whatever broke off; or in one request. By default, by its size."
)
@with_session
def upload(
    session: Session, *, file: Path, name: str | None, tags: list[str] | None, wait: bool, digest: bool, resumable: bool | None
) -> None:
    """Upload FILE; it is hashed, published, and moved to every peer that may have it.

    If this command ends before the file is sent, give it again: it goes on where it was.
    """
    size = file.stat().st_size
    in_parts = size >= WORTHWHILE_BYTES if resumable is None else resumable
    wish = _Wish(file, PackageName.parse(name or file.name).text, tags or [], digest, in_parts)
    with _saying_how_to_go_on(wish), output.bars(quiet=session.as_json) as bars:
        result = wish.send(session.client, bars.step("uploading", size))
        if wait:
            result = session.client.uploads.wait(result.upload_id, bars.step("hashing", size))
    _show_upload(session, result)


@contextmanager
def _saying_how_to_go_on(wish: _Wish) -> Iterator[None]:
    """Ctrl-C, with what becomes of what was sent."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("\ninterrupted; " + ("the same command goes on where it was" if wish.resumable else "see odst uploads"), err=True)
        raise


def _show_upload(session: Session, found: Upload) -> None:
    session.show_fields(found, (*_UPLOAD, "error") if found.error else _UPLOAD)
    if found.state in {"rejected", "aborted"}:
        code, reason = (found.error.code, found.error.reason) if found.error else (found.state.upper(), "the upload was not taken")
        raise click.ClickException(f"{code}: {reason}")


_listing = options.together(
    options.limit,
    options.after,
    click.option(
        "--state", multiple=True, type=click.Choice(get_args(UploadState)), help="Only those in this state; or in one of several."
    ),
    click.option("--name", help="Only those of this name."),
)


@click.group(invoke_without_command=True)
@_listing
@with_session
def uploads(session: Session, /, **asked: Any) -> None:
    """Uploads, under way and ended; without a subcommand, list them."""
    if click.get_current_context().invoked_subcommand is None:
        _list(session, **asked)


@uploads.command("list")
@_listing
@with_session
def list_uploads(session: Session, /, **asked: Any) -> None:
    """List uploads, newest first."""
    _list(session, **asked)


def _list(session: Session, **asked: Any) -> None:
    empty = "There are no such uploads." if asked["state"] or asked["name"] else "Nothing was uploaded here yet."
    session.show_page(session.client.uploads.page(**asked), _COLUMNS, empty)


@uploads.command("show")
@click.argument("upload_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until it is hashed and published, or refused.")
@with_session
def show(session: Session, upload_id: str, wait: bool) -> None:
    """Show what became of an upload, such as one that was made with --no-wait."""
    _show_upload(session, session.client.uploads.wait(upload_id) if wait else session.client.uploads.show(upload_id))


@uploads.command()
@click.argument("upload_id", metavar="ID")
@with_session
def cancel(session: Session, upload_id: str) -> None:
    """Give up an upload that does not have all its bytes."""
    session.client.uploads.give_up(upload_id)
    session.say({"upload_id": upload_id, "state": "aborted"}, f"cancelled {upload_id}")


COMMANDS = (upload, uploads)
