"""`odst`: one command for everything. All but serve, demo, config and secrets goes over HTTP to an instance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cli.commands import (
    alarms,
    audit,
    completion,
    configuration,
    conformance,
    doctor,
    events,
    jamf,
    ldap,
    mesh,
    oidc,
    packages,
    peers,
    people,
    running,
    secrets,
    sessions,
    staging,
    status,
    subscriptions,
    templates,
    tokens,
    transfers,
    uploads,
    versions,
)
from cli.session import DEFAULT_URL, Session

_WHOLE = 300
"""Characters of a first sentence: more than any has."""


class Sections(click.Group):
    """A group whose help has its commands by subject, each with its whole first sentence."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Nothing is in it yet."""
        super().__init__(*arguments, **options)
        self._sections: dict[str, list[click.Command]] = {}

    def add_section(self, title: str, commands: Sequence[click.Command]) -> None:
        """Add commands under a heading."""
        self._sections.setdefault(title, []).extend(commands)
        for command in commands:
            self.add_command(command)

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """As click has it."""
        for title, commands in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(command.name or "", command.get_short_help_str(_WHOLE)) for command in commands])


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--url", envvar="ODST_URL", default=DEFAULT_URL, show_default=True, show_envvar=True, help="The instance to talk to.")
@click.option(
    "--token",
    envvar="ODST_TOKEN",
    show_envvar=True,
    help="API token; better than here in the environment, or in a file named by ODST_TOKEN_FILE.",
)
@click.option(
    "--ca-file",
    envvar="ODST_CA_FILE",
    show_envvar=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificates (PEM) of the authorities to believe, instead of the public ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; allowed after every command too.")
@click.version_option(package_name="odst", message="%(version)s")
@click.pass_context
def main(context: click.Context, *, url: str, token: str | None, ca_file: Path | None, as_json: bool) -> None:
    """Open Distribution Server Technology: upload once, verified and published at every site.

    Exit codes: 0, it was done; 1, it was not, or a check found something; 2, the command was not understood ("alarms --check" has those of
    monitoring plug-ins). Errors are one line on standard error, such as "Error: NOT_FOUND: …". With --json, standard output has JSON or
    nothing.
    """
    context.obj = Session(url, token or None, as_json, ca_file)


for _title, _modules in {
    "Packages": (uploads, packages, versions, staging),
    "Sites": (peers, mesh, transfers),
    "What goes on": (doctor, status, alarms, events, audit),
    "Being told": (subscriptions, templates, jamf),
    "People": (people, sessions, tokens, ldap, oidc),
    "This machine": (running, configuration, secrets, conformance, completion),
}.items():
    for _module in _modules:
        main.add_section(_title, _module.COMMANDS)


if __name__ == "__main__":
    main()
