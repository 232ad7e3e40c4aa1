"""Runs services and dies at a named point, once: `python -m shared.testing.crashing <point> <flag file> <module>`.

The flag file is removed before dying, so that the next start lives. Points:

    after-blob      verified bytes are a blob; no record, no link yet       (storage)
    before-relay    record and event are committed; nothing is on the bus   (storage)
    after-told      deliveries are made; the event is not acknowledged      (notify)
    after-claim     a delivery is claimed; nothing is sent                  (notify)
    after-sent      the receiver has it; nothing is written down            (notify)
    after-settled   it is written down                                      (notify)
"""

import eventlet

eventlet.monkey_patch()

import os  # noqa: E402 - nothing may be imported before patching
import runpy  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402


def _die_if_flagged(flag: Path) -> None:
    if flag.exists():
        flag.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def _after(function: Callable[..., Any], flag: Path) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if result is None or result:  # nothing was claimed: nothing happened
            _die_if_flagged(flag)
        return result

    return wrapped


def _relay_or_die(relay: Callable[..., Any], flag: Path) -> Callable[..., Any]:
    def wrapped(outbox: Any) -> Any:
        with outbox._database.read() as connection:
            rows = connection.execute(outbox._table.select().where(outbox._table.c.type == "package.published.v1")).all()
        if rows:
            _die_if_flagged(flag)
        return relay(outbox)

    return wrapped


def _notify_points() -> dict[str, tuple[type, str]]:
    from services.notify.adapters.channels.webhook import WebhookSender  # noqa: PLC0415 - only the process that is to die needs them
    from services.notify.adapters.deliveries import DatabaseDeliveries  # noqa: PLC0415 - as above

    return {
        "after-told": (DatabaseDeliveries, "make"),
        "after-claim": (DatabaseDeliveries, "claim"),
        "after-sent": (WebhookSender, "send"),
        "after-settled": (DatabaseDeliveries, "settle"),
    }


def main(point: str, flag: Path, module: str) -> None:
    """Set the trap, then run the module as `python -m` would."""
    from shared.runtime.bytestore.filesystem import FilesystemByteStore  # noqa: PLC0415 - only the process that is to die needs them
    from shared.runtime.outbox import Outbox  # noqa: PLC0415 - as above

    if point == "after-blob":
        FilesystemByteStore.make_blob = _after(FilesystemByteStore.make_blob, flag)  # type: ignore[method-assign]
    elif point == "before-relay":
        Outbox.relay = _relay_or_die(Outbox.relay, flag)  # type: ignore[method-assign]
    elif point in (found := _notify_points()):
        owner, method = found[point]
        setattr(owner, method, _after(getattr(owner, method), flag))
    else:
        raise SystemExit(f"no such point: {point}")
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
