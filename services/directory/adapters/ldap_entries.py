"""What an entry of the directory says of a person, and how it is found."""

from __future__ import annotations

from ldap3.utils.conv import escape_filter_chars

from services.directory.adapters.ldap_connection import Found, RefusesUs, Session
from services.directory.adapters.ldap_groups import Member, groups_of
from services.directory.adapters.ldap_plan import LdapPlan

_DISABLED_BIT = 2
"""ACCOUNTDISABLE of Active Directory's `userAccountControl`."""
_LOCKED_FOR_GOOD = "000001010000z"
_STATE_ATTRIBUTES = ("userAccountControl", "pwdAccountLockedTime", "nsAccountLock")


def introduce(session: Session, plan: LdapPlan) -> None:
    """Bind with the account of the settings; without one, stay nobody.

    Raises:
        RefusesUs: if the server does not accept it.
    """
    refusal = session.bind(plan.bind_dn, plan.bind_password) if plan.bind_dn else None
    if refusal:
        raise RefusesUs("bind", said=refusal)


def find(session: Session, plan: LdapPlan, name: str) -> list[Found]:
    """The entries that the user filter finds for a name: one is wanted, and two are enough to know that it is none."""
    wanted = {plan.name_attribute or "uid", plan.mail_attribute, plan.display_attribute, "sAMAccountName", "cn", "memberOf"}
    query = plan.user_filter.replace("{name}", escape_filter_chars(name))
    return session.search(plan.base_dn, query, sorted(wanted | set(_STATE_ATTRIBUTES)), most=1)


def names_of(entry: Found, plan: LdapPlan, *, is_active_directory: bool) -> tuple[str, ...]:
    """Every name that an entry has in the attribute for it; somebody with two could be taken for somebody else."""
    attribute = plan.name_attribute or ("sAMAccountName" if is_active_directory else "uid")
    return entry.values.get(attribute.lower(), ())


def is_disabled(entry: Found) -> bool:
    """True if the directory says so: Active Directory, OpenLDAP's password policy, or 389 and FreeIPA."""
    control = entry.first("userAccountControl") or "0"
    return (
        (control.lstrip("-").isdecimal() and bool(int(control) & _DISABLED_BIT))
        or (entry.first("pwdAccountLockedTime") or "").lower() == _LOCKED_FOR_GOOD
        or (entry.first("nsAccountLock") or "").lower() == "true"
    )


def groups_for(entry: Found, name: str, session: Session, plan: LdapPlan, *, is_active_directory: bool) -> frozenset[str]:
    """The groups of a person, as the plan wants them found."""
    member = Member(entry.dn, name, entry.values.get("memberof", ()))
    return groups_of(member, session, plan.groups_below, plan.group_style, is_active_directory=is_active_directory)
