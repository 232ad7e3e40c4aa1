"""The client and the OpenAPI document of the gateway hold each other: same operations, same parameters, same answers."""

from __future__ import annotations

import datetime as dt
import inspect
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Unpack, get_args, get_origin, get_type_hints

import pytest

from odst_client import Client, operations
from odst_client.operations import Group, Operation, operations_of
from odst_client.sending import FilePart
from tests.unit.api_examples import DescribedApi, an_app
from tests.unit.prepared_gateway import Gateway

NO_METHOD = {
    "POST /api/v1/packages": "a form is for browsers; `uploads.send` sends the bytes as they are",
    "GET /api/v1/docs": "a page for people",
    "GET /api/v1/session/oidc": "for browsers; `account.begin_oidc` is for programs",
    "GET /api/v1/session/oidc/callback": "for browsers that come from the provider",
    "POST /api/v1/uploads/{upload_id}": "for senders of tus that know no other method",
    "GET /healthz": "for whatever restarts processes; `instance.readiness` says more",
}
OTHER_NAMES = {"id": "letter_id", "type": "type_", "format": "form"}
"""Parameters whose name means something else in Python."""
CONTENT = b"abc"
SAMPLES = {"str": "x", "Sequence[str]": ["test"], "RoleName": "viewer"}


def _operations(client: Client) -> list[tuple[Operation, Callable[..., Any]]]:
    groups = [group for group in vars(client).values() if isinstance(group, Group)]
    return [pair for group in groups for pair in operations_of(group)]


def _methods(client: Client) -> list[tuple[str, Callable[..., Any]]]:
    return [(str(one), method) for one, method in _operations(client)]


def _parameters(method: Callable[..., Any]) -> set[str]:
    """Names of all that it takes; also of keywords that are described by a typed dictionary."""
    hints = get_type_hints(method)
    keywords = [get_args(hint)[0] for hint in hints.values() if get_origin(hint) is Unpack]
    return set(inspect.signature(method).parameters).union(*(get_type_hints(keyword) for keyword in keywords))


@pytest.fixture
def described(tmp_path: Path) -> DescribedApi:
    """The API of the real gateway."""
    return DescribedApi(an_app(tmp_path))


@pytest.fixture
def gateway(described: DescribedApi) -> Iterator[Gateway]:
    """A gateway that answers everything as it is described."""
    with described.gateway(len(CONTENT)) as answering:
        yield answering


def test_every_operation_has_one_method_and_every_method_an_operation(described: DescribedApi) -> None:
    """But for those that are listed here, with the reason."""
    names = [name for name, _ in _methods(Client("http://x"))]

    assert sorted([*names, *NO_METHOD]) == sorted(described.operations)


def test_a_method_takes_all_that_its_operation_takes(described: DescribedApi) -> None:
    """In the path, in the query, and in the body."""
    missing = {
        name: described_names - _parameters(method)
        for name, method in _methods(Client("http://x"))
        if (described_names := {OTHER_NAMES.get(one, one) for one in described.parameters(name)})
    }

    assert {name: names for name, names in missing.items() if names} == {}


def test_a_method_asks_what_it_says_and_reads_what_is_described(gateway: Gateway, described: DescribedApi, tmp_path: Path) -> None:
    """One request each, to the operation that it is decorated with; the described answer is read without fault."""
    file = tmp_path / "x"
    file.write_bytes(CONTENT)
    part = FilePart(io.BytesIO(CONTENT), 0, len(CONTENT), lambda _done: None)
    samples = {
        "str": "x",
        "int": 3,
        "Sequence[str]": ["test"],
        "Role": "viewer",
        "RoleName": "viewer",
        "PriorityWord": "high",
        "Path": file,
        "FilePart": part,
        "dt.datetime": dt.datetime(2026, 11, 24, tzinfo=dt.UTC),
    }
    for name, method in _methods(Client(gateway.url)):
        gateway.asked.clear()
        parameters = inspect.signature(method).parameters.values()
        needed = [one for one in parameters if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
        answer = method(*[samples[one.annotation] for one in needed])
        if isinstance(answer, Iterator):
            list(answer)

        assert [described.operation_at(*call.split()) for call, _, _ in gateway.asked] == [name]


def test_what_creates_takes_a_key_at_both_ends(described: DescribedApi) -> None:
    """The client sends one, and tries again, where the gateway says that it keeps it; nowhere else."""
    creating = {str(one) for one, _ in _operations(Client("http://x")) if one.creates}

    assert _with_header(described, operations.KEY_HEADER) == creating


def test_what_takes_a_condition_takes_it_at_both_ends(described: DescribedApi) -> None:
    """A method has `if_match` where the gateway reads If-Match, and nowhere else."""
    methods = {name for name, method in _methods(Client("http://x")) if "if_match" in _parameters(method)}

    assert methods == _with_header(described, "If-Match")


def _with_header(described: DescribedApi, header: str) -> set[str]:
    return {
        name
        for name, operation in described.operations.items()
        if header in (parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header")
    }
