"""Packages: upload, list, show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli import output
from cli.client import content_digest
from cli.session import Session, with_session
from shared.core.names import PackageName

_COLUMNS = ("name", "size", "state", "sha256", "published")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--name", help="Name of the package; the file's own name by default.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is hashed and published.")
@click.option("--digest", is_flag=True, help="Hash the file first and have the instance check what it received.")
@with_session
def upload(session: Session, file: Path, name: str | None, wait: bool, digest: bool) -> None:
    """Upload FILE; it is hashed, published, and moved to every peer."""
    wanted = PackageName.parse(name or file.name).text
    size = file.stat().st_size
    with output.bars(quiet=session.as_json) as bars:
        declared = content_digest(file) if digest else None
        result = session.client.upload(file, wanted, content_digest=declared, progress=bars.step("uploading", size))
        if wait:
            result = session.client.wait_for_upload(result["upload_id"], bars.step("hashing", size))
    session.show(result, lambda: output.print_fields(result, ("name", "size", "state", "package_id", "upload_id")))
    _check(result)


def _check(upload_result: dict[str, Any]) -> None:
    if upload_result["state"] in {"rejected", "aborted"}:
        error = upload_result.get("error") or {}
        raise click.ClickException(
            f"{error.get('code', upload_result['state'].upper())}: {error.get('reason', 'the upload was not taken')}"
        )


@click.command()
@with_session
def packages(session: Session) -> None:
    """List the packages of the instance."""
    session.show_rows(list(session.client.packages()), _COLUMNS, "There are no packages yet: odst upload FILE")


@click.group()
def package() -> None:
    """One package."""


@package.command("show")
@click.argument("reference")
@with_session
def show(session: Session, reference: str) -> None:
    """Show the package with this name or id."""
    found = session.client.package(reference)
    session.show(found, lambda: output.print_fields(found))


COMMANDS = (upload, packages, package)
