"""Claims that services do what the tables say: the spine and the RPC table, in both directions."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.api_gateway.ports import Services
from shared.contracts import rpc, spine
from shared.contracts.events import ALL, Event
from shared.runtime.bus import handles as bus_handles
from shared.runtime.bus.answers import Answers
from shared.runtime.bus.handles import Handles

ROOT = Path(inspect.getfile(spine)).parents[2]
SERVICES = ("directory", "hashing", "notify", "replication", "storage")
EVENT_CLASSES = {event.__name__: event.type for event in ALL.values()}


def service_class(service: str) -> type:
    """The class of a Nameko service."""
    hosted = importlib.import_module(f"services.{service}.service").HOSTED
    found: type = hosted.service
    return found


def entrypoints(service: str, kind: type) -> Iterator[tuple[str, Any, Any]]:
    """Method name, method and entrypoint, for each entrypoint of one kind."""
    for name, method in inspect.getmembers(service_class(service), inspect.isfunction):
        for entrypoint in getattr(method, "nameko_entrypoints", ()):
            if isinstance(entrypoint, kind):
                yield name, method, entrypoint


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_bears_its_name(service: str) -> None:
    """Folder, class and queue names are one."""
    assert service_class(service).name == service  # type: ignore[attr-defined]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_handles_what_the_spine_says_and_nothing_else(service: str) -> None:
    """Each event once, by a method whose signature names the event, or any event if it does the same with many."""
    handled = [(entrypoint.event, method) for _, method, entrypoint in entrypoints(service, Handles)]

    assert sorted(event.type for event, _ in handled) == sorted(spine.handled_by(service))
    assert all(inspect.signature(method, eval_str=True).parameters["event"].annotation in (event, Event) for event, method in handled)


@pytest.mark.parametrize("service", [*SERVICES, "api_gateway"])
def test_a_service_dispatches_what_the_spine_says_and_nothing_else(service: str) -> None:
    """Only the source of an event makes it, and it does make it."""
    made = {EVENT_CLASSES[name] for name in _called(ROOT / "services" / service) if name in EVENT_CLASSES}

    assert made == set(spine.dispatched_by(service))


def test_the_bus_dispatches_what_the_spine_says() -> None:
    """The event about a dead letter, and those about alarms, are the runtime's own, for any service."""
    made = {EVENT_CLASSES[name] for name in _called(Path(bus_handles.__file__).parents[1]) if name in EVENT_CLASSES}

    assert made == set(spine.dispatched_by("bus"))


def _called(folder: Path) -> set[str]:
    """Names that are called in the code below `folder`."""
    return {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_answers_what_the_table_says(service: str) -> None:
    """The same methods, with the same parameter names in the same order."""
    answered = {name: tuple(inspect.signature(method).parameters)[1:] for name, method, _ in entrypoints(service, Answers)}

    assert answered == rpc.ANSWERS[service]


def test_the_table_knows_no_service_that_does_not_exist() -> None:
    """In both directions."""
    assert set(rpc.ANSWERS) == set(SERVICES)


def test_callers_ask_only_what_the_table_has() -> None:
    """Every RPC call in the product names a service, a method and parameters that exist."""
    wrong = [f"{path.name}:{call.lineno}" for path, call in _rpc_calls() if not _is_known(call)]

    assert wrong == []
    assert len(list(_rpc_calls())) > len(SERVICES)


def _rpc_calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in (ROOT / "services").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == Services.call.__name__:
                literals = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                if len(literals) == 2:
                    yield path, node


def _is_known(call: ast.Call) -> bool:
    service, method = (argument.value for argument in call.args if isinstance(argument, ast.Constant))
    parameters = rpc.ANSWERS.get(str(service), {}).get(str(method))
    given = [keyword.arg for keyword in call.keywords]
    if parameters is None:
        return False
    return None in given or set(given) - {"_timeout_seconds"} <= set(parameters)


def test_every_event_stands_once_in_the_spine() -> None:
    """The catalogue and the table are about the same facts."""
    types = [step.event.type for step in spine.STEPS]

    assert sorted(types) == sorted(ALL)


def test_every_event_of_the_way_is_handled() -> None:
    """A step that nobody handles would be where packages stop."""
    assert all(step.handlers and step.seed_step for step in spine.SPINE)
    assert all(set(step.handlers) <= set(SERVICES) for step in spine.STEPS)
