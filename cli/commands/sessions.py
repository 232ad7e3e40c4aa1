"""One's own account: a token for a password or a log-in by browser, who am I, where am I logged in."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from cli import options, output
from cli.loopback import returned_in, waiting
from cli.session import Session, with_session
from odst_client import CallFailed, Client
from shared.contracts.admin.people import Me
from shared.core.times import rfc3339_or_none

_COLUMNS = ("session_id", "created", "last_used", "ends", "address", "agent")
_HOUR_SECONDS = 3600


@click.command()
@click.argument("name", required=False)
@click.option(
    "--browser/--no-browser",
    "browser",
    default=None,
    help="Log in at the provider of OpenID Connect: in a browser here; or in one elsewhere, whose last address is then asked for.",
)
@click.option("--valid-hours", type=click.FloatRange(min=0, min_open=True), default=12, show_default=True, help="How long the token holds.")
@click.option("--token-file", type=click.Path(path_type=Path), help="Write it there (mode 0600) instead of printing it.")
@with_session
def login(session: Session, name: str | None, browser: bool | None, valid_hours: float, token_file: Path | None) -> None:
    """Get a token for a password, which is asked for, or read from standard input; or for a log-in in a browser."""
    if (name is None) == (browser is None):
        raise click.UsageError("say who logs in: a NAME, whose password is asked for, or --browser")
    client = session.connect(None)
    try:
        me = (
            _by_browser(client, opens=bool(browser))
            if name is None
            else client.account.log_in(name, options.password(f"Password for {name}"))
        )
    except CallFailed as error:
        # What is said of a wrong password is enough; advice about tokens would mislead.
        raise click.ClickException(str(error)) from error
    try:
        made = client.tokens.create("odst login", valid_seconds=max(1, round(valid_hours * _HOUR_SECONDS)))
    finally:
        client.account.log_out()
    if token_file is None:
        session.say(made, made.token)
        return
    token_file.touch(mode=0o600)
    token_file.chmod(0o600)
    token_file.write_text(f"{made.token}\n", encoding="utf-8")
    until = rfc3339_or_none(made.expires)
    session.say({**output.plain(made), "token": "***"}, f"{me.person} is logged in until {until}: export ODST_TOKEN_FILE={token_file}")


def _by_browser(client: Client, *, opens: bool) -> Me:
    if client.account.ways().oidc is None:
        raise click.ClickException("this instance has no single sign-on: log in with a name and a password")
    with waiting() as listener:
        begun = client.account.begin_oidc(listener.address)
        click.echo(f"log in at {begun.url}", err=True)
        if opens:
            webbrowser.open(begun.url)
            returned = listener.wait(begun.url, begun.expires_seconds)
        else:
            returned = returned_in(click.prompt("Address at which the browser ended (it may say that it cannot reach it)", err=True))
    if not returned:
        raise click.ClickException("this address holds no answer of the provider: copy all of it, with what follows the question mark")
    return client.account.finish_oidc(secret=begun.secret, **returned)


@click.command()
@with_session
def whoami(session: Session) -> None:
    """Say whose token this is, and what it may do."""
    me = session.client.account.show()
    shown = {name: value for name, value in output.plain(me).items() if name in ("person", "source", "role", "expires")}
    rights = [f"{right} ({', '.join(tags)})" if tags else right for right, tags in me.rights.items()]
    session.show(me, lambda: output.print_fields({**shown, "rights": rights}))


@click.command()
@with_session
def password(session: Session) -> None:
    """Take another password; the present one and the new one are asked for, or two lines of standard input."""
    present, new = options.password("Present password"), options.password("New password", twice=True)
    session.client.account.change_password(present, new)
    session.say({"state": "changed"}, "changed; all your sessions have ended")


@click.group("session")
def sessions() -> None:
    """Where one is logged in."""


@sessions.command("list")
@with_session
def list_sessions(session: Session) -> None:
    """List one's sessions."""
    session.show_rows(session.client.account.sessions(), _COLUMNS, "You are logged in nowhere.")


@sessions.command()
@click.argument("session_id")
@with_session
def end(session: Session, session_id: str) -> None:
    """End one of them."""
    session.client.account.end(session_id)
    session.say({"session_id": session_id, "state": "ended"}, f"ended {session_id}")


COMMANDS = (login, whoami, password, sessions)
