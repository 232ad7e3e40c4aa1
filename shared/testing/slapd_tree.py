"""Who is in the private directory of the tests, and in which groups."""

from __future__ import annotations

import base64
from typing import Any

BASE = "dc=example,dc=org"
READER = f"cn=reader,{BASE}"
PEOPLE = f"ou=people,{BASE}"
GROUPS_BASE = f"ou=groups,{BASE}"
PASSWORD = "correct horse"
"""Of everybody here."""


def person(uid: str) -> str:
    """The distinguished name of somebody with a plain name."""
    return f"uid={uid},{PEOPLE}"


def group(name: str) -> str:
    """The distinguished name of a group."""
    return f"cn={name},{GROUPS_BASE}"


ADA, JANE = person("ada"), f"cn=Doe\\2C Jane,{PEOPLE}"
_HEAD = f"""\
dn: {BASE}
objectClass: organization
objectClass: dcObject
o: Example
dc: example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: ou=guests,{BASE}
objectClass: organizationalUnit
ou: guests

dn: {GROUPS_BASE}
objectClass: organizationalUnit
ou: groups

dn: {READER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: @READER@

dn: cn=policy,{BASE}
objectClass: device
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 3
pwdMustChange: TRUE

dn: cn=short,{BASE}
objectClass: device
objectClass: pwdPolicy
cn: short
pwdAttribute: userPassword
pwdMaxAge: 60
"""
STRANGE_NAMES = ("st*r", "par(en)", "back\\slash", "müller", "naïve, first", 'quo"te', "o'hara", "ünï=cödé+x", "<&>;#", "\\2a")
"""Names that a careless filter or a careless distinguished name breaks at."""
PLAIN_NAMES = ("bert", "carl", "dora", "emil", "fritz", "gina", "lock", "twin")


def _entry(dn: str, *, uids: tuple[str, ...], cn: str, more: str = "") -> str:
    names = "".join(f"uid:: {base64.b64encode(uid.encode()).decode()}\n" for uid in uids)
    return f"\ndn: {dn}\nobjectClass: inetOrgPerson\n{names}cn: {cn}\nsn: {cn}\nuserPassword: {PASSWORD}\n{more}"


def _strange(number: int, uid: str) -> str:
    return _entry(f"cn=Strange {number},{PEOPLE}", uids=(uid,), cn=f"Strange {number}")


PEOPLE_LDIF = "".join(
    (
        _HEAD,
        _entry(ADA, uids=("ada",), cn="Ada", more="displayName: Ada Lovelace\nmail: ada@example.org\n"),
        _entry(JANE, uids=("jane",), cn="Doe, Jane"),
        *(_entry(person(uid), uids=(uid,), cn=uid.title()) for uid in PLAIN_NAMES),
        *(_strange(number, uid) for number, uid in enumerate(STRANGE_NAMES)),
        _entry(f"uid=twin,ou=guests,{BASE}", uids=("twin",), cn="Twin"),
        _entry(f"cn=Double,{PEOPLE}", uids=("double", "admin"), cn="Double"),
        _entry(f"cn=Nameless,{PEOPLE}", uids=(), cn="Nameless"),
        _entry(person("closed"), uids=("closed",), cn="Closed", more="pwdAccountLockedTime: 000001010000Z\n"),
        _entry(person("reset"), uids=("reset",), cn="Reset", more="pwdReset: TRUE\n"),
        _entry(
            person("expired"),
            uids=("expired",),
            cn="Expired",
            more=f"pwdChangedTime: 20000101000000Z\npwdPolicySubentry: cn=short,{BASE}\n",
        ),
    )
)
"""Everybody, for slapadd. `twin` is there twice, `double` has two names, `closed`, `reset` and `expired` may not log in."""

PACKAGERS, EVERYTHING, WEST = group("packagers"), group("everything"), group("Ops\\, West")
RING_A, RING_B, LOST = group("ring a"), group("ring b"), group("lost")
UNIX, UNIQUE = group("unix"), group("unique")
GROUPS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (PACKAGERS, "groupOfNames", {"cn": "packagers", "member": ADA}),
    (WEST, "groupOfNames", {"cn": "Ops, West", "member": [PACKAGERS]}),
    (EVERYTHING, "groupOfNames", {"cn": "everything", "member": [WEST, person("bert")]}),
    (UNIX, "posixGroup", {"cn": "unix", "gidNumber": 1000, "memberUid": ["ada", "st*r"]}),
    (UNIQUE, "groupOfUniqueNames", {"cn": "unique", "uniqueMember": [ADA]}),
    (RING_A, "groupOfNames", {"cn": "ring a", "member": [RING_B, JANE]}),
    (RING_B, "groupOfNames", {"cn": "ring b", "member": [RING_A]}),
    (LOST, "groupOfNames", {"cn": "lost", "member": person("nobody-has-this-name")}),
)
"""Ada is in `packagers`, which is in `Ops, West`, which is in `everything`; and in a group of each other kind. Jane is in a ring."""
ADAS_GROUPS = frozenset({PACKAGERS, WEST, EVERYTHING, UNIX, UNIQUE})
