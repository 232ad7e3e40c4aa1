"""Writes the JSON schemas of all events and of their envelope, and their page: `python -m shared.contracts.generate [--check]`.

Schemas and page are committed, so that a change of a contract shows in a review. `--check` writes nothing and fails if a file is not
what would be written.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from shared.contracts.catalogue import schema_of
from shared.contracts.events import ALL, Envelope
from shared.contracts.events_page import events_page

SCHEMAS = Path(__file__).parent / "schemas"
PAGE = Path(__file__).parents[2] / "docs" / "events.md"


def _text(model: type[BaseModel], name: str) -> str:
    """The schema of a model as the text that is committed: JSON, two spaces, keys in a fixed order."""
    return json.dumps(schema_of(model, name), indent=2, ensure_ascii=False) + "\n"


def generated() -> dict[str, str]:
    """File name to text, for every file that belongs into `schemas/`."""
    files = {f"{name}.json": _text(event, name) for name, event in ALL.items()}
    return files | {"envelope.json": _text(Envelope, "envelope")}


def stale(folder: Path = SCHEMAS) -> list[str]:
    """Names of files that are missing, out of date, or belong to no event."""
    wanted = generated()
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def write(folder: Path = SCHEMAS) -> list[str]:
    """Bring `folder` up to date. Returns the names that were written or removed."""
    names, wanted = stale(folder), generated()
    folder.mkdir(exist_ok=True)
    for name in names:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return names


def page_is_stale(page: Path = PAGE) -> bool:
    """True if the page of the catalogue is not what would be written."""
    return not page.exists() or page.read_text(encoding="utf-8") != events_page()


def main(arguments: Sequence[str]) -> int:
    """Write, or with `--check` only look. Returns the exit code."""
    if list(arguments) == ["--check"]:
        names = [*stale(), *([PAGE.name] if page_is_stale() else [])]
        if names:
            sys.stderr.write(f"run `make schemas` and commit: {', '.join(names)}\n")
        return bool(names)
    for name in write():
        sys.stdout.write(f"schemas/{name}\n")
    PAGE.write_text(events_page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
