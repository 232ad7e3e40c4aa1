"""Claims about every file: short, told, finished, and bound to no place."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.tree import PRODUCT, ROOT, functions, imported, parsed, project_files, python_files, relative

_MOST_FILE_LINES = 400
_MOST_FUNCTION_LINES = 50
# Each pattern has a class of one letter, so that it does not find itself.
_REGISTRIES = re.compile(r"pypi[.]org|python[h]osted|npm[j]s[.](org|com)|docker[.]io|gh[c]r[.]io|qu[a]y[.]io|proxy[.]golang")
_PLACES = re.compile(r"(?<![\w.-])/[w]ork/|/[t]mp/(v|try|prompts)\b|/[h]ome/|/[r]oot/")
_UNFINISHED = re.compile(r"\b[T]ODO\b|\b[F]IXME\b|\b[X]XX\b")


def _findings(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in project_files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{relative(path)}:{number}")
    return found


def test_no_file_names_a_package_registry() -> None:
    """Whoever builds decides where packages come from: the tools' own configuration, not ours."""
    assert _findings(_REGISTRIES) == []


def test_no_file_names_a_place_on_one_machine() -> None:
    """A clone works anywhere."""
    assert _findings(_PLACES) == []


def test_open_work_is_an_issue_not_a_comment() -> None:
    """Nothing in the tree says that it is unfinished."""
    assert _findings(_UNFINISHED) == []


def test_files_are_short() -> None:
    """Whatever grows past 400 lines is looked at again, and cut."""
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(*PRODUCT, "tests", "benchmarks")}

    assert {name: lines for name, lines in lengths.items() if lines > _MOST_FILE_LINES} == {}


def test_functions_are_short() -> None:
    """Past 50 lines a function is cut; but for migrations, which are lists of columns."""
    long = [
        f"{relative(path)} {function.name}"
        for path in python_files(*PRODUCT, "tests", "benchmarks")
        if "migrations" not in path.parts
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno + 1 > _MOST_FUNCTION_LINES
    ]

    assert long == []


def test_everything_public_has_a_docstring() -> None:
    """Modules, classes, functions and methods that others may use say what is promised."""
    silent = [f"{relative(path)} {name}" for path in python_files(*PRODUCT) for name in _silent(path)]

    assert silent == []


def _silent(path: Path) -> Iterator[str]:
    if not ast.get_docstring(parsed(path)) and path.read_text(encoding="utf-8").strip():
        yield "(module)"
    yield from _silent_in(parsed(path), "")


def _silent_in(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            if not ast.get_docstring(child):
                yield f"{prefix}{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from _silent_in(child, f"{child.name}.")


def test_the_core_needs_nothing_but_python() -> None:
    """`shared.core` imports the standard library and itself; import-linter cannot say this."""
    allowed = sys.stdlib_module_names | {"shared"}
    foreign = {
        f"{relative(path)}: {module}"
        for path in python_files("shared/core")
        for module in imported(path)
        if module.split(".", 1)[0] not in allowed or (module.startswith("shared.") and not module.startswith("shared.core"))
    }

    assert foreign == set()


def test_the_client_needs_little() -> None:
    """`odst_client` imports the core, the contracts, and what it takes to speak HTTP and read answers: it goes where no instance is."""
    ours, theirs = ("odst_client", "shared.core", "shared.contracts"), {"requests", "urllib3", "pydantic"}
    foreign = {
        f"{relative(path)}: {module}"
        for path in python_files("odst_client")
        for module in imported(path)
        if not module.startswith(ours) and module.split(".", 1)[0] not in sys.stdlib_module_names | theirs
    }

    assert foreign == set()


def test_the_environment_is_read_in_one_place() -> None:
    """Only the settings, what launches or is launched as a program, and the command line look at `os.environ`."""
    testing = {f"shared/testing/{name}.py" for name in ("instance", "preloader", "seeding")}
    allowed = {"shared/runtime/settings.py", "shared/runtime/broker.py"} | testing
    readers = {relative(path) for path in python_files("services", "shared") if _reads_environment(parsed(path))}

    assert readers - allowed == set()


def _reads_environment(tree: ast.Module) -> bool:
    return any(ast.unparse(node) in ("os.environ", "os.getenv") for node in ast.walk(tree) if isinstance(node, ast.Attribute))


def test_only_the_runtime_catches_everything() -> None:
    """A bare `except Exception` is the last line of defence, and that line is in `shared/runtime`; `raise` may follow anywhere."""
    catchers = [
        f"{relative(path)}:{node.lineno}"
        for path in python_files("services", "shared/core", "shared/contracts", "odst_client", "cli")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node) and not _raises(node)
    ]

    assert catchers == []


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or (isinstance(handler.type, ast.Name) and handler.type.id in ("Exception", "BaseException"))


def _raises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def test_the_tree_is_where_the_tests_look() -> None:
    """A moved folder would make every other claim here an empty one."""
    assert all((ROOT / folder).is_dir() for folder in (*PRODUCT, "tests"))
    assert len(python_files(*PRODUCT)) > 100


def test_make_test_leaves_no_folder_of_tests_out() -> None:
    """The two runs of `make test`, the fast one and that of whole instances, are all of `tests/`."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    named = {folder for line in lines if re.match(r"(FAST_TESTS|WHOLE_INSTANCES) :=", line) for folder in line.split(":=")[1].split()}
    there = {f"tests/{path.parent.name}" for path in (ROOT / "tests").glob("*/test_*.py")}

    assert named == there
