"""`odst secrets`: the keys by which secrets in the databases are encrypted, on the machine where their file is."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cli import output
from cli.session import Session, with_session
from shared.runtime.settings import Settings, read_sources
from shared.runtime.vault import add_key, drop_key, read_keys

_OUTDATED = "secrets_outdated"


def _key_file(data: Path | None) -> Path:
    """Where the configuration says that it is; of an instance that uses a private broker, too.

    Raises:
        click.ClickException: if it is not there.
    """
    given = {"ODST_DATA": str(data)} if data else {}
    known = {} if "amqp_uri" in read_sources(os.environ)[0] else {"ODST_AMQP_URI": "amqp://unknown"}
    path = Settings.load({**os.environ, **known, **given}).vault_keys
    if not path.exists():
        hint = "name the data folder of the instance with --data (ODST_DATA), or the file in ODST_SECRETS_KEY_FILE"
        raise click.ClickException(f"there is no key file {path}: {hint}")
    return path


_data = click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="The instance's data folder (ODST_DATA); data.")


@click.group()
def secrets() -> None:
    """Keys that encrypt secrets in the databases (ODST_SECRETS_KEY_FILE); for whoever may read the file."""


@secrets.command()
@_data
@with_session
def keys(session: Session, data: Path | None) -> None:
    """List the ids of the keys; the first one encrypts, all of them decrypt."""
    rows = [{"key_id": key_id, "encrypts": number == 0} for number, key_id in enumerate(read_keys(_key_file(data)))]
    session.show_rows(rows, ("key_id", "encrypts"), "")


@secrets.command()
@_data
@with_session
def rotate(session: Session, data: Path | None) -> None:
    """Put a new key before the others. Services notice, and encrypt all secrets anew within a sweep."""
    path = _key_file(data)
    key_id = add_key(path)
    sentence = f"New secrets are encrypted by key {key_id}, and all others within a sweep. Back up {path}, apart from the databases."
    session.say({"key_id": key_id, "file": str(path)}, sentence)


@secrets.command()
@click.argument("key_id")
@_data
@click.option("--unchecked", is_flag=True, help="Do not ask the instance whether the key is still needed.")
@with_session
def drop(session: Session, key_id: str, data: Path | None, unchecked: bool) -> None:
    """Take an older key away, if the instance says that no secret needs it. Old backups of databases do: keep a copy with them."""
    if not unchecked:
        _check_not_needed(session)
    path = _key_file(data)
    drop_key(path, key_id)
    session.say({"key_id": key_id, "file": str(path)}, f"Key {key_id} is no longer in {path}.")


def _check_not_needed(session: Session) -> None:
    services = output.plain(session.client.instance.status())["services"]
    away = sorted(name for name, figures in services.items() if figures["state"] != "up")
    if away:
        raise click.ClickException(f"it is not known whether the key is still needed: {', '.join(away)} does not answer; try again later")
    needing = sorted(name for name, figures in services.items() if figures.get(_OUTDATED))
    if needing:
        told = "not all secrets are encrypted by the newest key yet"
        raise click.ClickException(f"{told}, or some cannot be read ({', '.join(needing)}): see odst status, and try again after a sweep")


COMMANDS = (secrets,)
