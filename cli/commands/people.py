"""People and services, and what groups outside mean here."""

from __future__ import annotations

from typing import Any

import click

from cli import options, output
from cli.session import Session, with_session
from shared.contracts.admin.people import Grant, Person, RoleName

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
    session: Session,
    *,
    name: str,
    role: RoleName | None,
    grants: tuple[str, ...],
    display_name: str | None,
    email: str | None,
    service: bool,
) -> None:
    """Make a local account; its password is asked for, or read from standard input."""
    password = None if service else options.password(f"Password for {name}", twice=True)
    made = session.client.people.create(
        name,
        grants=options.chosen_grants(role, grants),
        display_name=display_name,
        email=email,
        password=password,
        service=service or None,
    )
    session.show(made, lambda: _print(made))


@person.command("list")
@with_session
def list_people(session: Session) -> None:
    """List all people and services."""
    found = session.client.people.all()
    session.show({"items": found}, lambda: output.print_table([_readable(one) for one in found], _COLUMNS, "There is nobody."))


@person.command()
@click.argument("name")
@with_session
def show(session: Session, name: str) -> None:
    """Show one, by name or person_id."""
    found = session.client.people.show(name)
    session.show(found, lambda: _print(found))


@person.command()
@click.argument("name")
@options.role
@options.grants
@click.option("--display-name", help="The name to be shown.")
@click.option("--email", help="An address.")
@options.if_match
@with_session
def change(
    session: Session,
    *,
    name: str,
    role: RoleName | None,
    grants: tuple[str, ...],
    display_name: str | None,
    email: str | None,
    if_match: str | None,
) -> None:
    """Give these grants instead of those that there were, or other texts; what is not said stays."""
    wished = options.chosen_grants(role, grants)
    if wished is None and display_name is None and email is None:
        raise click.UsageError("say what is to change: --role, --grant, --display-name or --email")
    changed = session.client.people.change(name, grants=wished, display_name=display_name, email=email, if_match=if_match)
    session.show(changed, lambda: _print(changed))


@person.command()
@click.argument("name")
@options.if_match
@with_session
def password(session: Session, name: str, if_match: str | None) -> None:
    """Give somebody another password, asked for or read from standard input; their sessions end."""
    wished = options.password(f"New password for {name}", twice=True)
    changed = session.client.people.set_password(name, wished, if_match=if_match)
    session.say(changed, f"{changed.name} has another password")


@person.command()
@click.argument("name")
@options.if_match
@with_session
def disable(session: Session, name: str, if_match: str | None) -> None:
    """Shut somebody out at once: all their sessions and tokens end."""
    changed = session.client.people.disable(name, if_match=if_match)
    session.say(changed, f"{changed.name} is disabled")


@person.command()
@click.argument("name")
@options.if_match
@with_session
def enable(session: Session, name: str, if_match: str | None) -> None:
    """Let somebody in again."""
    changed = session.client.people.enable(name, if_match=if_match)
    session.say(changed, f"{changed.name} is active")


@person.command()
@click.argument("name")
@options.if_match
@with_session
def delete(session: Session, name: str, if_match: str | None) -> None:
    """Shut somebody out for good; the name is never given again."""
    changed = session.client.people.delete(name, if_match=if_match)
    session.say(changed, f"{changed.name} is deleted")


def _readable(person: Person) -> dict[str, Any]:
    return {**output.plain(person), "grants": [_grant(grant) for grant in person.grants]}


def _grant(grant: Grant) -> str:
    tags, instances = ",".join(grant.tags), ",".join(grant.instances)
    return f"{grant.role}{f':{tags}' if tags else ''}{f'@{instances}' if instances else ''}"


def _print(person: Person) -> None:
    output.print_fields(_readable(person))


@click.group()
def group() -> None:
    """What groups of LDAP, Active Directory or OpenID Connect may do here."""


@group.command()
@click.argument("group_name", metavar="GROUP")
@click.argument("role", type=click.Choice(options.ROLES))
@options.tags("Only within this staging tag. Can be given several times.")
@click.option("--instance", "instances", multiple=True, help="Only at this instance. Can be given several times.")
@with_session
def grant(session: Session, group_name: str, role: RoleName, tags: list[str] | None, instances: tuple[str, ...]) -> None:
    """Give a ROLE to everybody in a GROUP.

    It is a distinguished name of LDAP (cn=packagers,dc=example,dc=org), or oidc: and a name of the provider's (oidc:packagers).
    """
    session.show_fields(session.client.group_grants.create(group_name, role, tags or [], instances))


@group.command("list")
@with_session
def list_grants(session: Session) -> None:
    """List what was given to groups."""
    session.show_rows(session.client.group_grants.all(), _GROUP_COLUMNS, "No group was granted anything.")


@group.command()
@click.argument("grant_id")
@with_session
def revoke(session: Session, grant_id: str) -> None:
    """Take a grant back from its group."""
    session.client.group_grants.revoke(grant_id)
    session.say({"grant_id": grant_id, "state": "revoked"}, f"revoked {grant_id}")


@click.command("roles")
@with_session
def list_roles(session: Session) -> None:
    """List the roles, and which rights each gives."""
    session.show_rows(session.client.people.roles(), ("role", "rights"), "")


COMMANDS = (person, group, list_roles)
