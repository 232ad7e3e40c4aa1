"""Hold an instance to the peer protocol, from outside."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import requests
from rich.markup import escape
from rich.table import Table

from cli import output
from cli.conformance.framework import Outcome, Result
from cli.conformance.program import examine
from cli.conformance.scene import Scene
from cli.conformance.violation import Violation
from cli.session import Session
from odst_client.failures import unreachable
from shared.core.errors import OdstError
from shared.core.invitation import Invitation
from shared.runtime.keys import InstanceKey

_FAILED, _COULD_NOT_BEGIN = 1, 2
_STYLES = {Outcome.OK: "green", Outcome.FAILED: "bold red", Outcome.SKIPPED: "dim"}


@click.command()
@click.argument("url")
@click.option("--invitation", required=True, help="An invitation made at the instance; '-' reads it from standard input.")
@click.option(
    "--key",
    "key_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the key to come with, made if it is not there; so that several runs are one peer. A new key unless given.",
)
@click.option("--json", "json_here", is_flag=True, help="Print JSON.")
@click.pass_obj
def conformance(session: Session, url: str, invitation: str, key_file: Path | None, json_here: bool) -> None:
    """Check the instance at URL against the peer protocol, as a peer from outside.

    It registers by the invitation and needs no address of its own. It changes no package and no setting there; what it leaves behind is
    its registration, to be removed with `odst peer revoke`, and traces: refused requests in the log, an event `peer.clock_skewed`, and
    a few reads of its feed, in vain. Exit code 0: all is as the protocol has it. 1: something is not. 2: it could not begin.
    """
    as_json = json_here or session.as_json
    try:
        text = sys.stdin.read() if invitation == "-" else invitation
        key = InstanceKey.in_file(key_file) if key_file else InstanceKey.generate()
        scene = Scene(url, Invitation.parse(text), key, ca_file=session.ca_file)
        results = list(_told(examine(scene), quiet=as_json))
    except requests.RequestException as error:
        raise CannotBegin(f"nothing was checked: {unreachable(url, error)}") from error
    except (Violation, OdstError, OSError, ValueError) as error:
        raise CannotBegin(f"nothing was checked: {error}") from error
    _report(scene, results, as_json=as_json)
    if any(result.outcome is Outcome.FAILED for result in results):
        sys.exit(_FAILED)


class CannotBegin(click.ClickException):
    """The instance could not be examined at all."""

    exit_code = _COULD_NOT_BEGIN


def _told(results: Iterable[Result], *, quiet: bool) -> Iterator[Result]:
    """Say on standard error how far it is, for whoever watches."""
    console = output.console(stderr=True)
    if quiet or not console.is_terminal:
        yield from results
        return
    with console.status("registering …") as status:
        for result in results:
            status.update(escape(result.title))
            yield result


def _report(scene: Scene, results: list[Result], *, as_json: bool) -> None:
    counts = Counter(result.outcome for result in results)
    revoke = f"odst peer revoke {scene.key.instance_id}"
    if as_json:
        output.print_json(
            {
                "instance_id": str(scene.instance_id),
                "peer_id": str(scene.key.instance_id),
                "revoke": revoke,
                "counts": {outcome.value.lower(): counts[outcome] for outcome in Outcome},
                "checks": [_as_json(result) for result in results],
            }
        )
        return
    output.console().print(_table(results))
    print(f"\n{counts[Outcome.OK]} ok, {counts[Outcome.FAILED]} failed, {counts[Outcome.SKIPPED]} skipped.")
    print(f"The instance knows this program as a peer now. To remove it there: {revoke}")


def _table(results: Iterable[Result]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "check", "docs/peer-protocol.md"):
        table.add_column(column, overflow="fold")
    for result in results:
        what = escape(f"{result.title}\n  {result.told}" if result.told else result.title)
        table.add_row(f"[{_STYLES[result.outcome]}]{result.outcome.value}[/]", what, escape(result.section))
    return table


def _as_json(result: Result) -> dict[str, Any]:
    return {"check": result.title, "section": result.section, "outcome": result.outcome.value.lower(), "told": result.told or None}


COMMANDS = (conformance,)
"""What `odst` gets from here."""
