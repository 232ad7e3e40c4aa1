"""The OpenAPI file of the peer protocol, as something to hold answers to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

import shared.contracts

FILE = Path(shared.contracts.__file__).parents[2] / "docs" / "peer-protocol.openapi.yaml"
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


class PeerOpenApi:
    """What the file says."""

    def __init__(self) -> None:
        """Reads it."""
        self.document: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))

    def validate(self) -> None:
        """Hold the file to OpenAPI 3.1."""
        validate(self.document)

    def operations(self) -> set[tuple[str, str]]:
        """Method and path of every call."""
        paths = self.document["paths"].items()
        return {(method.upper(), path) for path, item in paths for method in item if method in ("get", "post", "put", "delete")}

    def path_of(self, target: str) -> str | None:
        """The path of the file that a raw target is of; None if there is none."""
        given = target.partition("?")[0]
        matching = (path for path in self.document["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), given))
        return next(matching, None)

    def faults(self, method: str, path: str, status: int, content_type: str, answer: Any) -> list[str]:
        """What is wrong with a JSON answer to a call; empty if it is as described."""
        described = self._resolved(self.document["paths"][path][method.lower()]["responses"].get(str(status)))
        if described is None:
            return [f"{method} {path} has no answer {status}"]
        media = described.get("content", {}).get(content_type.partition(";")[0])
        if media is None:
            return [f"{method} {path} {status} is not {content_type}"]
        schema = {**media.get("schema", {}), "components": self.document["components"]}
        validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(answer)]

    def _resolved(self, part: dict[str, Any] | None) -> dict[str, Any] | None:
        reference = part.get("$ref") if part else None
        return self.document["components"]["responses"][reference.rsplit("/", 1)[1]] if reference else part


def openapi_path(rule: str) -> str:
    """A Flask rule as OpenAPI writes it."""
    return _PARAMETER.sub(r"{\1}", rule)
