"""The matrix: which package is where. Readable however many instances there are and however narrow the window is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import output

_WIDE_NAME, _NARROW_NAME, _GAP, _CELL = 40, 24, 2, 4
_UNKNOWN = "unknown"
_MARKS: dict[str, tuple[str, str, str]] = {
    "there": ("✓", "green", "there"),
    "on_its_way": ("…", "yellow", "on its way"),
    "not_entitled": ("–", "dim", "not entitled"),  # noqa: RUF001 - a dash is meant
    "quarantined": ("!", "bold red", "quarantined"),
    "deleted": ("del", "dim", "deleted"),
    "superseded": ("old", "dim", "superseded"),
    "paused": ("||", "yellow", "paused"),
    "cancelled": ("x", "dim", "cancelled"),
    "absent": ("·", "dim", "absent"),
    _UNKNOWN: ("?", "dim", "unknown"),
}
"""Each state as a mark, its style, and what the legend says. On its way is a percentage where one is known."""


def mark(cell: dict[str, Any] | None) -> str:
    """What a cell shows."""
    state = _state(cell)
    if state == "on_its_way" and cell and cell.get("percent") is not None:
        return f"{cell['percent']} %"
    return _MARKS[state][0]


def _state(cell: dict[str, Any] | None) -> str:
    state = str((cell or {}).get("state", _UNKNOWN))
    return state if state in _MARKS else _UNKNOWN


@dataclass(frozen=True)
class Matrix:
    """Packages down, instances across."""

    instances: Sequence[dict[str, Any]]
    rows: Sequence[dict[str, Any]]

    def print(self, console: Console) -> None:
        """One table with the instances' names if it fits into the width, else numbers and as few tables as fit; then what it all means."""
        names = [_title(instance) for instance in self.instances]
        if self._beside(_WIDE_NAME) + sum(max(len(name), _CELL) + _GAP for name in names) <= console.width:
            console.print(self._table(names, range(len(names)), _WIDE_NAME))
        else:
            self._print_numbered(names, console)
        console.print(escape(self._legend()))

    def _print_numbered(self, names: Sequence[str], console: Console) -> None:
        numbers = [str(number) for number in range(1, len(names) + 1)]
        at_once = max(1, (console.width - self._beside(_NARROW_NAME)) // (_CELL + _GAP))
        for first in range(0, len(names), at_once):
            console.print(self._table(numbers, range(first, min(first + at_once, len(names))), _NARROW_NAME))
            console.print()
        console.print(escape("  ".join(f"{number} {name}" for number, name in zip(numbers, names, strict=True))))

    def _beside(self, name_width: int) -> int:
        """Width of what is not about instances."""
        name = min(name_width, max((len(row["name"]) for row in self.rows), default=0))
        state = max((len(row["state"]) for row in self.rows), default=0)
        tags = max((len(_tags(row)) for row in self.rows), default=0)
        return name + state + tags + 3 * _GAP

    def _table(self, titles: Sequence[str], columns: range, name_width: int) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("name", max_width=name_width, overflow="fold")
        table.add_column("state")
        table.add_column("tags")
        for column in columns:
            table.add_column(escape(titles[column]), justify="center", no_wrap=True)
        for row in self.rows:
            cells = [_styled(row["at"].get(self.instances[column]["instance_id"])) for column in columns]
            table.add_row(escape(row["name"]), row["state"], escape(_tags(row)), *cells)
        return table

    def _legend(self) -> str:
        used = {_state(row["at"].get(instance["instance_id"])) for row in self.rows for instance in self.instances}
        return "   ".join(f"{sign} {meaning}" for state, (sign, _, meaning) in _MARKS.items() if state in used)


def _tags(row: dict[str, Any]) -> str:
    return output.shown("tags", row["tags"])


def _title(instance: dict[str, Any]) -> str:
    if instance.get("is_self"):
        return f"{instance['name']} (here)"
    return str(instance["name"]) if instance.get("reachable", True) else f"{instance['name']} (away)"


def _styled(cell: dict[str, Any] | None) -> str:
    style = _MARKS[_state(cell)][1]
    return f"[{style}]{mark(cell)}[/]"
