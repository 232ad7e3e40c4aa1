"""Free TCP ports on loopback, for the private parts of an instance."""

from __future__ import annotations

import random
import socket

from shared.core.errors import ServiceUnavailable

_LOWEST, _HIGHEST = 20000, 31999
"""Below the ports that systems give to outgoing connections: a client that calls such a port while nothing listens may reach itself."""
_TRIES = 200
_choose = random.SystemRandom()


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def answers(host: str, port: int, timeout_seconds: float = 0.5) -> bool:
    """Whether something accepts a connection there within `timeout_seconds`."""
    try:
        socket.create_connection((host, port), timeout=timeout_seconds).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens.

    Raises:
        ServiceUnavailable: if none was found.
    """
    for _ in range(_TRIES):
        port = _choose.randint(_LOWEST, _HIGHEST)
        if is_free(port):
            return port
    raise ServiceUnavailable(f"no free port was found between {_LOWEST} and {_HIGHEST}; end some programs that listen there")
