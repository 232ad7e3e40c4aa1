"""The audit log: who did what, an export of it, and whether it is what it was."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

import click

from cli import options, output
from cli.lookup import short_id
from cli.session import Session, with_session
from shared.contracts.admin.audit import AuditFault, AuditPage, AuditReport, AuditWitness
from shared.core.audit_chain import Link, Position, Wrong, check_run

_ENTRIES = ("number", "time", "type", "source", "person", "subject")
_FAULTS = ("kind", "first", "last", "detail")
_WITNESSES = ("name", "peer_id", "state", "checkpoints", "newest")
_AT_ONCE = 5000
_searches = options.together(
    click.option("--person", metavar="NAME", help="Only what this person did."),
    click.option("--type", "type_", metavar="TYPE", help="Only entries of this type; * stands for anything."),
    click.option("--subject", metavar="WHAT", help="Only what is about this: a package's name, an id."),
    click.option("--correlation-id", metavar="ID", help="Only what belongs to this piece of work."),
    click.option("--since", type=options.TIME, help="Not before this time (RFC 3339)."),
    click.option("--until", type=options.TIME, help="Before this time."),
    click.option("--grep", "text", metavar="TEXT", help="Only what has this text in person, subject or data."),
)


@click.group(invoke_without_command=True)
@options.limit
@click.option("--after", metavar="NUMBER", help="Go on where an earlier page ended: only entries before this number.")
@_searches
@with_session
def audit(session: Session, /, **asked: Any) -> None:
    """List who did what, newest first; --json has the details. Or export it, or verify it."""
    if click.get_current_context().invoked_subcommand is None:
        page = session.client.audit.page(**asked)
        session.show(page, lambda: _print_page(page))


def _print_page(page: AuditPage) -> None:
    empty = "Nothing more is found here." if page.next else "Nothing is written there yet."
    output.print_table(output.plain_rows(page.items), _ENTRIES, empty)
    if page.next:
        print(f"\nfurther back: odst audit --after {page.next}")


@audit.command()
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True, help="JSON lines can be checked."
)
@click.option("--output", "-o", "target", type=click.File("wb"), default="-", help="A file; standard output if it is not given.")
@_searches
@with_session
def export(session: Session, /, form: Literal["jsonl", "csv"], target: BinaryIO, **asked: Any) -> None:
    """Write the log, oldest first. JSON lines can be checked with `odst audit verify --file`."""
    target.writelines(session.client.audit.export(form, **asked))


@dataclass
class _Found:
    """What a check found so far."""

    entries: int = 0
    checkpoints: int = 0
    faults: list[AuditFault] = field(default_factory=list)
    more_faults: int = 0
    witnesses: list[AuditWitness] = field(default_factory=list)

    def add(self, portion: AuditReport) -> None:
        """A portion was checked."""
        self.entries += portion.entries
        self.checkpoints += portion.checkpoints
        self.faults += portion.faults
        self.more_faults += portion.more_faults
        self.witnesses += portion.witnesses or []

    @property
    def is_well(self) -> bool:
        """Nothing is wrong, here or in the eyes of a peer."""
        return not self.faults and all(witness.state != "contradicts" for witness in self.witnesses)


@audit.command()
@click.option("--witnesses", is_flag=True, help="Ask the peers, too, what they were told of the log.")
@click.option(
    "--file",
    "files",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Check an export in JSON lines, or sealed files in their order, without asking anybody. May be given several times.",
)
@click.option("--partial", is_flag=True, help="The files have only some of the entries: gaps are well.")
@with_session
def verify(session: Session, witnesses: bool, files: tuple[Path, ...], partial: bool) -> None:
    """Say whether the log is what it was; exit code 1, and what is wrong with which entries, if it is not."""
    if files and witnesses:
        raise click.UsageError("peers know of the log of an instance, not of a file: give --file or --witnesses")
    found = _check_files(files, partial=partial) if files else _check_instance(session, witnesses=witnesses)
    session.show(vars(found), lambda: _print_found(found))
    if witnesses and not found.witnesses and not session.as_json:
        print("No peer is a witness: there is none yet (odst invite), or none was shown a checkpoint.")
    if not found.is_well:
        sys.exit(1)


def _check_instance(session: Session, *, witnesses: bool) -> _Found:
    found, after = _Found(), None
    while True:
        portion = session.client.audit.verify(after, witnesses=witnesses)
        found.add(portion)
        after = portion.next
        if after is None:
            return found


def _check_files(files: Iterable[Path], *, partial: bool) -> _Found:
    """Each run of entries is checked as it comes; where a file begins in the middle, nothing is known of what was before."""
    found, at = _Found(), Position()
    for links in _runs(_links(files)):
        after = at
        if at.number == 0 and links[0].number > 1 and partial:
            after = Position(links[0].number - 1, links[0].previous)
        faults = check_run(links, after)
        found.entries += len(links)
        found.faults += [AuditFault(**fault.as_json()) for fault in faults if not (partial and fault.kind is Wrong.MISSING)]
        at = Position(links[-1].number, links[-1].hash)
    return found


def _links(files: Iterable[Path]) -> Iterator[Link]:
    for path in files:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                yield Link.of_line(line.decode("ascii", "replace"))


def _runs(links: Iterator[Link]) -> Iterator[list[Link]]:
    run: list[Link] = []
    for link in links:
        run.append(link)
        if len(run) == _AT_ONCE:
            yield run
            run = []
    if run:
        yield run


def _print_found(found: _Found) -> None:
    if found.faults:
        output.print_table(output.plain_rows(found.faults), _FAULTS, "")
        if found.more_faults:
            print(f"and {found.more_faults} more")
    else:
        print(f"{found.entries} entries are chained, and what is remembered of them in {found.checkpoints} places is so")
    if found.witnesses:
        print()
        rows = [output.plain(one) | {"peer_id": short_id(one.peer_id)} for one in found.witnesses]
        output.print_table(rows, _WITNESSES, "")
        for one in found.witnesses:
            output.print_table(output.plain_rows(one.faults), _FAULTS, "")


@audit.command("acknowledge-restore")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_session
def acknowledge_restore(session: Session, yes: bool) -> None:
    """Say that the log is shorter because directory's database was restored from a backup; it is guarded again from its present end."""
    if not yes:
        click.confirm("Was the database restored by you or with your knowledge, and have you looked at odst audit verify?", abort=True)
    found = session.client.audit.acknowledge_restore()
    ended = f"It had ended with entry {found.remembered}, and ended now with entry {found.number}; peers that know more raise their alarm."
    session.say(found, f"The audit log is guarded again. {ended}")


COMMANDS = (audit,)
