"""Claims about asking services: whether nothing was done, or perhaps something, is told apart."""

from __future__ import annotations

import pytest

from shared.core.errors import AnswerLost, OdstError, ServiceTimeout, ServiceUnavailable
from shared.runtime.bus import rpc


class Caller:
    """A connection that fails where it is told to."""

    fails: dict[str, Exception]
    sent: int

    def __init__(self, *_arguments: object) -> None:
        self._at("connect")

    def _at(self, place: str) -> None:
        if place in self.fails:
            raise self.fails[place]

    def send(self, *_arguments: object) -> str:
        """As the real one."""
        type(self).sent += 1
        self._at("send")
        return "id"

    def wait(self, *_arguments: object) -> bytes:
        """As the real one."""
        self._at("wait")
        return b'{"result": 1}'

    def close(self) -> None:
        """As the real one."""


@pytest.mark.parametrize(
    ("place", "error", "kind"),
    [
        ("connect", ConnectionRefusedError(), ServiceUnavailable),
        ("send", ConnectionResetError(), AnswerLost),
        ("wait", ConnectionResetError(), AnswerLost),
        ("wait", TimeoutError(), ServiceTimeout),
    ],
)
def test_a_broken_connection_says_whether_anything_may_have_been_done(
    monkeypatch: pytest.MonkeyPatch, place: str, error: Exception, kind: type[OdstError]
) -> None:
    """Before anything was sent: nothing. After that: perhaps; and then it is not sent again."""
    monkeypatch.setattr(rpc, "_Caller", Caller)
    monkeypatch.setattr(Caller, "fails", {place: error}, raising=False)
    monkeypatch.setattr(Caller, "sent", 0, raising=False)

    with pytest.raises(ServiceUnavailable) as caught:
        rpc.RpcClient("amqp://x:x@127.0.0.1:1/").call("storage", "figures")

    assert type(caught.value) is kind
    assert Caller.sent == {"connect": 0, "send": 2, "wait": 1}[place]
