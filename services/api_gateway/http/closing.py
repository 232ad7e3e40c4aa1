"""Ending connections so that the client can read the answer. Gunicorn's threads do not do this by themselves.

A refusal often comes while the client still sends. A socket that is closed with unread bytes is reset, and the answer is lost
with it; so the sending side is closed first, and what still comes is thrown away for a moment (RFC 9112, section 9.6). Gunicorn
reads at most 128 KiB for that, and partly in the thread that accepts connections, where one idle client delays all others.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

_LINGER_SECONDS = 2.0
_BLOCK = 1 << 18
_SILENCE_SECONDS = 60
"""A client that is expected to send and does not for so long loses its thread."""

GOES_ON = "odst.goes_on"
"""In the environment of a request whose answer goes on after its thread has left: see `live`."""
CONNECTION = "gunicorn.socket"
"""And this is where it goes."""

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """Gunicorn's threads, patient with a client that still sends, and not for ever with one that is silent."""

    def handle(self, conn: TConn) -> Any:
        """One request; a connection that ends with it is emptied here, in its own thread."""
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _SILENCE_SECONDS, 0))
        kept = super().handle(conn)
        if self.app.live.hand_over(conn.sock):
            conn.sock = socket.socket()  # what gunicorn closes: the connection lives on without it
            return False
        if kept is False:
            linger(conn.sock)
        return kept

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: streams end at once, so that nobody waits for them."""
        self.app.live.stop()
        super().handle_exit(sig, frame)


def _head_of(body: Iterable[bytes], response: Any) -> Iterator[bytes]:
    """Let gunicorn send the header fields, but not the end of the last chunk: whoever takes the connection over sends chunks too."""
    try:
        yield b""
        response.chunked = False
    finally:
        getattr(body, "close", lambda: None)()


def linger(connection: socket.socket, seconds: float = _LINGER_SECONDS) -> None:
    """Say that nothing more comes, and throw away what the other side sends until it has read that; at most for `seconds`."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(_BLOCK):
                break
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)


def closing_when_asked(application: Application) -> Application:
    """`application`, whose `Connection: close` is obeyed: gunicorn drops that header and would keep the connection."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            if ("Connection", "close") in headers:
                start_response.__self__.force_close()  # type: ignore[attr-defined]  # gunicorn's Response
            return start_response(status, headers, *rest)

        body = application(environ, start)
        return _head_of(body, start_response.__self__) if environ.get(GOES_ON) else body  # type: ignore[attr-defined]  # as above

    return wrapped
