"""Work for the processor or the disk, away from the hub: in real threads, while green ones go on.

Hashing a package on eventlet's hub silences heartbeats for the whole file; hashlib, reads and writes release the
interpreter lock, so a real thread costs nothing but the hand-over.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import eventlet
from eventlet import tpool
from eventlet.patcher import is_monkey_patched

P = ParamSpec("P")
R = TypeVar("R")


def offload(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `function` in a real thread and wait for it without holding the hub; in a plain process, just run it."""
    if not is_monkey_patched("thread"):
        return function(*args, **kwargs)
    return tpool.execute(function, *args, **kwargs)  # type: ignore[no-any-return]


def offload_all(functions: list[Callable[[], Any]]) -> list[Any]:
    """Run several functions side by side, each in a real thread; their results in order.

    Raises:
        Exception: the first one that any of them raised, after all have ended.
    """
    if not is_monkey_patched("thread"):
        with ThreadPoolExecutor(len(functions)) as pool:
            return [future.result() for future in [pool.submit(function) for function in functions]]
    threads = [eventlet.spawn(tpool.execute, function) for function in functions]
    return [thread.wait() for thread in threads]
