"""`python -m benchmarks [names…]`: runs benchmarks one after another and prints what they found."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from benchmarks import bus, catalogue, digests, events, hop, memory, profiling, tus, upload, webhooks
from benchmarks.printing import machine, print_machine, print_report
from benchmarks.runner import Options, Report, tell
from shared.testing.instance import ALL_IN_ONE, SEPARATE

BENCHES = {
    "digests": digests.run,
    "upload": upload.run,
    "tus": tus.run,
    "hop": hop.run,
    "bus": bus.run,
    "memory": memory.run,
    "catalogue": catalogue.run,
    "webhooks": webhooks.run,
    "events": events.run,
}
"""Every benchmark, in the order in which they run."""
_PROFILE = "profile"
_FOLDER = Path(__file__).resolve().parents[1] / "build" / "bench"


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([_PROFILE, *BENCHES]))
@click.option("--rounds", type=click.IntRange(1), help="How often each candidate runs; usually 3 to 5.")
@click.option("--size-mib", type=click.IntRange(1), help="Size of the package; usually 1024, for memory 2048.")
@click.option("--packages", type=click.IntRange(10), multiple=True, help="Size of a catalogue, repeatable; usually 1000, 10000, 100000.")
@click.option("--separate", is_flag=True, help="Each service in a process of its own; otherwise all in one beside the gateway.")
@click.option("--folder", type=click.Path(path_type=Path), default=_FOLDER, help="Where files are made: on the disk to be measured.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write everything to this file.")
def main(  # noqa: PLR0913 - one for each option
    names: tuple[str, ...],
    *,
    rounds: int | None,
    size_mib: int | None,
    packages: tuple[int, ...],
    separate: bool,
    folder: Path,
    json_file: Path | None,
) -> None:
    """Measure ODST side by side with what an administrator would use instead. Without NAMES, everything.

    `profile hop` or `profile upload` also shows in which functions each process spends its time; that needs py-spy.
    """
    # So that what was started ends with us, as it does on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    found = machine()
    print_machine(found)
    profiles = folder / _PROFILE if _PROFILE in names else None
    options = Options(folder, rounds, size_mib, SEPARATE if separate else ALL_IN_ONE, profiles)
    options = replace(options, packages=packages) if packages else options
    try:
        reports = [_report(name, options) for name in [name for name in names if name != _PROFILE] or BENCHES]
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
    if json_file:
        json_file.write_text(json.dumps({"machine": found, "reports": [report.as_json() for report in reports]}, indent=1))


def _report(name: str, options: Options) -> Report:
    """Run one benchmark and print what it found."""
    tell(f"{name} …")
    if options.profiles:
        profiling.require()
        shutil.rmtree(options.profiles, ignore_errors=True)
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=options.folder))
    try:
        report = BENCHES[name](replace(options, folder=folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.profiles:
        report.figures += profiling.summaries(options.profiles)
        report.notes.append(f"stacks for speedscope or flamegraph.pl: {options.profiles}")
    print_report(report)
    sys.stdout.flush()
    return report


if __name__ == "__main__":
    main()
