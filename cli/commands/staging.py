"""Promotion: a package to its next stage, with a second person's approval where the instance asks for it."""

from __future__ import annotations

import datetime as dt
from typing import get_args

import click

from cli import options
from cli.session import Session, with_session
from shared.contracts.admin.packages import Promotion, PromotionState
from shared.core.times import rfc3339

_COLUMNS = ("promotion_id", "name", "stage", "state", "requested_by", "requested", "at", "approved_by", "reason")


@click.command()
@click.argument("reference")
@click.option("--to", "stage", metavar="STAGE", help="The stage; without it, the one after its last.")
@click.option("--at", type=options.TIME, help="When, such as 2030-01-31T22:00:00+01:00; without it, at once.")
@with_session
def promote(session: Session, reference: str, stage: str | None, at: dt.datetime | None) -> None:
    """Promote a package (name or package_id) to the next stage."""
    made = session.client.promotions.promote(reference, stage, at)
    session.say(made, _sentence(made))


@click.command()
@options.limit
@options.after
@click.option("--state", multiple=True, type=click.Choice(get_args(PromotionState)), help="Only those in this state; or in one of several.")
@with_session
def promotions(session: Session, limit: int, after: str | None, state: tuple[str, ...]) -> None:
    """List promotions, newest first."""
    empty = "There are no such promotions." if state else "Nothing was promoted yet: odst promote NAME"
    session.show_page(session.client.promotions.page(after, limit, state), _COLUMNS, empty)


@click.group()
def promotion() -> None:
    """One promotion."""


@promotion.command()
@click.argument("promotion_id")
@with_session
def show(session: Session, promotion_id: str) -> None:
    """Show the promotion with this id."""
    session.show_fields(session.client.promotions.show(promotion_id))


@click.command()
@click.argument("promotion_id")
@options.if_match
@with_session
def approve(session: Session, promotion_id: str, if_match: str | None) -> None:
    """Approve a promotion that another person asked for."""
    approved = session.client.promotions.approve(promotion_id, if_match=if_match)
    session.say(approved, _sentence(approved))


@click.command()
@click.argument("promotion_id")
@click.option("--reason", help="Why not; it is kept.")
@options.if_match
@with_session
def reject(session: Session, promotion_id: str, reason: str | None, if_match: str | None) -> None:
    """Reject a promotion that has not been done."""
    rejected = session.client.promotions.reject(promotion_id, reason, if_match=if_match)
    session.say(rejected, _sentence(rejected))


def _sentence(promotion: Promotion) -> str:
    what = f"{promotion.name} to {promotion.stage}"
    match promotion.state:
        case "done":
            return f"promoted {what}"
        case "waits_for_approval":
            return f"{what} waits for another person: odst approve {promotion.promotion_id}"
        case "scheduled":
            return f"{what} is due at {rfc3339(promotion.at)}"
        case state:
            return f"{what}: {state}" + (f", {promotion.reason}" if promotion.reason else "")


COMMANDS = (promote, promotions, promotion, approve, reject)
