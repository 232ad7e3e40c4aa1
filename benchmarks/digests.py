"""The digest pass: SHA-1 and SHA-256 of the whole and of every 1 MiB chunk, against the tools that take one digest."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import commands
from benchmarks.runner import Aim, Candidate, Options, Report, interleave
from benchmarks.world import Source

BASELINE = "sha256sum"
OURS, GREEN, VERIFY = "digest pass, plain process", "digest pass, under eventlet", "verification of an assembled file"
_REPOSITORY = Path(__file__).resolve().parents[1]
_SCRIPTS = {
    BASELINE: "sha256sum {file}",
    "openssl sha256": "openssl dgst -sha256 {file}",
    "openssl sha1": "openssl dgst -sha1 {file}",
    "openssl sha256 and sha1 at once": "openssl dgst -sha256 {file} & first=$!; openssl dgst -sha1 {file}; wait $first",
}


@dataclass
class Passes:
    """Our digest passes, each in a process of its own."""

    path: Path
    hub_late_ms: list[float] = field(default_factory=list)

    def candidate(self, how: str) -> Candidate:
        """A pass of this kind."""

        def one(_number: int) -> float:
            found = self._run(how)
            if "hub_late_ms" in found:
                self.hub_late_ms.append(found["hub_late_ms"])
            return float(found["seconds"])

        return one

    def _run(self, how: str) -> dict[str, Any]:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.digest_pass", how, str(self.path)]
        environment = os.environ | {"PYTHONPATH": str(_REPOSITORY)}
        found: dict[str, Any] = json.loads(subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE).stdout)
        return found


def run(options: Options) -> Report:
    """All of them on one file in the page cache."""
    if commands.missing("openssl"):
        raise RuntimeError("install openssl to compare with")
    size = options.size_or(1024)
    source = Source(options.folder / "package", size)
    passes = Passes(source.path)
    ours = {OURS: passes.candidate("plain"), GREEN: passes.candidate("eventlet"), VERIFY: passes.candidate("verify")}
    samples = interleave(ours | {name: _command(script, source.path) for name, script in _SCRIPTS.items()}, options.rounds_or(5))
    report = Report("digests", f"SHA-1 and SHA-256 of the whole and of every chunk, {size >> 20} MiB in the page cache", BASELINE, samples)
    report.aims = [
        Aim(f"{OURS}, of {BASELINE}", report.ratio(OURS), 0.62),
        Aim(f"{GREEN}, of {BASELINE}", report.ratio(GREEN), 0.62),
        Aim("longest silence of the hub in a pass, median of the passes", statistics.median(passes.hub_late_ms), 10, " ms"),
    ]
    report.notes = [
        "our passes without the start of their interpreter; the tools as whole processes (2 ms)",
        f"longest silence of the hub in any pass: {max(passes.hub_late_ms):.1f} ms (a busy machine adds its own)",
    ]
    return report


def _command(script: str, path: Path) -> Candidate:
    return lambda _number: commands.shell(script, file=path)
