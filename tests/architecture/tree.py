"""The tree as the architecture tests see it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICES = ("api_gateway", "directory", "hashing", "notify", "replication", "storage")
NAMEKO_SERVICES = tuple(service for service in SERVICES if service != "api_gateway")
PRODUCT = ("services", "shared", "odst_client", "cli")
_OUR_FOLDERS = (*PRODUCT, "tests", "benchmarks", "tools", "docs", "integrations", "k8s", "requirements", ".ci")
_BINARY = {".pyc", ".png", ".ico", ".gz"}


def python_files(*folders: str) -> list[Path]:
    """Python files below these folders of the project, in order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def project_files() -> Iterator[Path]:
    """Every text file that is the project's own, wherever it lies."""
    # In a second work tree of git, `.git` is a file that says where the first one lies.
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.name != ".git")
    for folder in _OUR_FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix not in _BINARY and "__pycache__" not in path.parts:
                yield path


@functools.cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method in a file, nested ones too."""
    return (node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def relative(path: Path) -> str:
    """The path as people write it."""
    return str(path.relative_to(ROOT))
