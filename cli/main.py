"""`odst`: one command for everything. All but serve, demo, config and secrets goes over HTTP to an instance."""

from __future__ import annotations

import click

from cli.commands import (
    alarms,
    audit,
    configuration,
    conformance,
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


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--url", envvar="ODST_URL", default=DEFAULT_URL, show_default=True, show_envvar=True, help="The instance to talk to.")
@click.option(
    "--token",
    envvar="ODST_TOKEN",
    show_envvar=True,
    help="API token; better than here in the environment, or in a file named by ODST_TOKEN_FILE.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; allowed after every command too.")
@click.version_option(package_name="odst", message="%(version)s")
@click.pass_context
def main(context: click.Context, url: str, token: str | None, as_json: bool) -> None:
    """Open Distribution Server Technology: upload once, verified and published at every site."""
    context.obj = Session(url, token or None, as_json)


for module in (
    running,
    uploads,
    packages,
    versions,
    staging,
    peers,
    mesh,
    audit,
    status,
    alarms,
    transfers,
    events,
    subscriptions,
    templates,
    people,
    sessions,
    tokens,
    jamf,
    ldap,
    oidc,
    conformance,
    configuration,
    secrets,
):
    for command in module.COMMANDS:
        main.add_command(command)


if __name__ == "__main__":
    main()
