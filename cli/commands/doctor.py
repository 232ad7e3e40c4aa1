"""`odst doctor`: what is wrong between here and the instance, and what to do, from the address to its peers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import click

from cli import output
from cli.commands.ldap import show_findings
from cli.commands.status import installed_version
from cli.session import Session, hint, with_session
from odst_client import CallFailed
from shared.contracts.admin.directory import Finding
from shared.contracts.admin.instance import Status
from shared.core.times import rfc3339_or_none


@click.command()
@with_session
def doctor(session: Session) -> None:
    """Look for what is wrong, from the address and the token to peers and disk, and say what to do. Exit code 1 if anything is."""
    show_findings(session, list(_examined(session)))


def _examined(session: Session) -> Iterator[Finding]:
    reached = _step("reach", lambda: _reach(session))
    yield reached
    if not reached.ok:
        return
    token = _step("token", lambda: _token(session))
    yield token
    if not token.ok:
        return
    try:
        status = session.client.instance.status()
    except CallFailed as error:
        yield Finding(step="status", ok=False, detail=f"{error}{hint(error)}")
        return
    yield from _of_status(session, status)
    yield _step("alarms", lambda: _alarms(session))
    yield _step("peers", lambda: _peers(session))


def _step(name: str, look: Callable[[], str]) -> Finding:
    """What one look found; a refusal or `_Wrong` is what is wrong."""
    try:
        return Finding(step=name, ok=True, detail=look())
    except CallFailed as error:
        return Finding(step=name, ok=False, detail=f"{error}{hint(error)}")
    except _Wrong as error:
        return Finding(step=name, ok=False, detail=str(error))


class _Wrong(Exception):
    """It answers, and something is not right; the text says what to do."""


def _reach(session: Session) -> str:
    found = session.client.instance.readiness()
    if found.status != "ready":
        raise _Wrong(f"{session.url} answers and is not ready: {', '.join(f'{name} {fault}' for name, fault in found.faults.items())}")
    return f"{session.url} is ready"


def _token(session: Session) -> str:
    me = session.client.account.show()
    return f"{me.person}, {me.role or 'no role'}, until {rfc3339_or_none(me.expires) or 'it is revoked'}"


def _of_status(session: Session, status: Status) -> Iterator[Finding]:
    yield Finding(step="version", ok=True, detail=f"{status.instance.version} there, {installed_version()} here")
    yield _step("public url", lambda: _public_url(session, status.instance.public_url))
    full = not status.free_bytes
    advice = ": make space, or lower ODST_FREE_SPACE_FLOOR_MIB" if full else ""
    yield Finding(step="disk", ok=not full, detail=f"{output.size(status.free_bytes)} free above the floor{advice}")
    letters = status.dead_letters
    yield Finding(
        step="messages", ok=not letters, detail=f"{letters} could not be handled: odst dead-letters" if letters else "all handled"
    )


def _public_url(session: Session, url: str) -> str:
    """Others come by this address; from here it should lead there, too."""
    found = session.at(url).instance.readiness()
    return f"{url} answers ({found.status})"


def _alarms(session: Session) -> str:
    found = session.client.instance.alarms()
    if found.items or found.silent:
        raise _Wrong(f"{len(found.items)} to be looked at: odst alarms" if found.items else f"did not say: {', '.join(found.silent)}")
    return "none"


def _peers(session: Session) -> str:
    peers = [peer for peer in session.client.peers.all() if peer.state == "active"]
    wrong = [peer.name for peer in peers if peer.last_error or peer.banned_until]
    if wrong:
        raise _Wrong(f"{', '.join(wrong)}: odst peer show NAME says what is wrong")
    return f"{len(peers)} active" if peers else "none yet: odst invite"


COMMANDS = (doctor,)
