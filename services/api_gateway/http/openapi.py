"""The OpenAPI 3.1 document of everything but the peer protocol, made from the doors themselves, and a page for people to read it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from apispec import APISpec
from flask import Blueprint, Flask, Response, current_app, jsonify, render_template
from flask.blueprints import BlueprintSetupState
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from services.api_gateway.http.describing import BYTES, FORM, JSON, STREAM, Description, described, description_of, right_of
from services.api_gateway.http.reading_page import FILTERS
from shared.contracts.admin.base import Problem
from shared.contracts.admin.instance import ApiDocument

API_VERSION = "1"
_REFERENCE = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"<(?:[^<>:]+:)?([^<>]+)>")
_KEPT_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PROBLEMS = {"description": "what is wrong, and what to do", "content": {"application/problem+json": {"schema": "Problem"}}}
_SESSION = {"type": "apiKey", "in": "cookie", "name": "__Host-odst-session", "description": "a session; changes need X-Ods-Csrf too"}
_RAW = {"type": "string", "format": "binary"}
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"tags": {"type": "string", "description": "staging tags with commas; before the file"}, "file": _RAW},
}
"""What is sent as it is has no schema in OpenAPI 3.1; makers of clients want one all the same."""
_MEANINGS = {304: "it is what you know", 503: "not ready"}
_PAGE_POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def operations(app: Flask) -> Iterator[tuple[str, str, Description, str | None]]:
    """Every described door: path with `{parameters}`, method, what it takes and answers, and the right that it asks for."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        view = app.view_functions[rule.endpoint]
        description = description_of(view)
        if description is not None:
            for method in _methods(rule):
                yield _PARAMETER.sub(r"{\1}", rule.rule), method, description, right_of(view)


def document(app: Flask) -> dict[str, Any]:
    """The OpenAPI document."""
    spec = APISpec(
        title="ODST Admin API",
        version=API_VERSION,
        openapi_version="3.1.0",
        info={"description": "Everything that an administrator or a script does with an instance."},
        servers=[{"url": "/"}],
    )
    spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "description": "an API token"})
    spec.components.security_scheme("session", _SESSION)
    found = list(operations(app))
    for name, schema in _schemas([Problem, *_models(description for _, _, description, _ in found)]).items():
        spec.components.schema(name, schema)
    for path, method, description, right in found:
        spec.path(path, operations={method.lower(): _operation(path, method, description, right)})
    made: dict[str, Any] = spec.to_dict()
    return made


def doors() -> Blueprint:
    """`/api/v1/openapi.json` for programs, `/api/v1/docs` for people."""
    site = Blueprint(
        "openapi", __name__, url_prefix="/api/v1", template_folder="templates", static_folder="static", static_url_path="/docs"
    )

    @site.record_once
    def add_filters(state: BlueprintSetupState) -> None:
        state.app.jinja_env.filters.update(FILTERS)

    @functools.cache
    def made_once() -> dict[str, Any]:
        """These doors ask for no token: whoever calls them again and again makes nothing anew."""
        return document(current_app)

    @site.get("/openapi.json")
    @described(answers={200: ApiDocument})
    def openapi() -> Response:
        """Describe this API: an OpenAPI 3.1 document."""
        return jsonify(made_once())

    @site.get("/docs")
    @described(answers={200: "text/html"})
    def docs() -> Response:
        """Show the description of this API, for people."""
        page = Response(render_template("api.html", api=made_once()), mimetype="text/html")
        page.headers["Content-Security-Policy"] = _PAGE_POLICY
        return page

    return site


def _methods(rule: Rule) -> list[str]:
    return [method for method in _KEPT_METHODS if method in (rule.methods or ())]


def _models(descriptions: Iterator[Description]) -> list[type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for description in descriptions:
        for model in (description.body, *description.answers.values()):
            if isinstance(model, type):
                found[model.__name__] = model
    return list(found.values())


def _schemas(models: list[type[BaseModel]]) -> dict[str, Any]:
    """All models and what they hold; bodies as they are read, answers as they are written (which is the same for all of ours)."""
    _, made = models_json_schema([(model, "validation") for model in models], by_alias=True, ref_template=_REFERENCE)
    schemas: dict[str, Any] = made["$defs"]
    return schemas


def _operation(path: str, method: str, description: Description, right: str | None) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', path.removeprefix('/api/v1'))}".rstrip("_"),
        "summary": description.summary,
        **({"description": description.more} if description.more else {}),
        "tags": [path.removeprefix("/api/v1").strip("/").split("/")[0]],
        "parameters": [*_in_path(path), *_in_query(description), *_in_headers(description)],
        "responses": {str(status): _answer(status, what) for status, what in description.answers.items()} | {"default": _PROBLEMS},
    }
    if right is not None:
        operation |= {"security": [{"bearer": []}, {"session": []}], "x-odst-right": right}
    else:
        operation["security"] = []
    if description.body is not None:
        operation["requestBody"] = {"content": {JSON: {"schema": description.body.__name__}}}
    elif description.takes != JSON:
        operation["requestBody"] = {
            "required": True,
            "content": {description.takes: {"schema": _FORM if description.takes == FORM else _RAW}},
        }
    return operation


def _in_path(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"{([^{}]+)}", path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in names]


def _in_query(description: Description) -> list[dict[str, Any]]:
    if description.query is None:
        return []
    schema = description.query.model_json_schema()
    return [{"name": name, "in": "query", "schema": part} for name, part in schema["properties"].items()]


def _in_headers(description: Description) -> list[dict[str, Any]]:
    return [{"name": name, "in": "header", "description": text, "schema": {"type": "string"}} for name, text in description.headers.items()]


def _answer(status: int, what: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _MEANINGS.get(status, "done")}
    if isinstance(what, str | tuple):
        media = (what,) if isinstance(what, str) else what
        answer["content"] = {one: {} if one in (BYTES, STREAM) else {"schema": {"type": "string"}} for one in media}
    elif what is not None:
        answer["content"] = {JSON: {"schema": what.__name__}}
    return answer
