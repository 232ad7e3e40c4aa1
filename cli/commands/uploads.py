"""Uploads: send a file, see where uploads are, give one up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cli import options, output
from cli.client import Client, content_digest, segment
from cli.resuming import WORTHWHILE_BYTES, Remembered, ResumableUpload, cache_folder, sha256_of
from cli.session import Session, with_session
from shared.core.names import PackageName

_COLUMNS = ("upload_id", "name", "state", "size", "bytes_received", "uploaded_by", "created", "error")


@dataclass(frozen=True)
class _Wish:
    """What is to be sent, and how."""

    file: Path
    name: str
    tags: list[str]
    digest: bool
    resumable: bool

    def send(self, client: Client, progress: Callable[[int], None]) -> dict[str, Any]:
        if not self.resumable:
            declared = content_digest(self.file) if self.digest else None
            return client.upload(self.file, self.name, content_digest=declared, tags=self.tags, progress=progress)
        remembered = Remembered(cache_folder(), client.url, self.file, self.name, *self.tags)
        sha256 = sha256_of(self.file) if self.digest else None
        return ResumableUpload(client, self.file, self.name, self.tags, sha256, remembered, progress).send()


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
    with output.bars(quiet=session.as_json) as bars:
        result = wish.send(session.client, bars.step("uploading", size))
        if wait:
            result = session.client.wait_for_upload(result["upload_id"], bars.step("hashing", size))
    shown = ("name", "size", "state", "package_id", "upload_id", *(["error"] if result.get("error") else []))
    session.show(result, lambda: output.print_fields(result, shown))
    _check(result)


def _check(upload_result: dict[str, Any]) -> None:
    if upload_result["state"] in {"rejected", "aborted"}:
        error = upload_result.get("error") or {}
        raise click.ClickException(
            f"{error.get('code', upload_result['state'].upper())}: {error.get('reason', 'the upload was not taken')}"
        )


@click.group(invoke_without_command=True)
@click.pass_context
def uploads(context: click.Context) -> None:
    """Uploads, under way and ended; without a subcommand, list them."""
    if context.invoked_subcommand is None:
        context.invoke(list_uploads)


@uploads.command("list")
@options.limit
@with_session
def list_uploads(session: Session, limit: int) -> None:
    """List uploads, newest first."""
    session.show_rows(session.client.items("uploads", limit), _COLUMNS, "Nothing was uploaded here yet.")


@uploads.command()
@click.argument("upload_id", metavar="ID")
@with_session
def cancel(session: Session, upload_id: str) -> None:
    """Give up an upload that does not have all its bytes."""
    session.client.exchange("DELETE", f"uploads/{segment(upload_id)}", headers={"Tus-Resumable": "1.0.0"})
    session.say({"upload_id": upload_id, "state": "aborted"}, f"cancelled {upload_id}")


COMMANDS = (upload, uploads)
