"""Fixtures for all tests: one private broker and one private PostgreSQL a session, instances that always end."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from structlog.dev import plain_traceback

from shared.core.errors import ServiceUnavailable
from shared.runtime.broker import PrivateBroker
from shared.testing.certificates import Authority
from shared.testing.instance import Instance
from shared.testing.postgres import PrivatePostgres
from shared.testing.slapd import PrivateSlapd

# A claim is true on a busy machine too: nothing is measured against a clock.
settings.register_profile("odst", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("odst")

# Whoever starts the tests in the background may have had them ignore Ctrl-C; what they start and interrupt must not inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What is raised on purpose shall not be drawn in colours and frames, which takes a large part of a second each time.
structlog.configure(
    processors=[*structlog.get_config()["processors"][:-1], structlog.dev.ConsoleRenderer(exception_formatter=plain_traceback)]
)

_VHOSTS_AT_ONCE = 20


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateBroker]:
    """A real RabbitMQ for this session."""
    with PrivateBroker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="session")
def vhost_names(broker: PrivateBroker) -> Iterator[str]:
    """Virtual hosts that nobody used yet, without end: more are made when those at hand are used up."""

    def made() -> Iterator[str]:
        for first in itertools.count(step=_VHOSTS_AT_ONCE):
            names = [f"t{number}" for number in range(first, first + _VHOSTS_AT_ONCE)]
            broker.add_vhosts(names)
            yield from names

    return made()


@pytest.fixture
def amqp_uri(broker: PrivateBroker, vhost_names: Iterator[str]) -> str:
    """A virtual host of one's own."""
    return broker.uri(next(vhost_names))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A real PostgreSQL for this session; a machine without it skips what needs it."""
    try:
        server = PrivatePostgres()
    except ServiceUnavailable as error:
        pytest.skip(str(error))
    with server as running:
        yield running


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that signs certificates for this session."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def slapd(authority: Authority) -> Iterator[PrivateSlapd]:
    """A real OpenLDAP for this session, with a right certificate; a machine without it skips what needs it."""
    try:
        server = PrivateSlapd(authority, authority.issue("localhost"))
    except ServiceUnavailable as error:
        pytest.skip(str(error))
    with server as running:
        yield running


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Makes an empty database of a kind, `sqlite` or `postgresql`, and says its URL; PostgreSQL is started only if it is asked for.

    They are gone after the test: hundreds of databases of PostgreSQL, kept until the end, are gigabytes to be removed from a disk.
    """
    numbers = itertools.count(1)
    with contextlib.ExitStack() as stack:

        def make(kind: str) -> str:
            if kind == "sqlite":
                return f"sqlite:///{tmp_path}/database{next(numbers)}.sqlite3"
            server: PrivatePostgres = request.getfixturevalue("postgres")
            url = server.new_database()
            stack.callback(server.drop_database, url)
            return url

        yield make


@pytest.fixture
def make_instance(
    broker: PrivateBroker, vhost_names: Iterator[str], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Instance]]:
    """Makes instances that are not started yet; they are ended with the test, and their logs shown if it failed."""
    made: list[Instance] = []

    def make(name: str, **options: Any) -> Instance:
        made.append(Instance(name, tmp_path / name, broker.uri(next(vhost_names)), **options))
        return made[-1]

    yield make
    for instance in made:
        instance.close()
        if getattr(request.node, "failed", False):
            for log in sorted(instance.folder.glob("*.log")):
                print(f"--- {instance.name} {log.name}\n{log.read_text('utf-8', 'replace')[-4000:]}")


@pytest.fixture
def long_run() -> bool:
    """True if `ODST_CHAOS=long`: promises at full size, instead of a short version fit for CI."""
    return os.environ.get("ODST_CHAOS") == "long"


@pytest.fixture
def chance() -> random.Random:
    """Random, with a seed that is printed, and set by ODST_SEED to repeat a run."""
    seed = int(os.environ.get("ODST_SEED") or random.randrange(1 << 32))
    print(f"seed: ODST_SEED={seed}")
    return random.Random(seed)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:  # noqa: ARG001 - pytest's signature
    """Remember failures, for fixtures that show logs."""
    outcome = yield
    if outcome.get_result().failed:  # type: ignore[attr-defined]
        item.failed = True  # type: ignore[attr-defined]
