"""Testing a connection to the directory, step by step, for whoever sets it up. Each server is asked all that a log-in asks.

::

    resolve ─▶ connect ─▶ tls ─▶ bind ─▶ kind ─▶ people ─▶ groups ─▶ person (if one was named)

Up to `bind`, a step that fails ends it, as nothing can follow; after that, each is tried.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

from services.directory.adapters.deadlines import Deadline, Monotonic
from services.directory.adapters.ldap_advice import advice
from services.directory.adapters.ldap_connection import Found, ServerFault, Session, opened
from services.directory.adapters.ldap_entries import find, groups_for, introduce, is_disabled, names_of
from services.directory.adapters.ldap_plan import Endpoint, LdapPlan
from services.directory.domain.accounts import Finding
from services.directory.domain.attempts import is_possible_name

_WAY = ("resolve", "connect", "tls")
_MOST_SHOWN = 20
_ANY_GROUP = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)(objectClass=group))"


class _Amiss(Exception):
    """What was found is not well; the text says what to do."""


def examine(plan: LdapPlan, context: ssl.SSLContext, clock: Monotonic, name: str | None) -> list[Finding]:
    """What came of each step at each server; takes at most the plan's time limit for each of them."""
    return [finding for server in plan.servers for finding in _at(server, plan, context, Deadline(plan.timeout_seconds, clock), name)]


def _at(server: Endpoint, plan: LdapPlan, context: ssl.SSLContext, deadline: Deadline, name: str | None) -> Iterator[Finding]:
    try:
        with opened(server, plan, context, deadline) as session:
            yield from (Finding(step, ok=True, detail=f"{server}: {_went_well(step, session)}") for step in _WAY)
            introduce(session, plan)
            yield Finding("bind", ok=True, detail=f"{server}: {f'bound as {plan.bind_dn}' if plan.bind_dn else 'asking as nobody'}")
            yield from _inside(server, session, plan, name)
    except ServerFault as fault:
        if fault.step in _WAY:
            yield from (Finding(step, ok=True, detail=f"{server}: well") for step in _WAY[: _WAY.index(fault.step)])
        yield Finding(fault.step, ok=False, detail=f"{server}: {advice(fault)}")


def _went_well(step: str, session: Session) -> str:
    if step != "tls":
        return f"answers at {session.address}" if step == "connect" else "the name is known"
    certificate = session.certificate()
    if not certificate:
        return "NOT USED: names and passwords can be read on the way (ODST_LDAP_ALLOW_PLAINTEXT)"
    return f"the certificate is right, and valid until {certificate.get('notAfter')}"


def _inside(server: Endpoint, session: Session, plan: LdapPlan, name: str | None) -> Iterator[Finding]:
    """What the account of the settings can see."""
    is_active_directory = session.is_active_directory()
    kind = "Active Directory" if is_active_directory else "not Active Directory"
    yield Finding("kind", ok=True, detail=f"{server}: {kind}; groups are found in the style {plan.group_style}")
    steps: dict[str, Callable[[], str]] = {
        "people": lambda: _people(session, plan, is_active_directory=is_active_directory),
        "groups": lambda: _groups(session, plan),
    }
    if name is not None:
        steps["person"] = lambda: _person(session, plan, name, is_active_directory=is_active_directory)
    for step, look in steps.items():
        yield _tried(step, server, look)


def _tried(step: str, server: Endpoint, look: Callable[[], str]) -> Finding:
    try:
        return Finding(step, ok=True, detail=f"{server}: {look()}")
    except _Amiss as amiss:
        return Finding(step, ok=False, detail=f"{server}: {amiss}")
    except ServerFault as fault:
        return Finding(step, ok=False, detail=f"{server}: {advice(fault)}")


def _people(session: Session, plan: LdapPlan, *, is_active_directory: bool) -> str:
    found = session.search(plan.base_dn, plan.user_filter.replace("{name}", "*"), [plan.name_attribute or "*"], most=1)
    if not found:
        raise _Amiss(f"nobody below {plan.base_dn} fits ODST_LDAP_USER_FILTER: check both, and what the account may read")
    names = names_of(found[0], plan, is_active_directory=is_active_directory)
    if not names:
        raise _Amiss(f"{found[0].dn} fits ODST_LDAP_USER_FILTER, but has no name: say in ODST_LDAP_NAME_ATTRIBUTE where names are")
    if found[0].dn not in (entry.dn for entry in find(session, plan, names[0])):
        raise _Amiss(f"{found[0].dn} is called {names[0]}, by which ODST_LDAP_USER_FILTER does not find it: it must, besides other names")
    return f"there are people below {plan.base_dn}, such as {found[0].dn}"


def _groups(session: Session, plan: LdapPlan) -> str:
    found = session.search(plan.groups_below, _ANY_GROUP, most=1)
    if not found:
        raise _Amiss(f"there are no groups below {plan.groups_below}: say in ODST_LDAP_GROUP_BASE_DN where they are")
    return f"there are groups below {plan.groups_below}, such as {found[0].dn}"


def _person(session: Session, plan: LdapPlan, name: str, *, is_active_directory: bool) -> str:
    found = find(session, plan, name) if is_possible_name(name) else []
    if len(found) != 1:
        raise _Amiss("more than one entry has that name, so nobody can log in with it" if found else "nobody has that name")
    names = names_of(found[0], plan, is_active_directory=is_active_directory)
    if len(names) != 1:
        raise _Amiss(f"{found[0].dn} has {len(names)} names: ODST_LDAP_NAME_ATTRIBUTE must name an attribute with exactly one")
    return _described(found[0], groups_for(found[0], names[0], session, plan, is_active_directory=is_active_directory))


def _described(entry: Found, groups: frozenset[str]) -> str:
    if is_disabled(entry):
        raise _Amiss(f"{entry.dn} is disabled there")
    shown = "; ".join(sorted(groups)[:_MOST_SHOWN]) + ("; …" if len(groups) > _MOST_SHOWN else "")
    return f"{entry.dn}, in {len(groups)} groups" + (f": {shown}" if groups else "")
