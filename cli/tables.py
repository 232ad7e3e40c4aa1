"""Tables of lists: readable in whatever window, with ids, times and numbers that can be copied.

Where a window is too narrow for what must stay whole, each row becomes a block of lines instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_GAP = 2
_LEAST_TEXT, _LEAST_DIGEST = 14, 9
_DIGESTS = frozenset({"sha256", "sha1"})
_WHOLE = frozenset({"id", "key", "type", "event_type"})
_SHORT = 20
"""Characters of a time, or of a word: what is no longer stays whole."""


@dataclass(frozen=True)
class Column:
    """One column, with what is in it."""

    key: str
    cells: Sequence[str]
    is_number: bool

    @property
    def title(self) -> str:
        """As people read it."""
        return self.key.replace("_", " ")

    @property
    def width(self) -> int:
        """With which nothing is broken or cut."""
        return max(len(text) for text in (self.title, *self.cells))

    @property
    def least(self) -> int:
        """With which it can still be read."""
        if self.key in _DIGESTS:
            return min(self.width, _LEAST_DIGEST)
        return self.width if self.is_whole else min(self.width, _LEAST_TEXT)

    @property
    def is_whole(self) -> bool:
        """Whether it is never broken into lines: ids, which somebody will copy, numbers, times and words."""
        return self.is_number or self.key in _WHOLE or self.key.endswith("_id") or max(map(len, self.cells)) <= _SHORT


def print_columns(columns: Sequence[Column], console: Console) -> None:
    """One table if the window is wide enough, else a block for each row."""
    if _together([column.least for column in columns]) > console.width:
        _print_blocks(columns, console)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    spare = console.width - _together([column.least if column.key in _DIGESTS else column.width for column in columns])
    for column in columns:
        is_digest = column.key in _DIGESTS
        table.add_column(
            column.title,
            justify="right" if column.is_number else "left",
            overflow="ellipsis" if is_digest else "fold",
            no_wrap=is_digest or column.is_whole,
            max_width=column.least + max(0, spare) if is_digest else None,
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(escape, cells))
    console.print(table)


def _together(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _print_blocks(columns: Sequence[Column], console: Console) -> None:
    for number, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        if number:
            console.print()
        block = Table(box=None, show_header=False, pad_edge=False)
        block.add_column(style="bold", no_wrap=True)
        block.add_column(overflow="fold")
        for column, cell in zip(columns, cells, strict=True):
            block.add_row(column.title, escape(cell))
        console.print(block)
