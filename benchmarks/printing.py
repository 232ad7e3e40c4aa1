"""Reports for people."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.runner import Aim, Figures, Report

_PLAIN_WIDTH = 140


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def console() -> Console:
    """Where to print; plain and wide enough when it is not a terminal."""
    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = _PLAIN_WIDTH
    return made


def print_machine(found: dict[str, Any]) -> None:
    """One line; a busy machine makes figures noisy."""
    load = " ".join(map(str, found["load"]))
    console().print(f"{found['cores']} cores ({found['processor']}), {found['system']}, Python {found['python']}, load {load}\n")


def print_report(report: Report) -> None:
    """Candidates, aims, other figures, notes."""
    out = console()
    out.print(f"[bold]{report.name}[/bold]: {report.what}")
    if report.samples:
        out.print(_candidates(report))
    for figures in report.figures:
        out.print(f"  [italic]{figures.title}[/italic]")
        out.print(_figures(figures))
    for aim in report.aims:
        out.print(_sentence(aim))
    for note in report.notes:
        out.print(f"  [dim]{note}[/dim]")
    out.print()


def _candidates(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("candidate")
    for column in ("median s", "min", "max", "ratio"):
        table.add_column(column, justify="right")
    for name, seconds in sorted(report.samples.items(), key=lambda item: report.median(item[0])):
        ratio = f"{report.ratio(name):.2f}" if report.baseline else ""
        table.add_row(name, f"{report.median(name):.3f}", f"{min(seconds):.3f}", f"{max(seconds):.3f}", ratio)
    return table


def _figures(figures: Figures) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(figures.columns):
        table.add_column(column, justify="right" if number else "left")
    for row in figures.rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    return table


def _sentence(aim: Aim) -> str:
    verdict = "[green]reached[/green]" if aim.reached else "[red]not reached[/red]"
    return f"  aim {verdict}: {aim.what}: {aim.found:.3g}{aim.unit}, at most {aim.limit:g}{aim.unit}"
