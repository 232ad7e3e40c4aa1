"""Runs services and dies by SIGKILL at a named point, once: `python -m shared.testing.crashing <point> <flag file> <module>`.

The flag file is removed before dying, so that the next start lives. A point is a moment of a step: before it; within it, when all of it
is written and nothing is committed; after it::

    after-blob        verified bytes are a blob; no record, no link yet                (storage)
    before-relay      record and event are committed; nothing is on the bus            (whoever has an outbox)
    after-relay       the broker has the event; it is in the outbox still              (whoever has an outbox)
    before-told       the event came; nothing is made of it                            (notify, as all below)
    within-told       deliveries are made, and not committed
    after-told        deliveries are committed; the event is not acknowledged
    after-acked       the event is acknowledged; nothing is claimed
    within-claim      a delivery is claimed, and that is not committed
    after-claim       a delivery is claimed; nothing is sent
    within-frozen     a mail is written, and not committed
    after-frozen      a mail is committed; nothing is sent
    before-answer     the receiver has all that is sent; no answer was read
    after-sent        the receiver has answered; nothing is written down
    within-settled    what became of it is written, and not committed
    after-settled     it is committed
"""

import eventlet

eventlet.monkey_patch()

import os  # noqa: E402 - nothing may be imported before patching
import pkgutil  # noqa: E402
import runpy  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

Function = Callable[..., Any]
Wrap = Callable[[Function, Path], Function]

_OUTBOX = "shared.runtime.outbox"
_NOTIFY = "services.notify.adapters"
_RELAYED = ("package.published.v1", "subscription.disabled.v1")
"""The events that a test waits for; at others nobody dies in an outbox."""
_here = threading.local()


def _die_if_flagged(flag: Path) -> None:
    if flag.exists():
        flag.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def _did_something(result: Any) -> bool:
    """False if nothing was there to be claimed, or told."""
    return result is None or bool(result)


def _before(function: Function, flag: Path) -> Function:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        _die_if_flagged(flag)
        return function(*args, **kwargs)

    return wrapped


def _after(function: Function, flag: Path) -> Function:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if _did_something(result):
            _die_if_flagged(flag)
        return result

    return wrapped


def _within(function: Function, flag: Path) -> Function:
    """Die at the next commit of the thread in which the function did something."""
    from shared.runtime.database import Database  # noqa: PLC0415 - not before patching

    end = Database._end

    def commit_or_die(self: Database, connection: Any, how: str) -> None:
        if how == "COMMIT" and getattr(_here, "is_due", False):
            _die_if_flagged(flag)
        end(self, connection, how)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        _here.is_due = _did_something(result)
        return result

    Database._end = commit_or_die  # type: ignore[method-assign]
    return wrapped


def _before_relay(publish: Function, flag: Path) -> Function:
    # Not the relay as a whole: one that is under way goes on with what is committed meanwhile.
    def wrapped(publisher: Any, envelope: Any) -> None:
        if envelope.type in _RELAYED:
            _die_if_flagged(flag)
        publish(publisher, envelope)

    return wrapped


def _after_relay(publish: Function, flag: Path) -> Function:
    def wrapped(publisher: Any, envelope: Any) -> None:
        publish(publisher, envelope)
        if envelope.type in _RELAYED:
            _die_if_flagged(flag)

    return wrapped


POINTS: dict[str, tuple[Wrap, tuple[str, ...]]] = {
    "after-blob": (_after, ("shared.runtime.bytestore.filesystem:FilesystemByteStore.make_blob",)),
    "before-relay": (_before_relay, (f"{_OUTBOX}:publish_event",)),
    "after-relay": (_after_relay, (f"{_OUTBOX}:publish_event",)),
    "before-told": (_before, (f"{_NOTIFY}.deliveries:DatabaseDeliveries.make",)),
    "within-told": (_within, (f"{_NOTIFY}.deliveries:_insert",)),
    "after-told": (_after, (f"{_NOTIFY}.deliveries:DatabaseDeliveries.make",)),
    "after-acked": (_after, ("shared.runtime.bus.consumer:ResilientQueueConsumer.ack_message",)),
    "within-claim": (_within, (f"{_NOTIFY}.claims:taken",)),
    "after-claim": (_after, (f"{_NOTIFY}.deliveries:DatabaseDeliveries.claim",)),
    "within-frozen": (_within, (f"{_NOTIFY}.digests:freeze",)),
    "after-frozen": (_after, (f"{_NOTIFY}.deliveries:DatabaseDeliveries.freeze",)),
    "before-answer": (_before, ("http.client:HTTPConnection.getresponse",)),
    "after-sent": (_after, (f"{_NOTIFY}.channels.webhook:WebhookSender.send", f"{_NOTIFY}.channels.email:EmailSender.send")),
    "within-settled": (_within, (f"{_NOTIFY}.claims:give_back",)),
    "after-settled": (_after, (f"{_NOTIFY}.deliveries:DatabaseDeliveries.settle",)),
}
"""How each is come by: what is wrapped in what."""


def set_trap(point: str, flag: Path) -> None:
    """Have this process die at a point.

    Raises:
        SystemExit: if there is no such point.
    """
    if point not in POINTS:
        raise SystemExit(f"no such point: {point}")
    wrap, targets = POINTS[point]
    for target in targets:
        owner_name, _, name = target.rpartition("." if "." in target.partition(":")[2] else ":")
        owner = pkgutil.resolve_name(owner_name)
        setattr(owner, name, wrap(getattr(owner, name), flag))


def main(point: str, flag: Path, module: str) -> None:
    """Set the trap, then run the module as `python -m` would."""
    set_trap(point, flag)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
