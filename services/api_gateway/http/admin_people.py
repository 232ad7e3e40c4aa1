"""The Admin API's people and services, and what groups outside mean here."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify

from services.api_gateway.http.auth import Guard
from services.api_gateway.http.bodies import read
from services.api_gateway.http.describing import described
from services.api_gateway.http.keyed import keyed
from services.api_gateway.http.versioned import changes, shows
from services.api_gateway.ports import Services
from shared.contracts.admin.people import (
    GroupGrant,
    GroupGrantList,
    GroupGrantWish,
    PasswordWish,
    Person,
    PersonChange,
    PersonList,
    PersonWish,
    grants_in,
)
from shared.core.versions import PERSON


def doors(services: Services, guard: Guard) -> Blueprint:
    """All of them. `reference` is a name or a person_id."""
    api = Blueprint("people", __name__)
    _looking(api, services, guard)
    _making(api, services, guard)
    _states(api, services, guard)
    _groups(api, services, guard)
    return api


def _looking(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.get("/people")
    @guard.requires("audit")
    @described(answers={200: PersonList})
    def list_people() -> Response:
        """List all people and services, those that were deleted too."""
        return jsonify(services.call("directory", "list_people"))

    @api.get("/people/<reference>")
    @guard.requires("audit")
    @shows(PERSON)
    @described(answers={200: Person})
    def show_person(reference: str) -> Response:
        """Show a person or a service, by name or person_id."""
        return jsonify(services.call("directory", "show_person", reference=reference))


def _making(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.post("/people")
    @guard.requires("administer")
    @keyed("see GET /api/v1/people")
    @described(body=PersonWish, answers={201: Person})
    def create_person() -> tuple[Response, int]:
        """Make a local account, or a service, which has tokens only; the name is never given twice."""
        wish = read(PersonWish)
        made = services.call(
            "directory",
            "create_person",
            name=wish.name,
            grants=grants_in(wish) or [],
            display_name=wish.display_name,
            email=wish.email,
            password=wish.password,
            service=wish.service,
            by=g.person,
        )
        return jsonify(made), 201

    @api.patch("/people/<reference>")
    @guard.requires("administer")
    @changes(PERSON)
    @described(body=PersonChange, answers={200: Person})
    def change_person(reference: str) -> Response:
        """Give other grants, or another name to be shown; what is left out stays."""
        wish = read(PersonChange)
        changed = services.call(
            "directory",
            "change_person",
            reference=reference,
            grants=grants_in(wish),
            display_name=wish.display_name,
            email=wish.email,
            by=g.person,
            expected=g.expected,
        )
        return jsonify(changed)

    @api.post("/people/<reference>/password")
    @guard.requires("administer")
    @changes(PERSON)
    @described(body=PasswordWish, answers={200: Person})
    def set_password(reference: str) -> Response:
        """Give somebody another password; all their sessions end."""
        password = read(PasswordWish).password
        return jsonify(services.call("directory", "set_password", reference=reference, password=password, by=g.person, expected=g.expected))


def _states(api: Blueprint, services: Services, guard: Guard) -> None:
    def become(reference: str, state: str) -> Response:
        return jsonify(services.call("directory", "set_person_state", reference=reference, state=state, by=g.person, expected=g.expected))

    @api.post("/people/<reference>/disable")
    @guard.requires("administer")
    @changes(PERSON)
    @described(answers={200: Person})
    def disable_person(reference: str) -> Response:
        """Shut somebody out at once: every session and every token of theirs ends."""
        return become(reference, "disabled")

    @api.post("/people/<reference>/enable")
    @guard.requires("administer")
    @changes(PERSON)
    @described(answers={200: Person})
    def enable_person(reference: str) -> Response:
        """Let somebody in again."""
        return become(reference, "active")

    @api.delete("/people/<reference>")
    @guard.requires("administer")
    @changes(PERSON)
    @described(answers={200: Person})
    def delete_person(reference: str) -> Response:
        """Shut somebody out for good; the name stays theirs."""
        return become(reference, "deleted")


def _groups(api: Blueprint, services: Services, guard: Guard) -> None:
    @api.get("/group-grants")
    @guard.requires("audit")
    @described(answers={200: GroupGrantList})
    def list_group_grants() -> Response:
        """List what groups outside mean here."""
        return jsonify(services.call("directory", "list_group_grants"))

    @api.post("/group-grants")
    @guard.requires("administer")
    @keyed("see GET /api/v1/group-grants")
    @described(body=GroupGrantWish, answers={201: GroupGrant})
    def grant_to_group() -> tuple[Response, int]:
        """Give a role to whoever is in a group."""
        wish = read(GroupGrantWish)
        grant = wish.model_dump(exclude={"group"})
        return jsonify(services.call("directory", "grant_to_group", group=wish.group, grant=grant, by=g.person)), 201

    @api.delete("/group-grants/<grant_id>")
    @guard.requires("administer")
    @described(answers={204: None})
    def revoke_group_grant(grant_id: str) -> tuple[str, int]:
        """Take a role from a group."""
        services.call("directory", "revoke_group_grant", grant_id=grant_id, by=g.person)
        return "", 204
