"""The mesh from here: what would move and why, who is known, the own key."""

from __future__ import annotations

from typing import Any

import click

from cli import options, output
from cli.lookup import short_id
from cli.session import Session, with_session
from shared.contracts.admin.mesh import Instance, Plan
from shared.core.identity import InstanceId

_MOVES = ("name", "from", "to", "bytes", "why")
_WITHDRAWALS = ("name", "to", "why")
_INSTANCES = ("name", "instance_id", "tags", "stewards", "revoked", "issued", "stale")


@click.command()
@click.argument("reference", required=False, metavar="[PACKAGE]")
@options.tags("As if PACKAGE had this, and others that are given; '' for none.")
@click.option("--to", "stage", metavar="STAGE", help="As if PACKAGE were promoted to this stage.")
@with_session
def plan(session: Session, reference: str | None, tags: list[str] | None, stage: str | None) -> None:
    """Say what would move between here and the peers, and why, before it does."""
    if (tags is not None or stage is not None) and reference is None:
        raise click.UsageError("--tag and --to are about one package: name it")
    if tags is not None and stage is not None:
        raise click.UsageError("give --tag or --to, not both")
    if reference is not None and stage is not None:
        tags = [*session.client.packages.show(reference).tags, stage]
    found = session.client.mesh.plan(reference, tags)
    session.show(found, lambda: _print_plan(found))


def _print_plan(found: Plan) -> None:
    output.print_table(output.plain_rows(found.items), _MOVES, "Nothing is to be moved.")
    if found.items:
        more = f", with {found.left_out} more" if found.left_out else ""
        print(f"{output.size(found.bytes)} in all{more}")
    for title, entries in (("No longer for:", found.withdrawals), ("There already, or not:", found.unknown)):
        if entries:
            print(f"\n{title}")
            output.print_table(output.plain_rows(entries), _WITHDRAWALS, "")


@click.command()
@with_session
def instances(session: Session) -> None:
    """List all instances that said something of themselves, neighbours or not."""
    found = session.client.mesh.instances()
    session.show({"items": found}, lambda: output.print_table([_brief(one) for one in found], _INSTANCES, "No instance is known yet."))


def _brief(instance: Instance) -> dict[str, Any]:
    """With ages and the starts of ids. An instance whose key was rotated is there under each id that it had."""
    former = instance.present_id != instance.instance_id
    return {
        "name": instance.name + (" (former key)" if former else " (here)" if instance.is_self else ""),
        "instance_id": short_id(instance.instance_id),
        "tags": instance.tags,
        "stewards": [short_id(one) for one in instance.stewards],
        "revoked": [short_id(one) for one in instance.revoked],
        "issued": output.ago(instance.issued),
        "stale": instance.stale,
    }


@click.group()
def key() -> None:
    """The key of the instance."""


@key.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_session
def rotate(session: Session, yes: bool) -> None:
    """Replace the key by a new one, and tell the peers. The instance gets another id."""
    if not yes:
        click.confirm(f"Replace the key of {session.url}, and with it the id of the instance?", abort=True, err=True)
    made = session.client.instance.rotate_key()
    session.say(made, f"{InstanceId(made.old).grouped()} is {InstanceId(made.new).grouped()} from now on")


COMMANDS = (plan, instances, key)
