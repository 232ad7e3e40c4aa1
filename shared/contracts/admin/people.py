"""People, services, groups, sessions and tokens in the Admin API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from shared.contracts.admin.base import Answer, Body, Query, ShownOnce, TagList, Time
from shared.core.errors import InvalidInput

RoleName = Literal["viewer", "uploader", "promoter", "auditor", "administrator"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Text = Annotated[str, StringConstraints(max_length=120)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Instances = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=60)]], Field(max_length=32)]
_TEN_YEARS = 10 * 366 * 24 * 3600


class GrantWish(Body):
    """A role; within these staging tags, if there are some; at these instances (names or ids), if there are some."""

    role: RoleName
    tags: TagList = Field(default_factory=list)
    instances: Instances = Field(default_factory=list)


GrantList = Annotated[list[GrantWish], Field(max_length=32)]


class Grant(Answer):
    """A role that was given, and to what it is narrowed; empty lists are no limit."""

    role: RoleName
    tags: list[str]
    instances: list[str]


class LoginWish(Body):
    """Who logs in."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    password: Password


class OidcWish(Body):
    """Where a program waits for the provider's answer: a loopback address with a free port, such as `http://127.0.0.1:54321/`."""

    redirect_uri: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class OidcStart(Answer):
    """A log-in that was begun: the address to open in a browser, and what has to be shown to finish it. It is kept secret."""

    url: str
    secret: ShownOnce
    expires_seconds: int


class OidcReturn(Query):
    """What the provider sends along with the browser. Other parameters are ignored."""

    state: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    code: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None
    iss: Annotated[str, StringConstraints(max_length=500)] | None = None
    error: Annotated[str, StringConstraints(max_length=200)] | None = None


class OidcEnd(Body):
    """What the provider sent along, and the secret of the log-in."""

    state: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    secret: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    code: Annotated[str, StringConstraints(min_length=1, max_length=4096)] | None = None
    iss: Annotated[str, StringConstraints(max_length=500)] | None = None
    error: Annotated[str, StringConstraints(max_length=200)] | None = None


class OidcNext(Query):
    """Where the browser goes afterwards: a path of this instance."""

    next: Annotated[str, StringConstraints(max_length=500)] | None = None


class OidcWay(Answer):
    """Log-in at a provider of OpenID Connect, and what its button says."""

    name: str


class LoginWays(Answer):
    """How one can log in here. Without `oidc`, not at a provider."""

    password: bool
    oidc: OidcWay | None


class OwnPasswordWish(Body):
    """The password that it is, and the one that it shall be."""

    password: Password
    new_password: Password


class PasswordWish(Body):
    """A password for somebody else."""

    password: Password


class PersonWish(Body):
    """A local account, or a service. `role` is short for one grant that is not narrowed."""

    name: Name
    role: RoleName | None = None
    grants: GrantList | None = None
    display_name: Text | None = None
    email: Text | None = None
    password: Password | None = None
    service: bool = False


class PersonChange(Body):
    """What is left out stays as it is."""

    role: RoleName | None = None
    grants: GrantList | None = None
    display_name: Text | None = None
    email: Text | None = None


class GroupGrantWish(Body):
    """A role for whoever is in a group: its distinguished name, or `oidc:` and its name at the provider."""

    group: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    role: RoleName
    tags: TagList = Field(default_factory=list)
    instances: Instances = Field(default_factory=list)


class TokenWish(Body):
    """What uses the token, what it may do at most, and for how long.

    `role` is short for one grant that is not narrowed; without either, it may do what its maker may. `rights` leaves only these of it.
    `person` is a service for which an administrator makes it.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    role: RoleName | None = None
    grants: GrantList | None = None
    rights: Annotated[list[Annotated[str, StringConstraints(max_length=40)]], Field(min_length=1, max_length=20)] | None = None
    person: Name | None = None
    valid_seconds: Annotated[int, Field(gt=0, le=_TEN_YEARS)] | None = None
    never_expires: bool = False


class Me(Answer):
    """Who calls, and what they may do: each right with the staging tags within which it holds, or null for everywhere.

    `csrf_token` is what a page sends in `X-Ods-Csrf` with each change; a token has none.
    """

    person: str
    person_id: str
    display_name: str
    source: str
    role: str
    rights: dict[str, list[str] | None]
    token_id: str | None
    session_id: str | None
    expires: Time | None
    csrf_token: str | None


class Session(Answer):
    """Where somebody is logged in."""

    session_id: str
    created: Time
    last_used: Time
    ends: Time
    address: str
    agent: str


class SessionList(Answer):
    """One's open sessions, newest first."""

    items: list[Session]


class Person(Answer):
    """A person or a service. `groups` are those outside, by which further grants may come."""

    person_id: str
    name: str
    display_name: str
    email: str | None
    source: str
    state: Literal["active", "disabled", "deleted", "gone"]
    role: str
    grants: list[Grant]
    groups: list[str]
    has_password: bool
    created: Time
    last_login: Time | None


class PersonList(Answer):
    """All people and services, by name."""

    items: list[Person]


class GroupGrant(Grant):
    """A role that everybody in a group has."""

    grant_id: str
    group: str


class GroupGrantList(Answer):
    """What groups outside mean here."""

    items: list[GroupGrant]


class Token(Answer):
    """An API token without its text. Without `grants` it may do what its person may."""

    token_id: str
    name: str
    person: str
    role: str | None
    grants: list[Grant] | None
    rights: list[str] | None
    created_by: str
    created: Time
    expires: Time | None
    last_used: Time | None
    state: Literal["active", "expired", "revoked"]


class NewToken(Token):
    """A token with its text, which is shown only once."""

    token: ShownOnce


class TokenList(Answer):
    """Tokens, newest first."""

    items: list[Token]


def grants_in(wish: PersonWish | PersonChange | TokenWish) -> list[dict[str, Any]] | None:
    """The grants that are wished for, as the directory reads them; none if nothing is said of them.

    Raises:
        InvalidInput: BODY_INVALID, if they are said in both ways.
    """
    if wish.role is not None and wish.grants is not None:
        raise InvalidInput("say what is granted once: by `role`, or by `grants`", "BODY_INVALID")
    if wish.grants is not None:
        return [grant.model_dump() for grant in wish.grants]
    return None if wish.role is None else [{"role": wish.role}]
