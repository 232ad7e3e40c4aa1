"""Writes the JSON schemas of all events and of their envelope: `python -m shared.contracts.generate [--check]`.

The schemas are committed, so that a change of a contract shows in a review. `--check` writes nothing and fails if a file is not
what would be written.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from shared.contracts.events import ALL, Envelope

SCHEMAS = Path(__file__).parent / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(model: type[BaseModel], name: str) -> str:
    """The schema of a model as the text that is committed: JSON, two spaces, keys in a fixed order."""
    schema = {"$schema": _DIALECT, "$id": name} | model.model_json_schema(mode="serialization")
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def generated() -> dict[str, str]:
    """File name to text, for every file that belongs into `schemas/`."""
    files = {f"{name}.json": schema_of(event, name) for name, event in ALL.items()}
    return files | {"envelope.json": schema_of(Envelope, "envelope")}


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


def main(arguments: Sequence[str]) -> int:
    """Write, or with `--check` only look. Returns the exit code."""
    if list(arguments) == ["--check"]:
        names = stale()
        if names:
            sys.stderr.write(f"run `make schemas` and commit: {', '.join(names)}\n")
        return bool(names)
    for name in write():
        sys.stdout.write(f"schemas/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
