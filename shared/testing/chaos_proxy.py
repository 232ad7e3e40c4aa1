"""A TCP proxy that makes a link bad: slow, counted, cut, frozen. For tests of what crosses a network."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

_BLOCK = 64 * 1024


class ChaosProxy:
    """Listens on a port of its own and forwards to `target_port` on loopback."""

    def __init__(self, target_port: int, *, bytes_per_second: float | None = None) -> None:
        """`bytes_per_second` limits what comes from the target, and what goes there, all connections together."""
        self.target_port = target_port
        self.bytes_per_second = bytes_per_second
        self.bytes_from_target = 0
        self.bytes_to_target = 0
        self.cuts_at: list[int] = []
        """So many bytes to the target, in all: there everything is cut, in the middle of whatever flows."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._budget_at = {True: time.monotonic(), False: time.monotonic()}
        self.refusing = False

    def __enter__(self) -> Self:
        """Start to listen."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        """Cut everything."""
        self._listener.close()
        self._flowing.set()
        self.cut()

    def cut(self) -> None:
        """Reset all connections; new ones are welcome."""
        with self._lock:
            doomed, self._open = list(self._open), set()
        for connection in doomed:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def freeze(self) -> None:
        """Nothing flows, nothing ends."""
        self._flowing.clear()

    def thaw(self) -> None:
        """It flows again."""
        self._flowing.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            try:
                target = socket.create_connection(("127.0.0.1", self.target_port), timeout=10)
            except OSError:
                client.close()
                continue
            target.settimeout(None)
            # What is under way when a link is cut is sent again; the kernel would let many megabytes be under way to a busy process.
            target.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BLOCK)
            with self._lock:
                self._open |= {client, target}
            threading.Thread(target=self._pump, args=(client, target), kwargs={"comes": False}, daemon=True).start()
            threading.Thread(target=self._pump, args=(target, client), kwargs={"comes": True}, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, *, comes: bool) -> None:
        try:
            while block := source.recv(_BLOCK):
                self._flowing.wait()
                self._pay(len(block), comes=comes)
                if self._is_due():
                    self.cut()
                sink.sendall(block)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            with self._lock:
                self._open -= {source, sink}

    def _is_due(self) -> bool:
        with self._lock:
            due = bool(self.cuts_at) and self.bytes_to_target >= self.cuts_at[0]
            if due:
                self.cuts_at.pop(0)
            return due

    def _pay(self, count: int, *, comes: bool) -> None:
        with self._lock:
            if comes:
                self.bytes_from_target += count
            else:
                self.bytes_to_target += count
            if not self.bytes_per_second:
                return
            self._budget_at[comes] = max(self._budget_at[comes], time.monotonic()) + count / self.bytes_per_second
            wait = self._budget_at[comes] - time.monotonic()
        if wait > 0:
            time.sleep(wait)
