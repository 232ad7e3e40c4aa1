"""The ways between instances, which tests close: an HTTP proxy before each, that asks for every request whether it may pass."""

from __future__ import annotations

import http.client
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from shared.testing.instance import Instance
from shared.testing.sites import id_of

ANNOUNCEMENTS = "/ods/v1/announcements"
_OF_ONE_HOP = {"connection", "keep-alive", "transfer-encoding"}
_KEY_ID = re.compile(r'keyid="([^"]+)"')
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Call:
    """A request on its way."""

    path: str
    """Without the query."""
    sender: str | None
    """The instance id that it says it is signed by."""


class FilteringProxy:
    """Listens on a port of its own, and hands what `lets_pass` to a port on loopback; the rest ends without an answer."""

    def __init__(self, target_port: int, lets_pass: Callable[[Call], bool]) -> None:
        """Listens from now on."""

        class Handler(_Relay):
            target = target_port
            passes = staticmethod(lets_pass)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Nobody listens any more."""
        self._server.shutdown()
        self._server.server_close()


class _Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target: int
    passes: Callable[[Call], bool]

    def _relay(self) -> None:
        signer = _KEY_ID.search(self.headers.get("Signature-Input", ""))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.passes(Call(self.path.partition("?")[0], signer[1] if signer else None)):
            self.close_connection = True
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=_SECONDS)
        try:
            self._answer(self._ask(connection, body))
        except OSError:
            self.close_connection = True
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, body: bytes) -> http.client.HTTPResponse:
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        return connection.getresponse()

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in _OF_ONE_HOP:
                self.send_header(name, value)
        if "Content-Length" not in answer.headers:
            self.send_header("Connection", "close")
        self.end_headers()
        shutil.copyfileobj(answer, self.wfile)

    do_GET = do_HEAD = do_POST = _relay  # noqa: N815 - the standard library's names

    def log_message(self, *_: object) -> None:
        """Nothing: instances have logs of their own."""


class Links:
    """All ways to some instances, which are not started yet: peers reach them by these only, clients and tests directly."""

    def __init__(self, *instances: Instance) -> None:
        """Whatever way is asked for is open."""
        self._proxies = {instance.name: FilteringProxy(instance.port, self._gate_of(instance.name)) for instance in instances}
        for instance in instances:
            instance.settings["ODST_PUBLIC_URL"] = self._proxies[instance.name].url
        self._lock = threading.Lock()
        self._side_of: dict[str, int] = {}
        self._deaf = False
        self.stopped: list[Call] = []
        """What was not let pass since a way was closed last."""

    def __enter__(self) -> Self:
        """Open from the start."""
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        """No way is left."""
        for proxy in self._proxies.values():
            proxy.close()

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """No announcement reaches anybody."""
        self.stopped.clear()
        self._deaf = True
        try:
            yield
        finally:
            self._deaf = False

    @contextmanager
    def parted(self, *sides: tuple[Instance, ...]) -> Iterator[None]:
        """Nothing passes from one of these groups of running instances to another."""
        self.stopped.clear()
        for number, side in enumerate(sides):
            self._side_of |= {key: number for instance in side for key in (instance.name, id_of(instance))}
        try:
            yield
        finally:
            self._side_of.clear()

    def _gate_of(self, name: str) -> Callable[[Call], bool]:
        def lets_pass(call: Call) -> bool:
            sides = dict(self._side_of)
            apart = call.sender is not None and sides.get(call.sender) != sides.get(name)
            stopped = apart or (self._deaf and call.path == ANNOUNCEMENTS)
            if stopped:
                with self._lock:
                    self.stopped.append(call)
            return not stopped

        return lets_pass
