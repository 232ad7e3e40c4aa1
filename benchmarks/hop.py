"""One hop: a package of an instance, published at the next, against fetching a file and taking its digest."""

from __future__ import annotations

import datetime as dt
import itertools
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import commands
from benchmarks.listener import Heard
from benchmarks.processes import Cpu, cpu_figures, cpu_spent
from benchmarks.runner import Aim, Candidate, Figures, Options, Report, interleave, require_space
from benchmarks.used_memory import UsedMemory
from benchmarks.world import Source, World, world
from shared.contracts import events
from shared.testing.instance import Instance

BASELINE = "curl | openssl sha256"
OURS = "instance to instance"
_NEEDS = ("nginx", "curl", "openssl", "rsync")
PHASES = (
    "published at A, B is rung",
    "B reads feed and manifest, wants it",
    "space, chunk list, slices",
    "first slice asked for",
    "slices fetched, verified, synced",
    "whole file verified",
    "synced, renamed, recorded, said",
)
_SCRIPTS = {
    BASELINE: "curl -sSf {url} | tee {part} | openssl dgst -sha256; sync {part}; mv {part} {done}",
    "curl, then openssl sha256": "curl -sSf -o {part} {url}; openssl dgst -sha256 {part}; sync {part}; mv {part} {done}",
    "curl, then sha256sum": "curl -sSf -o {part} {url}; sha256sum {part}; sync {part}; mv {part} {done}",
    "rsync -W --fsync, no digest": "rsync -W --fsync {rsync} {done}",
    "rsync -W --fsync, then openssl": "rsync -W --fsync {rsync} {done}; openssl dgst -sha256 {done}",
}


@dataclass
class Hops:
    """Uploads a fresh package to A, and measures from published at A to published at B."""

    world: World
    source: Source
    phases: list[list[float]] = field(default_factory=list)
    cpu: list[dict[str, Cpu]] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    digest_seconds: list[float] = field(default_factory=list)

    def one(self, number: int) -> float:
        """Seconds from the making of `package.published` at A to its arrival on B's bus."""
        (a, b), (ear_a, ear_b) = self.world.instances, self.world.listeners
        name = f"hop-{number}-{time.monotonic_ns()}.pkg"
        self.source.renew()
        began = time.time()
        with UsedMemory(self.source.path.parent, self.source.size) as memory:
            put(a, name, self.source.path)
            # Hashed, hence about to be published: just before the clock starts.
            ear_a.wait(events.PackageHashedV1, lambda heard: heard.made >= began)
            memory.offer()
            start = ear_a.wait(events.PackagePublishedV1, lambda heard: heard.field("name") == name)
            with cpu_spent(self.world.pids(), self.cpu):
                end = ear_b.wait(events.PackagePublishedV1, lambda heard: heard.field("name") == name)
        b.published(name)
        self.seen.append(time.time() - start.made)
        self.phases.append(self._phases(a, b, start, end))
        return end.arrived - start.made

    def _phases(self, a: Instance, b: Instance, start: Heard, end: Heard) -> list[float]:
        package_id = start.field("package_id")
        ear = self.world.listeners[1]
        same = lambda heard: heard.field("package_id") == package_id  # noqa: E731
        rung = ear.wait(events.PeerAnnouncedV1, lambda heard: heard.made >= start.made)
        verified = ear.wait(events.PackageVerifiedV1, same)
        self.digest_seconds.append(verified.field("digests")["seconds"])
        moments = [
            start.made,
            rung.made,
            ear.wait(events.PackageWantedV1, same).made,
            planned_at(b, start.field("name")),
            first_byte_at(a, package_id),
            ear.wait(events.PackageAssembledV1, same).made,
            verified.made,
            end.arrived,
        ]
        return [after - before for before, after in itertools.pairwise(moments)]

    def figures(self) -> list[Figures]:
        """Where the time went, and who used the processors."""
        medians = [statistics.median(column) for column in zip(*self.phases, strict=True)]
        whole = sum(medians)
        rows = [(phase, round(seconds, 3), f"{seconds / whole:.0%}") for phase, seconds in zip(PHASES, medians, strict=True)]
        return [
            Figures("where the time goes", ("phase", "seconds", "share"), rows),
            cpu_figures("processor seconds during the hop", self.cpu),
        ]


def put(instance: Instance, name: str, path: Path) -> None:
    """Upload with curl, as a script would; the token is not on the command line."""
    header = f"Authorization: Bearer {instance.token}"
    address = f"{instance.url}/api/v1/packages/{name}"
    subprocess.run(["curl", "-sSf", "-H", "@-", "-T", str(path), address], input=header.encode(), check=True, stdout=subprocess.DEVNULL)


def planned_at(instance: Instance, name: str) -> float:
    """When an instance had cut the slices of a package."""
    planned = (line for program in instance.programs for line in instance.log_events(program, "transfer_planned"))
    return next(_moment(line) for line in planned if line["name"] == name)


def first_byte_at(instance: Instance, package_id: str) -> float:
    """When the gateway of an instance began to answer the first request for bytes of a package."""
    path = f"/ods/v1/packages/{package_id}/content"
    served = instance.log_events("services.api_gateway", "request_served")
    return min(_moment(line) for line in served if line["path"] == path)


def _moment(line: dict[str, str]) -> float:
    return dt.datetime.fromisoformat(line["timestamp"]).timestamp()


def run(options: Options) -> Report:
    """Both instances and all commands in one interleaved run."""
    lacking = commands.missing(*_NEEDS)
    if lacking:
        raise RuntimeError(f"install {', '.join(lacking)} to compare with")
    folder, size, rounds = options.folder, options.size_or(1024), options.rounds_or(3)
    require_space(folder, (2 * rounds + 4) * size)
    (folder / "source").mkdir()
    source = Source(folder / "source" / "package", size)
    with (
        world(options, "A", "B") as running,
        commands.nginx(source.path.parent, folder / "nginx") as http,
        commands.rsync_daemon(source.path.parent, folder / "rsync") as rsync,
    ):
        hops = Hops(running, source)
        samples = interleave({OURS: hops.one} | _others(folder, size, http, rsync), rounds)
    report = Report("hop", f"one hop on loopback, {size >> 20} MiB, synced and renamed at the receiver", BASELINE, samples)
    report.figures = hops.figures()
    ratio = report.ratio(OURS)
    report.aims = [
        Aim(f"{OURS}, of {BASELINE}: first version", ratio, 1.2),
        Aim(f"{OURS}, of {BASELINE}: then", ratio, 0.85),
        Aim(f"{OURS}, of {BASELINE}: at last", ratio, 0.65),
    ]
    report.notes = [
        "ours: from the making of package.published at A to its arrival on B's bus; SHA-1 and SHA-256 of each chunk and of the whole",
        f"seen through B's API after {statistics.median(hops.seen):.3f} s",
        f"B's final digest pass took {statistics.median(hops.digest_seconds):.3f} s",
    ]
    return report


def _others(folder: Path, size: int, http: str, rsync: str) -> dict[str, Candidate]:
    received = folder / "received"
    received.mkdir()

    def candidate(script: str) -> Candidate:
        def run_once(_number: int) -> float:
            part, done = received / "part", received / "done"
            with UsedMemory(folder, size) as memory:
                memory.offer()
                seconds = commands.shell(script, url=f"{http}/package", rsync=f"{rsync}/package", part=part, done=done)
            done.unlink()
            return seconds

        return run_once

    return {name: candidate(script) for name, script in _SCRIPTS.items()}
