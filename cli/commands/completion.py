"""Completion: what a shell needs to complete commands and options of `odst`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from cli.session import Session, with_session


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@with_session
def completion(session: Session, shell: str) -> None:
    """Print what makes a shell complete commands and options: `eval "$(odst completion zsh)"`."""
    made = get_completion_class(shell)
    if made is None:
        raise click.ClickException(f"there is no completion for {shell}")
    script = made(click.get_current_context().find_root().command, {}, "odst", "_ODST_COMPLETE").source()
    session.say({"shell": shell, "script": script}, script)


COMMANDS = (completion,)
