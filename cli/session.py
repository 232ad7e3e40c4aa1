"""What every subcommand shares: where the instance is, who asks, and in which form the answer is printed."""

from __future__ import annotations

import errno
import functools
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
import requests

from cli import output
from odst_client import CallFailed, Client
from shared.contracts.admin.base import Answer
from shared.core.errors import OdstError

DEFAULT_URL = "http://127.0.0.1:8080"
_HINTS = {
    "URL_INVALID": " (--url or ODST_URL)",
    "UNREACHABLE": " (--url or ODST_URL; `odst serve`)",
    "TLS_FAILED": " (--url or ODST_URL; the certificate of an authority of your own: --ca-file or ODST_CA_FILE)",
    "CA_FILE_UNUSABLE": " (--ca-file or ODST_CA_FILE)",
}
P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Session:
    """The global options. The token is never shown."""

    url: str = DEFAULT_URL
    token: str | None = field(default=None, repr=False)
    as_json: bool = False
    ca_file: Path | None = None

    @functools.cached_property
    def client(self) -> Client:
        """Calls to the instance that was named; all that one command asks has one correlation id.

        Raises:
            click.ClickException: if the file with the token cannot be read.
        """
        return self.connect(self.token or token_from_file())

    def connect(self, token: str | None) -> Client:
        """The same with this token, or as nobody."""
        return Client(self.url, token, correlation_id=uuid.uuid4().hex, ca_file=self.ca_file)

    def at(self, url: str) -> Client:
        """Another address, as nobody: the token is for the instance that was named."""
        return Client(url, correlation_id=uuid.uuid4().hex, ca_file=self.ca_file)

    def show(self, document: Any, table: Callable[[], None]) -> None:
        """Print a document (an answer, or JSON that may hold answers): as JSON if that was asked for, else by `table`."""
        if self.as_json:
            output.print_json(output.for_programs(document))
        else:
            table()

    def show_rows(self, rows: Sequence[Answer | dict[str, Any]], columns: Sequence[str], empty: str) -> None:
        """Print a list."""
        self.show({"items": list(rows)}, lambda: output.print_table(output.plain_rows(rows), columns, empty))

    def show_page(self, page: Any, columns: Sequence[str], empty: str) -> None:
        """Print a page of a list; people are told the command that goes on where it ends."""

        def table() -> None:
            output.print_table(output.plain_rows(page.items), columns, empty)
            if page.next:
                command = click.get_current_context().command_path.partition(" ")[2]
                print(f"\nfurther back, with the same filters: odst {command} --after {page.next}")

        self.show(page, table)

    def show_fields(self, answer: Answer, columns: Sequence[str] | None = None) -> None:
        """Print one thing."""
        self.show(answer, lambda: output.print_fields(output.plain(answer), columns))

    def say(self, document: Any, sentence: str) -> None:
        """Print what was done."""
        self.show(document, lambda: print(sentence))


def token_from_file() -> str | None:
    """The token in the file that `ODST_TOKEN_FILE` names."""
    path = os.environ.get("ODST_TOKEN_FILE")
    if not path:
        return None
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"the token file {path} (ODST_TOKEN_FILE) cannot be read: {error}") from error


def with_session(command: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """Give a command its session, accept `--json` after it too, and turn failures into one line and exit code 1."""

    @click.option("--json", "json_here", is_flag=True, help="Print JSON.")
    @click.pass_obj
    @functools.wraps(command)
    def run(session: Session, /, *args: P.args, **kwargs: P.kwargs) -> R:
        session.as_json = bool(kwargs.pop("json_here", False)) or session.as_json
        try:
            return command(session, *args, **kwargs)
        except CallFailed as error:
            raise click.ClickException(f"{error}{hint(error)}") from error
        except OdstError as error:
            raise click.ClickException(f"{error.code}: {error}") from error
        except OSError as error:
            # Of this machine: a file or a disk. Who reads our output may go first, as `head` does; click knows that.
            if error.errno == errno.EPIPE:
                raise
            raise click.ClickException(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")) from error

    return run


def hint(error: CallFailed) -> str:
    """What can be done about it at the command line."""
    if error.status == requests.codes.unauthorized:
        return "; give a valid token (--token, ODST_TOKEN, or a file named by ODST_TOKEN_FILE)"
    return _HINTS.get(error.code, "")
