"""Upload: from the first byte sent to "published", against `cp` and `sha256sum`."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import commands
from benchmarks.hop import put
from benchmarks.processes import Cpu, cpu_figures, cpu_spent
from benchmarks.runner import Aim, Candidate, Figures, Options, Report, interleave, require_space
from benchmarks.used_memory import UsedMemory
from benchmarks.world import Source, World, world
from shared.contracts import events

BASELINE = "cp, sync, sha256sum"
OURS = "PUT, until published"
PHASES = ("sent, received, synced", "event, digest pass, event", "  of it the digest pass", "renamed, signed, recorded, said")


@dataclass
class Uploads:
    """Uploads a fresh package."""

    world: World
    source: Source
    phases: list[list[float]] = field(default_factory=list)
    cpu: list[dict[str, Cpu]] = field(default_factory=list)

    def one(self, number: int) -> float:
        """Seconds from the start of curl to the arrival of `package.published` on the bus."""
        (a,), (ear,) = self.world.instances, self.world.listeners
        name = f"upload-{number}-{time.monotonic_ns()}.pkg"
        self.source.renew()
        with UsedMemory(self.source.path.parent, self.source.size) as memory, cpu_spent(self.world.pids(), self.cpu):
            memory.offer()
            began = time.time()
            put(a, name, self.source.path)
            published = ear.wait(events.PackagePublishedV1, lambda heard: heard.field("name") == name)
        received = ear.wait(events.PackageReceivedV1, lambda heard: heard.field("name") == name)
        hashed = ear.wait(events.PackageHashedV1, lambda heard: heard.field("upload_id") == received.field("upload_id"))
        digests = hashed.field("digests")["seconds"]
        self.phases.append([received.made - began, hashed.made - received.made, digests, published.arrived - hashed.made])
        return published.arrived - began

    def figures(self) -> list[Figures]:
        """Where the time went, and who used the processors."""
        medians = [statistics.median(column) for column in zip(*self.phases, strict=True)]
        return [
            Figures("where the time goes", ("phase", "seconds"), [(name, round(s, 3)) for name, s in zip(PHASES, medians, strict=True)]),
            cpu_figures("processor seconds during the upload", self.cpu),
        ]


def run(options: Options) -> Report:
    """An instance and the commands in one interleaved run."""
    folder, size, rounds = options.folder, options.size_or(1024), options.rounds_or(3)
    require_space(folder, (rounds + 3) * size)
    source = Source(folder / "package", size)
    with world(options, "A") as running:
        uploads = Uploads(running, source)
        candidates: dict[str, Candidate] = {OURS: uploads.one}
        for name, script in {
            BASELINE: "cp --reflink=never {source} {copy}; sync {copy}; sha256sum {copy}",
            "cp, sync": "cp --reflink=never {source} {copy}; sync {copy}",
            "cp, sync, openssl sha256": "cp --reflink=never {source} {copy}; sync {copy}; openssl dgst -sha256 {copy}",
        }.items():
            candidates[name] = command(script, source, folder / "copy")
        samples = interleave(candidates, rounds)
    report = Report("upload", f"a fresh package of {size >> 20} MiB, from the first byte sent to published", BASELINE, samples)
    report.figures = uploads.figures()
    report.aims = [Aim(f"{OURS}, of {BASELINE}", report.ratio(OURS), 1.5)]
    report.notes = ["ours: sent by curl -T, synced; SHA-1 and SHA-256 of the whole and of every chunk"]
    return report


def command(script: str, source: Source, copy: Path) -> Candidate:
    """What an administrator would type, as a candidate: `{source}` and `{copy}` in it stand for paths."""

    def one(_number: int) -> float:
        with UsedMemory(copy.parent, source.size) as memory:
            memory.offer()
            seconds = commands.shell(script, source=source.path, copy=copy)
        copy.unlink()
        return seconds

    return one
