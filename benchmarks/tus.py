"""Resumable upload: tus in parts of 64 MiB, and a plain PUT, from the first byte sent to "published", against `cp` and `sha256sum`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hop import put
from benchmarks.runner import Aim, Candidate, Options, Report, interleave, require_space
from benchmarks.upload import command
from benchmarks.used_memory import UsedMemory
from benchmarks.world import Source, World, world
from cli.resuming import Remembered, ResumableUpload
from odst_client import Client
from shared.contracts import events
from shared.testing.instance import Instance

BASELINE = "cp, sync, sha256sum"
OURS, PLAIN = "tus, until published", "PUT, until published"


@dataclass
class Uploads:
    """Uploads a fresh package, one way or the other."""

    world: World
    source: Source

    def by(self, send: Callable[[Instance, str, Path], None]) -> Candidate:
        """Seconds from the start of sending to the arrival of `package.published` on the bus."""

        def one(number: int) -> float:
            (a,), (ear,) = self.world.instances, self.world.listeners
            name = f"tus-{number}-{time.monotonic_ns()}.pkg"
            self.source.renew()
            with UsedMemory(self.source.path.parent, self.source.size) as memory:
                memory.offer()
                began = time.time()
                send(a, name, self.source.path)
                return ear.wait(events.PackagePublishedV1, lambda heard: heard.field("name") == name).arrived - began

        return one


def resumable(instance: Instance, name: str, path: Path) -> None:
    """As `odst upload` does it."""
    client = Client(instance.url, instance.token)
    ResumableUpload(client, path, name, (), None, Remembered(path.parent, instance.url, path, name)).send()


def run(options: Options) -> Report:
    """An instance and the command in one interleaved run."""
    folder, size, rounds = options.folder, options.size_or(1024), options.rounds_or(3)
    require_space(folder, (2 * rounds + 3) * size)
    source = Source(folder / "package", size)
    with world(options, "A") as running:
        uploads = Uploads(running, source)
        script = "cp --reflink=never {source} {copy}; sync {copy}; sha256sum {copy}"
        candidates = {OURS: uploads.by(resumable), PLAIN: uploads.by(put), BASELINE: command(script, source, folder / "copy")}
        samples = interleave(candidates, rounds)
    report = Report("tus", f"a fresh package of {size >> 20} MiB, from the first byte sent to published", BASELINE, samples)
    report.aims = [Aim(f"{OURS}, of {BASELINE}", report.ratio(OURS), 1.5)]
    report.notes = ["tus: sent by the client of `odst upload`, in PATCHes of 64 MiB, each synced before it is answered; PUT: by curl -T"]
    return report
