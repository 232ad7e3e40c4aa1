"""Claims about tables in windows: nothing that somebody copies is broken, and nothing is wider than the window."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cli.tables import Column, print_columns

ID = "7a4eefba-628b-4fbd-8f8d-44886e9df8a7"
TIME = "2026-11-25T03:33:35Z"
DIGEST = "eedc1f9633469cbce6f73c330d422d80aff27d74806e109279febfef8e38fe06"
PACKAGES = {
    "name": ["Firefox-128.0.pkg", "[bold]Some very long name of a package 1.2.3.pkg"],
    "size": ["2.9 MiB", "1.0 GiB"],
    "state": ["published", "quarantined"],
    "sha256": [DIGEST, DIGEST],
    "published": [TIME, "-"],
}
TRANSFERS = {
    "transfer_id": [ID],
    "name": ["Firefox-128.0.pkg"],
    "state": ["done"],
    "bytes_done": ["2.9 MiB"],
    "planned": [TIME],
    "finished": [TIME],
}


def printed(rows: dict[str, list[str]], width: int) -> list[str]:
    """The lines in a window."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False)
    print_columns([Column(key, cells, is_number=key in {"size", "bytes_done"}) for key, cells in rows.items()], console)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize("rows", [PACKAGES, TRANSFERS], ids=["packages", "transfers"])
def test_nothing_is_wider_than_the_window_or_broken_that_must_be_whole(rows: dict[str, list[str]], width: int) -> None:
    """Ids, times and sizes can be found as they are, in any window; brackets are no markup."""
    lines = printed(rows, width)

    whole = [cell for key, cells in rows.items() for cell in cells if key not in {"name", "sha256"}]
    assert [cell for cell in whole if not any(cell in line for line in lines)] == []
    assert max(map(len, lines)) <= width
    assert "bold" not in rows or any("[bold]" in line for line in lines)


def test_a_digest_is_cut_where_it_does_not_fit_and_whole_where_it_does() -> None:
    """Its beginning is enough to compare; `show` and `--json` have all of it."""
    assert any("eedc1f96…" in line for line in printed(PACKAGES, 80))
    assert any(DIGEST in line for line in printed(PACKAGES, 200))


def test_where_a_row_does_not_fit_it_is_a_block_of_lines() -> None:
    """Each value has a line of its own, with what it is."""
    lines = printed(TRANSFERS, 80)

    assert [line.split() for line in lines][:2] == [["transfer", "id", ID], ["name", "Firefox-128.0.pkg"]]
