"""The other end of `shared.testing.preloaded`: imports what the programs of an instance need, and forks off one at each order.

It patches, as the programs do, before anything else is imported; it works with what is not patched, so that no hub ever runs here.
"""

import gc

gc.disable()  # until all is imported: see shared/runtime/starting.py

import os  # noqa: E402 - as above
import sys  # noqa: E402
from os import read as _read  # noqa: E402 - before these are patched
from os import waitpid as _waitpid  # noqa: E402
from os import write as _write  # noqa: E402

if sys.argv[1] == "services":
    import eventlet

    eventlet.monkey_patch()

import importlib  # noqa: E402 - nothing may be imported before patching
import json  # noqa: E402
import runpy  # noqa: E402
from typing import Any  # noqa: E402

_SERVICES = ("directory", "storage", "hashing", "replication", "notify")
_NEEDED = {
    "services": [*(f"services.{name}.service" for name in _SERVICES), "shared.runtime.services"],
    "gateway": ["services.api_gateway.server"],
}


def main(kind: str) -> None:
    """Import, then fork at each order; returns when there are no more orders, and in each forked program when it has ended."""
    for name in _NEEDED[kind]:
        importlib.import_module(name)
    gc.freeze()
    _write(1, b"ready\n")
    with open(0, "rb", buffering=0, closefd=False) as orders:
        while line := orders.readline():
            if _fork_an_orphan():
                _become(json.loads(line))
                return


def _fork_an_orphan() -> bool:
    """True in the new process. Here its id is said, once its parent has ended and it is a child of whoever takes orphans in."""
    reading, writing = os.pipe()
    between = os.fork()
    if between == 0:
        child = os.fork()
        if child:
            _write(writing, b"%d\n" % child)
            os._exit(0)
    else:
        _waitpid(between, 0)
        _write(1, _read(reading, 20))
    os.close(reading)
    os.close(writing)
    return between == 0


def _become(order: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(order["environment"])
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    if "eventlet" in sys.modules:
        from eventlet.hubs import use_hub  # noqa: PLC0415 - only where there is one

        use_hub()  # The one that was made by patching shares its epoll with those of all that are forked.
    module, *sys.argv[1:] = order["arguments"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1])
