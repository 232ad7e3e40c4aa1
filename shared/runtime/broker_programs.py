"""Finding RabbitMQ and Erlang's name service on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from shared.core.errors import ServiceUnavailable

_SERVER_PLACES = (
    "/usr/lib/rabbitmq/bin",
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
    "/opt/rabbitmq/sbin",
)
"""Where distributions keep the server itself; Debian's in /usr/sbin is a wrapper that switches user."""


def find_server() -> Path:
    """The RabbitMQ server of this machine.

    Raises:
        ServiceUnavailable: BROKER_NOT_INSTALLED, naming the command that installs it.
    """
    return _find("rabbitmq-server", _SERVER_PLACES)


def find_control() -> Path:
    """RabbitMQ's own command line, `rabbitmqctl`.

    Raises:
        ServiceUnavailable: BROKER_NOT_INSTALLED, naming the command that installs it.
    """
    return _find("rabbitmqctl", _SERVER_PLACES)


def find_epmd() -> Path:
    """Erlang's name service.

    Raises:
        ServiceUnavailable: BROKER_NOT_INSTALLED, naming the command that installs it.
    """
    return _find("epmd", ("/usr/bin", "/opt/homebrew/bin", "/usr/local/bin", *map(str, Path("/usr/lib/erlang").glob("erts-*/bin"))))


def _find(program: str, places: Sequence[str]) -> Path:
    for place in places:
        if os.access(Path(place) / program, os.X_OK):
            return Path(place) / program
    found = shutil.which(program)
    if found:
        return Path(found)
    raise ServiceUnavailable(
        f"{program} was not found: install RabbitMQ (Debian, Ubuntu: sudo apt-get install --no-install-recommends rabbitmq-server; "
        "macOS: brew install rabbitmq), or name one that runs elsewhere in ODST_AMQP_URI",
        "BROKER_NOT_INSTALLED",
    )
