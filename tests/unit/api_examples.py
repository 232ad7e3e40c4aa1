"""Answers of the Admin API made from its own description: complete, and with nothing behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask

from services.api_gateway.app import create_app
from services.api_gateway.config import ApiGatewaySettings
from services.api_gateway.http.openapi import document
from shared.contracts.admin.base import Answer
from tests.unit.prepared_gateway import Gateway, a_prepared_gateway

ID = "A" * 52
_BY_NAME: Mapping[str, Any] = {"next": None, "peer_id": ID, "instance_id": ID, "present_id": ID, "old": ID, "new": "B" * 52}
"""What must be more than anything of its type: lists end, and ids of instances are ids."""
_BY_TYPE: Mapping[str, Any] = {"boolean": True, "number": 0.5, "null": None}
_HEX = re.compile(r"\^\[0-9a-f\]\{(\d+)\}\$")
_METHODS = {"get", "put", "post", "patch", "delete"}


def example_of(model: type[Answer], **fields: Any) -> dict[str, Any]:
    """The JSON of an answer, with these fields."""
    schema = model.model_json_schema()
    found: dict[str, Any] = _example(schema, schema.get("$defs", {}))
    return {**found, **fields}


def an_app(folder: Path) -> Flask:
    """The real gateway; no broker is asked before the first call."""
    return create_app(ApiGatewaySettings(amqp_uri="amqp://x:x@127.0.0.1:1/", data=folder))


class DescribedApi:
    """The OpenAPI document of the real gateway: its operations, and an example of what each answers."""

    def __init__(self, app: Flask) -> None:
        """From the doors of the application."""
        self.document = document(app)
        self.operations: dict[str, dict[str, Any]] = {
            f"{method.upper()} {path}": operation
            for path, operations in self.document["paths"].items()
            for method, operation in operations.items()
            if method in _METHODS
        }

    def operation_at(self, method: str, path: str) -> str | None:
        """Which operation a request is; those without parameters come first."""
        fitting = [name for name in self.operations if _matches(name, method, path)]
        return min(fitting, key=lambda name: name.count("{"), default=None)

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        """A good answer to a request."""
        name = self.operation_at(method, path)
        if name is None:
            return 404, {"code": "NOT_FOUND", "detail": f"nothing at {path}"}
        status, told = next(iter(self.operations[name]["responses"].items()))
        schema = told.get("content", {}).get("application/json", {}).get("schema")
        return int(status), b"" if schema is None else _example(schema, self.document["components"]["schemas"])

    @contextmanager
    def gateway(self, offset: int) -> Iterator[Gateway]:
        """A server that answers so; an upload in parts begins with no byte, and has `offset` after its first part."""
        with a_prepared_gateway() as prepared:

            def answer(method: str, path: str) -> tuple[int, Any]:
                prepared.headers["Upload-Offset"] = "0" if method == "HEAD" else str(offset)
                return (200, b"") if method == "HEAD" else self.answer(method, path)

            prepared.otherwise = answer
            yield prepared

    def parameters(self, name: str) -> set[str]:
        """All that can be given with an operation, but for headers: in its path, its query, and its body."""
        operation = self.operations[name]
        found = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] != "header"}
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        return found | set(self._resolved(body)["properties"]) if body else found

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found


def _matches(name: str, method: str, path: str) -> bool:
    asked, template = name.split()
    pattern = re.sub(r"{[^{}]+}", "[^/]+", template)
    return asked == method and re.fullmatch(pattern, path.partition("?")[0]) is not None


def _example(schema: Mapping[str, Any], known: Mapping[str, Any], name: str = "") -> Any:
    if name in _BY_NAME:
        return _BY_NAME[name]
    if "$ref" in schema:
        return _example(known[schema["$ref"].rpartition("/")[2]], known)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return "published" if "published" in schema["enum"] else schema["enum"][0]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], known)
    return _example_of_type(schema, known, name)


def _example_of_type(schema: Mapping[str, Any], known: Mapping[str, Any], name: str) -> Any:
    match schema.get("type"):
        case "object":
            more = schema.get("additionalProperties")
            some = {"storage": _example(more, known)} if isinstance(more, dict) else {}
            return some | {key: _example(part, known, key) for key, part in schema.get("properties", {}).items()}
        case "array":
            return [] if name == "faults" else [_example(schema["items"], known)]
        case "string":
            return _text(schema)
        case "integer":
            return schema.get("minimum", 0)
        case other:
            return _BY_TYPE.get(str(other), {})


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return "2026-01-02T00:00:00Z"
    digits = _HEX.fullmatch(schema.get("pattern", ""))
    return "a" * int(digits[1]) if digits else "x"
