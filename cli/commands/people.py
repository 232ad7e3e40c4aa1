"""People and services, and what groups outside mean here."""

from __future__ import annotations

from typing import Any

import click

from cli import options, output
from cli.client import segment
from cli.session import Session, with_session

_COLUMNS = ("name", "display_name", "source", "state", "grants", "last_login")
_GROUP_COLUMNS = ("grant_id", "group", "role", "tags", "instances")


@click.group()
def person() -> None:
    """People and services: who may do what."""


@person.command()
@click.argument("name")
@options.role
@options.grants
@click.option("--display-name", help="The name to be shown.")
@click.option("--email", help="An address.")
@click.option("--service", is_flag=True, help="A program: it has tokens, and no password.")
@with_session
def create(
    session: Session, *, name: str, role: str | None, grants: tuple[str, ...], display_name: str | None, email: str | None, service: bool
) -> None:
    """Make a local account; its password is asked for, or read from standard input."""
    password = None if service else options.password(f"Password for {name}", twice=True)
    wish = {"display_name": display_name, "email": email, "password": password, "service": service or None}
    made = session.client.post("people", {"name": name, "grants": options.chosen_grants(role, grants), **wish})
    session.show(made, lambda: _print(made))


@person.command("list")
@with_session
def list_people(session: Session) -> None:
    """List all people and services."""
    found = session.client.items("people")
    session.show({"items": found}, lambda: output.print_table([_readable(one) for one in found], _COLUMNS, "There is nobody."))


@person.command()
@click.argument("name")
@with_session
def show(session: Session, name: str) -> None:
    """Show one, by name or person_id."""
    found = session.client.get(_path(name))
    session.show(found, lambda: _print(found))


@person.command()
@click.argument("name")
@options.role
@options.grants
@click.option("--display-name", help="The name to be shown.")
@click.option("--email", help="An address.")
@with_session
def change(session: Session, *, name: str, role: str | None, grants: tuple[str, ...], display_name: str | None, email: str | None) -> None:
    """Give these grants instead of those that there were, or other texts; what is not said stays."""
    wish = {"grants": options.chosen_grants(role, grants), "display_name": display_name, "email": email}
    if all(value is None for value in wish.values()):
        raise click.UsageError("say what is to change: --role, --grant, --display-name or --email")
    changed = session.client.patch(_path(name), wish)
    session.show(changed, lambda: _print(changed))


@person.command()
@click.argument("name")
@with_session
def password(session: Session, name: str) -> None:
    """Give somebody another password, asked for or read from standard input; their sessions end."""
    changed = session.client.post(f"{_path(name)}/password", {"password": options.password(f"New password for {name}", twice=True)})
    session.say(changed, f"{changed['name']} has another password")


@person.command()
@click.argument("name")
@with_session
def disable(session: Session, name: str) -> None:
    """Shut somebody out at once: all their sessions and tokens end."""
    changed = session.client.post(f"{_path(name)}/disable")
    session.say(changed, f"{changed['name']} is disabled")


@person.command()
@click.argument("name")
@with_session
def enable(session: Session, name: str) -> None:
    """Let somebody in again."""
    changed = session.client.post(f"{_path(name)}/enable")
    session.say(changed, f"{changed['name']} is active")


@person.command()
@click.argument("name")
@with_session
def delete(session: Session, name: str) -> None:
    """Shut somebody out for good; the name is never given again."""
    changed = session.client.delete(_path(name))
    session.say(changed, f"{changed['name']} is deleted")


def _path(name: str) -> str:
    return f"people/{segment(name)}"


def _readable(person: dict[str, Any]) -> dict[str, Any]:
    return person | {"grants": [_grant(grant) for grant in person["grants"]]}


def _grant(grant: dict[str, Any]) -> str:
    tags, instances = ",".join(grant["tags"]), ",".join(grant["instances"])
    return f"{grant['role']}{f':{tags}' if tags else ''}{f'@{instances}' if instances else ''}"


def _print(person: dict[str, Any]) -> None:
    output.print_fields(_readable(person))


@click.group()
def group() -> None:
    """What groups of LDAP or Active Directory may do here."""


@group.command()
@click.argument("dn")
@click.argument("role", type=click.Choice(options.ROLES))
@click.option("--tag", "tags", multiple=True, help="Only within this staging tag. Can be given several times.")
@click.option("--instance", "instances", multiple=True, help="Only at this instance. Can be given several times.")
@with_session
def grant(session: Session, dn: str, role: str, tags: tuple[str, ...], instances: tuple[str, ...]) -> None:
    """Give a ROLE to everybody in the group with this distinguished name (DN)."""
    made = session.client.post("group-grants", {"group": dn, "role": role, "tags": list(tags), "instances": list(instances)})
    session.show(made, lambda: output.print_fields(made))


@group.command("list")
@with_session
def list_grants(session: Session) -> None:
    """List what was given to groups."""
    session.show_rows(session.client.items("group-grants"), _GROUP_COLUMNS, "No group was granted anything.")


@group.command()
@click.argument("grant_id")
@with_session
def revoke(session: Session, grant_id: str) -> None:
    """Take a grant back from its group."""
    session.client.delete(f"group-grants/{segment(grant_id)}")
    session.say({"grant_id": grant_id, "state": "revoked"}, f"revoked {grant_id}")


COMMANDS = (person, group)
