"""What a benchmark runs in: a private broker, real instances with the settings of real use, a package of random bytes."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import profiling
from benchmarks.listener import Listener
from benchmarks.runner import Options
from services.replication.config import ReplicationSettings
from shared.runtime.broker import PrivateBroker
from shared.testing.instance import FAST, Instance

_BLOCK = 1 << 20


@dataclass(frozen=True)
class World:
    """Running instances, the ears on their buses, and the broker that they share (with a virtual host each)."""

    broker: PrivateBroker
    instances: tuple[Instance, ...]
    listeners: tuple[Listener, ...]

    def pids(self) -> dict[str, int]:
        """Every process of every instance, and the broker."""
        return _pids(self.instances) | ({"broker": self.broker.pid} if self.broker.pid else {})


def _pids(instances: Sequence[Instance]) -> dict[str, int]:
    return {f"{instance.name} {name}": process.pid for instance in instances for name, process in instance.processes.items()}


@contextmanager
def world(options: Options, *names: str, programs: tuple[str, ...] | None = None) -> Iterator[World]:
    """Instances of these names, started, ready, each registered with the one before it; ended and removed afterwards."""
    vhosts = [name.lower() for name in names]
    with ExitStack() as stack:
        broker = stack.enter_context(PrivateBroker(options.folder / "broker", vhosts))
        instances = []
        for name, vhost in zip(names, vhosts, strict=True):
            made = Instance(name, options.folder / vhost, broker.uri(vhost), programs=programs or options.programs, settings=real_use())
            instances.append(made)
            stack.callback(shutil.rmtree, made.folder, ignore_errors=True)
            stack.callback(made.close)
            made.start()
        for instance in instances:
            instance.wait_ready()
        for before, instance in itertools.pairwise(instances):
            instance.join(before)
        if options.profiles:
            stack.enter_context(profiling.recorded(_pids(instances), options.profiles))
        listeners = tuple(stack.enter_context(Listener(broker.uri(vhost))) for vhost in vhosts)
        yield World(broker, tuple(instances), listeners)


def real_use() -> dict[str, str]:
    """The defaults again where `Instance` is impatient for the sake of tests."""
    fields = ReplicationSettings.model_fields
    defaults = {key: fields[name].default for key in FAST if (name := key.removeprefix("ODST_").lower()) in fields}
    return {key: ",".join(map(str, value)) if isinstance(value, tuple) else str(value) for key, value in defaults.items()}


class Source:
    """A package of random bytes; `renew` makes another one of it, as the same bytes again would not be moved."""

    def __init__(self, path: Path, size: int) -> None:
        """Write `size` random bytes, synced."""
        self.path, self.size = path, size
        with path.open("wb") as file:
            for start in range(0, size, _BLOCK):
                file.write(os.urandom(min(_BLOCK, size - start)))
            file.flush()
            os.fsync(file.fileno())

    def renew(self) -> None:
        """Other bytes in the first MiB."""
        with self.path.open("r+b") as file:
            file.write(os.urandom(min(_BLOCK, self.size)))
            file.flush()
            os.fsync(file.fileno())
