"""Running instances on this machine: serve and demo."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from cli.launcher import DEFAULT_DATA, DEFAULT_LISTEN, Listen, launch
from cli.session import Session, with_session
from shared.runtime.settings import read_sources


@click.command()
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help=f"Folder of everything it keeps (ODST_DATA); {DEFAULT_DATA}."
)
@click.option("--listen", help=f"HOST:PORT of its gateway (ODST_LISTEN); {DEFAULT_LISTEN}.")
@click.option("--together/--processes", default=True, show_default=True, help="All services in one process, or each in its own.")
@with_session
def serve(_session: Session, data: Path | None, listen: str | None, together: bool) -> None:
    """Run one instance until Ctrl-C; what dies is started again."""
    configured, _ = read_sources(os.environ)
    folder = data or Path(configured.get("data", DEFAULT_DATA))
    address = Listen.parse(listen or str(configured.get("listen", DEFAULT_LISTEN)))
    launch(folder, address, together=together)


@click.command()
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    help="What to upload; without it, 64 MiB made on the spot.",
)
@click.option("--keep", is_flag=True, help="Leave all three running until Ctrl-C, and print their addresses.")
@with_session
def demo(session: Session, file: Path | None, keep: bool) -> None:
    """Three instances in a line, one upload at the first, proof at the third."""
    from cli.demo import run_demo  # noqa: PLC0415 - a remote command need not load what starts instances

    sys.exit(run_demo(file, keep=keep, as_json=session.as_json))


COMMANDS = (serve, demo)
