"""People and services: make, list, show, disable, enable, grant, set a password, delete; and what groups outside mean here."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.directory.domain.groups import GroupGrant, checked_group
from services.directory.domain.passwords import checked_password
from services.directory.domain.people import (
    LOCAL,
    SERVICE,
    Everybody,
    Person,
    PersonState,
    check_administered,
    checked_name,
    checked_text,
    name_key,
)
from services.directory.domain.rights import Allowed, Right, read_grants
from services.directory.handlers.admitting import Clock
from services.directory.handlers.describing import describe_group_grant, describe_person
from services.directory.ports import GroupGrants, Here, Passwords, Register
from shared.core.errors import Conflict, InvalidInput, NotFound
from shared.core.versions import PERSON, check_expected
from shared.runtime.logging import get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class PasswordRules:
    """What a new password has to be."""

    least_characters: int
    instance_name: str

    def checked(self, password: Any, person: Person) -> str:
        """A password that is good enough for this person.

        Raises:
            InvalidInput: PASSWORD_WEAK.
        """
        known = (person.name, person.display_name, person.email or "", self.instance_name)
        return checked_password(password, self.least_characters, known)


@dataclass
class PeopleHandlers:
    """What an administrator does with people. `by` is who asks."""

    register: Register
    passwords: Passwords
    rules: PasswordRules
    here: Here
    clock: Clock
    allowed_to: Callable[[Person], Allowed]
    """What somebody may do here, by grants of their own and of their groups."""

    def create(  # noqa: PLR0913, PLR0917 - the whole wish
        self, name: Any, grants: Any, display_name: Any, email: Any, password: Any, service: Any, by: str
    ) -> dict[str, Any]:
        """Make a local account, with a password or to be given one later; or a service, which never has one.

        Raises:
            InvalidInput: PERSON_NAME_INVALID, GRANT_INVALID, PASSWORD_WEAK, TEXT_INVALID, and those of grants.
            Conflict: PERSON_EXISTS, if the name was ever given.
        """
        source = SERVICE if service is True else LOCAL
        person = Person(str(uuid.uuid4()), checked_name(name), source, read_grants(grants), self.clock())
        person = _with_texts(person, display_name, email)
        if password is not None:
            person = replace(person, password_hash=self._hash(password, person))
        if not self.register.add_person(person):
            raise Conflict(f"the name {person.name!r} is taken, or was once: names are never given twice", "PERSON_EXISTS")
        log.info("person_created", person=by, name=person.name, source=source)
        return describe_person(person)

    def _hash(self, password: Any, person: Person) -> str:
        if person.source != LOCAL:
            raise Conflict(f"{person.name} has no password here: it is a service, or its password is kept elsewhere", "NO_PASSWORD_HERE")
        return self.passwords.hash(self.rules.checked(password, person))

    def listed(self) -> dict[str, Any]:
        """All people, those that were deleted too, by name."""
        return {"items": [describe_person(person) for person in self.register.people()]}

    def show(self, reference: str) -> dict[str, Any]:
        """One, by name or person_id.

        Raises:
            NotFound: if there is none.
        """
        return describe_person(self._find(reference))

    def standings(self, references: Sequence[str], right: Any) -> dict[str, Any]:
        """Of people, by name or person_id: `{active, may, within, email}`, `may` and `within` about a right.

        Who is not known is not in the answer.

        Raises:
            InvalidInput: RIGHT_UNKNOWN.
        """
        wanted = Right.parse(right)
        known = {reference: self._find_or_none(reference) for reference in references}
        return {reference: self._standing(person, wanted) for reference, person in known.items() if person}

    def _standing(self, person: Person, right: Right) -> dict[str, Any]:
        may = self.allowed_to(person)
        limit = may.get(right)
        return {"active": person.is_active, "may": right in may, "within": None if limit is None else sorted(limit), "email": person.email}

    def change(  # noqa: PLR0913, PLR0917 - the whole wish
        self, reference: str, grants: Any, display_name: Any, email: Any, by: str, expected: Any = None
    ) -> dict[str, Any]:
        """Other grants, another name to be shown, another address; what is none stays.

        Here and below, one of the versions `expected` must be theirs when they are changed, if there are some.

        Raises:
            PreconditionFailed: if they have another version.
            Conflict: LAST_ADMINISTRATOR, if nobody could administer this instance any more; PERSON_DELETED.
        """
        wished = None if grants is None else read_grants(grants)

        def changed(person: Person) -> Person:
            return _with_texts(person if wished is None else replace(person, grants=wished), display_name, email)

        return self._changed(reference, changed, "person_changed", by, expected)

    def set_state(self, reference: str, state: Any, by: str, expected: Any = None) -> dict[str, Any]:
        """Disable, delete or enable somebody. Whoever is disabled or deleted loses every session and every token at once.

        Raises:
            InvalidInput: STATE_INVALID.
            Conflict: LAST_ADMINISTRATOR; PERSON_DELETED, because that is for good.
        """
        if state not in (PersonState.ACTIVE, PersonState.DISABLED, PersonState.DELETED):
            raise InvalidInput("somebody can be made active, disabled or deleted", "STATE_INVALID")
        wished = PersonState(state)

        def changed(person: Person) -> Person:
            return replace(person, state=wished) if wished is PersonState.ACTIVE else person.shut_out(wished)

        return self._changed(reference, changed, f"person_{wished.value}", by, expected)

    def set_password(self, reference: str, password: Any, by: str, expected: Any = None) -> dict[str, Any]:
        """Give somebody another password; every session of theirs ends.

        Raises:
            InvalidInput: PASSWORD_WEAK.
            Conflict: NO_PASSWORD_HERE, PERSON_DELETED.
        """
        password_hash = self._hash(password, self._find(reference))
        return self._changed(reference, lambda person: person.with_password(password_hash), "person_got_password", by, expected)

    def _changed(self, reference: str, change: Callable[[Person], Person], what: str, by: str, expected: Any) -> dict[str, Any]:
        now = self.clock()

        def checked(person: Person, everybody: Everybody) -> Person:
            check_expected(expected, describe_person(person), PERSON)
            if person.state is PersonState.DELETED:
                raise Conflict(f"{person.name} was deleted, and that is for good", "PERSON_DELETED")
            changed = change(person)
            check_administered(everybody, everybody.with_person(changed), self.here(), now)
            return changed

        changed = self.register.change_person(self._find(reference).person_id, now, checked)
        log.info(what, person=by, name=changed.name)
        return describe_person(changed)

    def _find_or_none(self, reference: str) -> Person | None:
        return self.register.person(str(reference)) or self.register.named(name_key(str(reference)))

    def _find(self, reference: str) -> Person:
        found = self._find_or_none(reference)
        if found is None:
            raise NotFound(f"there is nobody called {str(reference)[:60]!r} here")
        return found


def _with_texts(person: Person, display_name: Any, email: Any) -> Person:
    if display_name is not None:
        person = replace(person, display_name=checked_text(display_name, "a name to be shown"))
    if email is not None:
        person = replace(person, email=checked_text(email, "an address") or None)
    return person


@dataclass
class GroupHandlers:
    """What groups of the sources outside mean here."""

    groups: GroupGrants

    def grant(self, group: Any, grant: Any, by: str) -> dict[str, Any]:
        """Give a role to whoever is in a group; doing so twice is doing it once.

        Raises:
            InvalidInput: GROUP_INVALID, and those of grants.
        """
        (read,) = read_grants([grant])
        granted = GroupGrant(str(uuid.uuid4()), checked_group(group), read)
        known = next((one for one in self.groups.all() if (one.key, one.grant) == (granted.key, read)), None)
        if known is None:
            self.groups.add(granted)
            log.info("group_granted", person=by, group=granted.group, role=read.role.value)
        return describe_group_grant(known or granted)

    def listed(self) -> dict[str, Any]:
        """All of them, by group."""
        return {"items": [describe_group_grant(granted) for granted in self.groups.all()]}

    def revoke(self, grant_id: str, by: str) -> None:
        """Take one back; it counts no more from the next call on.

        Raises:
            NotFound: if there is none.
        """
        if not self.groups.remove(grant_id):
            raise NotFound(f"there is no grant {grant_id[:40]!r} for a group")
        log.info("group_grant_revoked", person=by, grant_id=grant_id)
