"""Claims that the third service is known after the first."""

from __future__ import annotations

import ast
import re

import pytest

from shared.contracts import rpc, spine
from tests.architecture.tree import NAMEKO_SERVICES, ROOT, SERVICES, functions, parsed

_HEADINGS = ["Owns", "Handles", "Dispatches", "Answers", "Fails how"]
_EVENT_TYPE = re.compile(r"`([a-z]+\.[a-z_]+\.v\d+)`")
_MOST_LINES = 3


def _sections(service: str) -> dict[str, str]:
    text = (ROOT / "services" / service / "README.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("service", NAMEKO_SERVICES)
def test_a_service_has_the_same_parts_as_the_others(service: str) -> None:
    """Entrypoint, settings, table of contents, wiring, handlers, ports, domain, adapters; migrations where there are tables."""
    folder = ROOT / "services" / service
    parts = {"README.md", "__init__.py", "__main__.py", "config.py", "service.py", "wiring.py", "ports.py", "domain", "adapters"}
    has_tables = (folder / "adapters" / "schema.py").exists()

    assert parts - {path.name for path in folder.iterdir()} == set()
    assert (folder / "handlers.py").exists() != (folder / "handlers").is_dir()
    assert (folder / "migrations" / "env.py").exists() == has_tables


def test_the_gateway_has_its_own_shape() -> None:
    """A door: Flask in `http/`, an application, a port to the services; no handlers, no database."""
    names = {path.name for path in (ROOT / "services" / "api_gateway").iterdir()}

    assert {"README.md", "__init__.py", "__main__.py", "config.py", "app.py", "ports.py", "http"} - names == set()
    assert not {"migrations", "handlers", "handlers.py"} & names


@pytest.mark.parametrize("service", SERVICES)
def test_a_readme_has_the_five_headings(service: str) -> None:
    """Owns, Handles, Dispatches, Answers, Fails how: in this order, none empty."""
    sections = _sections(service)

    assert list(sections) == _HEADINGS
    assert all(text.strip() for text in sections.values())


@pytest.mark.parametrize("service", SERVICES)
def test_a_readme_agrees_with_the_spine(service: str) -> None:
    """What it says that the service handles and dispatches is what the table in code says."""
    sections = _sections(service)

    assert set(_EVENT_TYPE.findall(sections["Handles"])) == set(spine.handled_by(service))
    assert set(_EVENT_TYPE.findall(sections["Dispatches"])) == set(spine.dispatched_by(service))


@pytest.mark.parametrize("service", NAMEKO_SERVICES)
def test_a_readme_names_every_answer(service: str) -> None:
    """No RPC method is missing from it."""
    named = set(re.findall(r"`([a-z_]+)`", _sections(service)["Answers"]))

    assert set(rpc.ANSWERS[service]) - named == set()


@pytest.mark.parametrize("service", NAMEKO_SERVICES)
def test_service_py_is_a_table_of_contents(service: str) -> None:
    """Bodies of at most three lines beside the docstring, and no branch: what has an `if` is in the wrong file."""
    path = ROOT / "services" / service / "service.py"
    branches = [node.lineno for node in ast.walk(parsed(path)) if isinstance(node, ast.If | ast.IfExp | ast.For | ast.While | ast.Try)]
    long = [function.name for function in functions(path) if _body_lines(function) > _MOST_LINES]

    assert branches == []
    assert long == []


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return sum((statement.end_lineno or statement.lineno) - statement.lineno + 1 for statement in body)
