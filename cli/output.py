"""What `odst` prints: tables and sentences for people, JSON for programs, bars for those who wait."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from cli.tables import Column, print_columns
from shared.contracts.admin.base import Answer

_FRACTION = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+(?=Z$)")
_STEP = 1024
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_PLAIN_WIDTH = 200
"""Columns of a table that goes to a file or a pipe, where nobody's window limits it."""


def console(*, stderr: bool = False) -> Console:
    """Where to print. Plain text when it is not a terminal."""
    made = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not made.is_terminal:
        made.width = _PLAIN_WIDTH
    return made


def plain(document: Any) -> Any:
    """A document with each answer of the Admin API as the JSON that it was."""
    if isinstance(document, Answer):
        # States that only a newer instance knows are shown as they are.
        return document.model_dump(mode="json", by_alias=True, warnings=False)
    if isinstance(document, Mapping):
        return {key: plain(value) for key, value in document.items()}
    return [plain(one) for one in document] if isinstance(document, list) else document


def for_programs(document: Any) -> Any:
    """The same, with the entity tag that an answer came with."""
    tag = document.etag if isinstance(document, Answer) else None
    shown = plain(document)
    return shown if tag is None else {**shown, "etag": tag}


def plain_rows(rows: Iterable[Answer | dict[str, Any]]) -> list[dict[str, Any]]:
    """The same of a list."""
    return [plain(row) for row in rows]


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str) -> None:
    """Rows as a table of these keys; `empty` is said if there are none."""
    if not rows:
        print(empty)
        return
    told = [Column(key, [shown(key, row.get(key)) for row in rows], _is_number(key)) for key in columns]
    print_columns(told, console())


def print_fields(document: Mapping[str, Any], columns: Sequence[str] | None = None) -> None:
    """One thing as lines of key and value."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in _flat((key, document.get(key)) for key in columns or list(document)):
        table.add_row(key.replace("_", " "), escape(shown(key.rpartition(" ")[2], value)))
    console().print(table)


def _flat(fields: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """What holds others as a line for each of them, but for what is shown as one."""
    for key, value in fields:
        if isinstance(value, Mapping) and not _is_fault(value):
            yield from _flat((f"{key} {inner}", one) for inner, one in value.items())
        else:
            yield key, value


def _is_fault(value: Mapping[str, Any]) -> bool:
    return {"code", "reason"} <= value.keys()


def _is_number(column: str) -> bool:
    return column in {"size", "ready", "consumers", "attempts", "behind", "protocol"} or ("bytes" in column and column != "bytes_here")


def shown(column: str, value: Any) -> str:
    """A value as people read it."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if _is_number(column) and isinstance(value, int) and (column == "size" or "bytes" in column):
        return size(value)
    if isinstance(value, list):
        return ", ".join(shown(column, part) for part in value) or "-"
    return _told(value) if isinstance(value, Mapping) else _short(value)


def _short(value: Any) -> str:
    """Numbers and times as exactly as people want them."""
    return f"{value:.3g}" if isinstance(value, float) else _FRACTION.sub(r"\1", str(value))


def _told(value: Mapping[str, Any]) -> str:
    """What holds others, in one cell: those that say something."""
    if _is_fault(value):
        return f"{value['code']}: {value['reason']}"
    return " ".join(f"{key}={shown(key, one)}" for key, one in value.items() if one not in (None, [], ""))


def ago(time: dt.datetime | None, now: dt.datetime | None = None) -> str:
    """How long ago a time of the Admin API was, in the largest unit that fits."""
    if time is None:
        return "never"
    seconds = int(((now or dt.datetime.now(dt.UTC)) - time).total_seconds())
    if seconds < 1:
        return "now"
    length, unit = next((length, unit) for length, unit in _UNITS if seconds >= length)
    return f"{seconds // length} {unit} ago"


def size(count: int) -> str:
    """Bytes in the largest unit of 1024 that fits."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < _STEP:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _STEP
    return f"{amount:.1f} TiB"


class Bars:
    """Progress bars, one a step; plain lines at the start and the end of a step when nobody watches."""

    def __init__(self, progress: Progress, *, quiet: bool) -> None:
        """Use `bars`."""
        self._progress = progress
        self._quiet = quiet
        self._plain = not progress.console.is_terminal

    def step(self, title: str, total: int) -> Callable[[int], None]:
        """Begin a step of `total` bytes; call the answer with the bytes done in all. Title and end are announced once."""
        task = self._progress.add_task(title, total=max(total, 1), visible=not self._plain)
        ended: list[bool] = []

        def update(done: int) -> None:
            self._update(task, done if total else 1)
            if done >= total and not ended:
                ended.append(True)
                self._say(f"{title}: {size(total)}")

        return update

    def _update(self, task: TaskID, done: int) -> None:
        self._progress.update(task, completed=done)

    def _say(self, line: str) -> None:
        if self._plain and not self._quiet:
            self._progress.console.print(line, markup=False)


@contextmanager
def bars(*, quiet: bool = False) -> Iterator[Bars]:
    """Bars on standard error, so that standard output stays clean."""
    columns = (
        TextColumn("{task.description:<24}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    target = console(stderr=True)
    with Progress(*columns, console=target, disable=quiet or not target.is_terminal) as progress:
        yield Bars(progress, quiet=quiet)
