"""Claims about sessions, and about logging in by accounts of others."""

from __future__ import annotations

from typing import Any

import pytest

from services.directory.domain.throttle import address_key, person_key
from shared.core.errors import Conflict, Forbidden, InvalidInput, NotFound, ServiceUnavailable, Unauthenticated
from tests.unit.directory.desk import HERE, OTHER, PASSWORD, Desk, Elsewhere, later

PACKAGERS = "CN=Packagers, OU=Groups, DC=example, DC=org"


@pytest.fixture
def desk() -> Desk:
    """A directory with an administrator and Ada; a session lasts an hour unused, and twelve hours in all."""
    made = Desk()
    made.with_administrator()
    made.person("ada", "uploader")
    return made


@pytest.fixture
def outside() -> tuple[Desk, Elsewhere]:
    """A directory with a source outside that knows Grace, a packager; packagers upload."""
    accounts = Elsewhere()
    accounts.put("grace", "compiles well", PACKAGERS.lower().replace(" ", ""), "cn=others,dc=example,dc=org")
    made = Desk(sources=[accounts])
    made.with_administrator()
    made.do.groups.grant(PACKAGERS, {"role": "uploader", "tags": ["test"]}, "root")
    return made, accounts


def test_a_password_opens_a_session_that_says_who_and_what(desk: Desk) -> None:
    """As the Admin API shows it; the text of the session is kept nowhere."""
    text = desk.log_in("ADA")

    found = desk.in_session(text, "upload")

    assert (found["person"], found["role"], found["token_id"]) == ("ada", "uploader", None)
    assert found["rights"] == {"self": None, "upload": None, "view": None}
    assert found["expires"] == "2026-11-04T00:00:01Z"
    assert text not in str(desk.register.kept_sessions)
    assert desk.do.people.show("ada")["last_login"] == "2026-11-03T12:00:01Z"


def test_a_session_ends_when_it_is_not_used(desk: Desk) -> None:
    """And lives as long as it is used often enough, but not beyond its time."""
    unused, used = desk.log_in("ada"), desk.log_in("ada")

    for _ in range(12 * 60 // 50):
        later(desk.clock, minutes=50)
        assert desk.in_session(used)["person"] == "ada"
    with pytest.raises(Unauthenticated):
        desk.in_session(unused)
    later(desk.clock, minutes=20)
    with pytest.raises(Unauthenticated):
        desk.in_session(used)


def test_logging_out_ends_the_session_on_the_server(desk: Desk) -> None:
    """That one, and no other; a second time it is not found, and nobody ends another's."""
    here, there, root = desk.log_in("ada"), desk.log_in("ada"), desk.in_session(desk.log_in("root"))
    who = desk.in_session(here)

    desk.do.sessions.end(who["person_id"], who["session_id"])

    with pytest.raises(Unauthenticated):
        desk.in_session(here)
    assert desk.in_session(there)["person"] == "ada"
    for person, session in ((who["person_id"], who["session_id"]), (who["person_id"], root["session_id"])):
        with pytest.raises(NotFound):
            desk.do.sessions.end(person, session)


def test_sessions_are_listed_for_their_person(desk: Desk) -> None:
    """Newest first, with where from; those whose time is over are not."""
    desk.log_in("ada")
    later(desk.clock, minutes=59)
    desk.log_in("ada", address="198.51.100.7")
    desk.log_in("root")
    later(desk.clock, minutes=2)

    (item,) = desk.do.sessions.listed(desk.do.people.show("ada")["person_id"])["items"]

    assert (item["address"], item["agent"], item["ends"]) == ("198.51.100.7", "a browser", "2026-11-03T13:59:01Z")


def test_sessions_that_are_over_are_forgotten_at_the_next_login(desk: Desk) -> None:
    """Nothing piles up."""
    desk.log_in("ada")
    later(desk.clock, days=1)
    desk.log_in("ada")

    assert desk.do.figures()["sessions"] == 1


@pytest.mark.parametrize("text", [None, "", "x", 7])
def test_a_session_is_known_by_a_fingerprint(desk: Desk, text: Any) -> None:
    """Whatever is none opens nothing."""
    with pytest.raises(Unauthenticated):
        desk.do.sessions.log_in("ada", PASSWORD, text, HERE, "")


def test_whoever_knows_the_present_password_takes_another(desk: Desk) -> None:
    """All sessions end, this one too; guessing there is as slow as at the door."""
    session, person_id = desk.log_in("ada"), desk.do.people.show("ada")["person_id"]
    with pytest.raises(InvalidInput):
        desk.do.sessions.change_own_password(person_id, PASSWORD, "too short", HERE)

    assert desk.do.sessions.change_own_password(person_id, PASSWORD, OTHER, HERE) == {"wait_seconds": 0}

    with pytest.raises(Unauthenticated):
        desk.in_session(session)
    assert desk.in_session(desk.log_in("ada", OTHER))["person"] == "ada"
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            desk.do.sessions.change_own_password(person_id, PASSWORD, OTHER, HERE)
    assert desk.do.sessions.change_own_password(person_id, OTHER, PASSWORD, HERE)["wait_seconds"] == 300


def test_a_hash_with_old_parameters_is_replaced_when_its_password_is_there(desk: Desk) -> None:
    """Sessions live on."""
    session = desk.log_in("ada")
    desk.passwords.parameters = "newer"

    desk.log_in("ada")

    assert str(desk.register.named("ada").password_hash).startswith("newer:")
    assert desk.in_session(session)["person"] == "ada"


def test_whoever_has_no_grant_here_is_told_so(desk: Desk) -> None:
    """After the right password only; and it counts as no guess."""
    desk.person("new")
    with pytest.raises(Forbidden) as caught:
        desk.log_in("new")
    with pytest.raises(Unauthenticated):
        desk.log_in("new", "a guess")

    assert caught.value.code == "NO_GRANT"
    assert [desk.waits("new") for _ in range(5)] == [0, 0, 0, 0, 0]


def test_an_account_outside_comes_in_by_its_groups(outside: tuple[Desk, Elsewhere]) -> None:
    """A person appears at the first login; spelling of groups does not count."""
    desk, _ = outside

    found = desk.in_session(desk.log_in("Grace", "compiles well"), "upload")

    shown = desk.do.people.show("grace")
    assert (found["person"], found["source"], found["within"]) == ("grace", "ldap", ["test"])
    assert (shown["display_name"], shown["email"], shown["has_password"]) == ("Grace of the directory", "grace@example.org", False)
    with pytest.raises(Conflict):
        desk.do.people.set_password("grace", OTHER, "root")


@pytest.mark.parametrize(("name", "password"), [("grace", "wrong"), ("grace", ""), ("nobody", "compiles well")])
def test_an_account_outside_needs_its_password(outside: tuple[Desk, Elsewhere], name: str, password: str) -> None:
    """And nobody appears."""
    desk, _ = outside

    with pytest.raises(Unauthenticated):
        desk.log_in(name, password)

    assert [person["name"] for person in desk.do.people.listed()["items"]] == ["root"]


def test_an_account_outside_in_no_granted_group_is_told_so(outside: tuple[Desk, Elsewhere]) -> None:
    """And nobody appears."""
    desk, accounts = outside
    accounts.put("joan", "a right password", "cn=others,dc=example,dc=org")

    with pytest.raises(Forbidden, match="nor a group of it was granted") as caught:
        desk.log_in("joan", "a right password")

    assert caught.value.code == "NO_GRANT"
    assert desk.do.figures()["people"] == 1


def test_a_local_account_comes_first(outside: tuple[Desk, Elsewhere]) -> None:
    """The source is not even asked, so break-glass works while it is away, and no directory can take over a name."""
    desk, accounts = outside
    accounts.put("root", "the directory's root", PACKAGERS)
    accounts.is_away = True

    assert desk.in_session(desk.log_in("root"), "administer")["person"] == "root"
    with pytest.raises(Unauthenticated):
        desk.log_in("root", "the directory's root")
    assert accounts.asked == 0


def test_a_name_that_the_source_spells_like_a_local_one_is_no_way_in(outside: tuple[Desk, Elsewhere]) -> None:
    """By whatever alias somebody logs in there."""
    desk, accounts = outside
    accounts.put("root", "the directory's root", PACKAGERS)
    accounts.aliases["root@example.org"] = "root"

    with pytest.raises(Unauthenticated):
        desk.log_in("root@example.org", "the directory's root")


def test_guesses_at_all_names_of_an_account_outside_count_together(outside: tuple[Desk, Elsewhere]) -> None:
    """Three of them, by three spellings, and the next is refused whatever it is, in the same words; after the wait it is let in."""
    desk, accounts = outside
    accounts.aliases |= {"grace@example.org": "grace", "CORP\\grace": "grace"}
    for name in ("grace", "grace@example.org", "CORP\\grace"):
        with pytest.raises(Unauthenticated) as guessed:
            desk.log_in(name, "a guess")

    with pytest.raises(Unauthenticated) as refused:
        desk.log_in("grace@example.org", "compiles well")
    assert str(refused.value) == str(guessed.value)
    later(desk.clock, seconds=301)
    accounts.failures.clear()  # its own lockout is over, too

    assert desk.in_session(desk.log_in("grace@example.org", "compiles well"))["person"] == "grace"
    assert [desk.waits("grace", "a guess") for _ in range(2)] == [0, 0]


def test_while_the_source_is_away_its_accounts_wait_and_it_counts_as_no_guess(outside: tuple[Desk, Elsewhere]) -> None:
    """The sentence says that local accounts can log in."""
    desk, accounts = outside
    accounts.is_away = True

    for _ in range(10):
        with pytest.raises(ServiceUnavailable, match="local accounts"):
            desk.log_in("grace", "compiles well")
    accounts.is_away = False

    assert desk.in_session(desk.log_in("grace", "compiles well"))["person"] == "grace"


def test_whoever_is_disabled_here_stays_out_even_if_the_source_lets_them_in(outside: tuple[Desk, Elsewhere]) -> None:
    """Here is decided here."""
    desk, _ = outside
    session = desk.log_in("grace", "compiles well")
    desk.do.people.set_state("grace", "disabled", "root")

    with pytest.raises(Unauthenticated):
        desk.in_session(session)
    with pytest.raises(Unauthenticated):
        desk.log_in("grace", "compiles well")


def test_a_group_grant_that_is_taken_back_counts_no_more(outside: tuple[Desk, Elsewhere]) -> None:
    """From the next call on."""
    desk, _ = outside
    session = desk.log_in("grace", "compiles well")
    (granted,) = desk.do.groups.listed()["items"]

    desk.do.groups.revoke(granted["grant_id"], "root")

    with pytest.raises(Forbidden):
        desk.in_session(session)
    with pytest.raises(NotFound):
        desk.do.groups.revoke(granted["grant_id"], "root")


def test_granting_a_group_twice_is_granting_it_once(outside: tuple[Desk, Elsewhere]) -> None:
    """However it is spelled."""
    desk, _ = outside

    desk.do.groups.grant(PACKAGERS.upper().replace(" ", ""), {"role": "uploader", "tags": ["test"]}, "root")

    assert len(desk.do.groups.listed()["items"]) == 1
    for junk in ("", "  ", None, "a\nb", "x" * 1001, "packagers", "oidc:", "oidc: ", "OIDC:packagers", "Oidc:a=b"):
        with pytest.raises(InvalidInput):
            desk.do.groups.grant(junk, {"role": "viewer"}, "root")


def test_who_is_gone_outside_is_shut_out_and_comes_back_by_a_login(outside: tuple[Desk, Elsewhere]) -> None:
    """Noticed by the sweep, without anybody's doing; the token rests meanwhile."""
    desk, accounts = outside
    session = desk.log_in("grace", "compiles well")
    token = desk.token("grace", {"role": "uploader", "tags": ["test"]})["token"]
    accounts.remove("grace")
    later(desk.clock, minutes=16)

    desk.do.sweep()

    for ask in (lambda: desk.in_session(session), lambda: desk.authorize(token, "upload")):
        with pytest.raises(Unauthenticated):
            ask()
    assert desk.do.people.show("grace")["state"] == "gone"
    accounts.put("grace", "compiles well", PACKAGERS)
    assert desk.in_session(desk.log_in("grace", "compiles well"), "upload")["within"] == ["test"]
    assert desk.authorize(token, "upload")["person"] == "grace"


def test_groups_that_changed_outside_count_after_the_sweep(outside: tuple[Desk, Elsewhere]) -> None:
    """The session lives; who was seen lately is not asked about, and nobody is while the source is away."""
    desk, accounts = outside
    session = desk.log_in("grace", "compiles well")
    accounts.put("grace", "compiles well", "cn=others,dc=example,dc=org")
    desk.do.sweep()
    assert desk.in_session(session, "upload")
    later(desk.clock, minutes=16)
    accounts.is_away = True
    desk.do.sweep()
    assert desk.in_session(session, "upload")
    accounts.is_away = False

    desk.do.sweep()

    with pytest.raises(Forbidden):
        desk.in_session(session, "upload")


def test_what_is_remembered_of_an_attempt_is_no_name() -> None:
    """People type passwords where the name belongs. Addresses of one IPv6 network are one."""
    assert "hunter2" not in person_key("hunter2")
    assert person_key(" ADA ") == person_key("ada")
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff:1") != address_key("2001:db8:0:1::1")
    assert address_key("::ffff:192.0.2.1") == address_key("192.0.2.1") != address_key("192.0.2.2")
    assert address_key("no address") == "address:unknown"


def test_what_a_source_says_is_made_one_line(outside: tuple[Desk, Elsewhere]) -> None:
    """A display name with a line break breaks nothing."""
    desk, accounts = outside
    accounts.put("joan\n", "compiles well", PACKAGERS)
    accounts.recognise = lambda _name, _password, _admit: accounts.known[-1].who  # type: ignore[method-assign]

    desk.log_in("joan", "compiles well")

    shown = desk.do.people.show("joan")
    assert (shown["name"], shown["display_name"]) == ("joan", "Joan  of the directory")


def test_a_right_can_be_asked_about_for_what_was_wished_earlier() -> None:
    """Within the tags of the grant; who is disabled, deleted or was never there has none; the reason says it."""
    desk = Desk()
    desk.with_administrator()
    desk.person("grace", {"role": "promoter", "tags": ["test"]})

    asked = [desk.do.gate.check_right(*one) for one in (("GRACE", "promote", "test"), ("grace", "promote", "production"))]
    desk.do.people.set_state("grace", "disabled", "root")
    disabled, unknown = desk.do.gate.check_right("grace", "promote", "test"), desk.do.gate.check_right("nobody", "promote", "test")
    desk.do.people.set_state("grace", "deleted", "root")
    deleted = desk.do.gate.check_right("grace", "promote", "test")

    assert asked[0] == {"may": True, "reason": None}
    assert [one["may"] for one in (asked[1], disabled, unknown, deleted)] == [False] * 4
    assert "promote within production" in asked[1]["reason"]


def test_a_refusal_says_to_the_audit_log_whom_it_is_about() -> None:
    """By token and by session; the message, which the caller gets, does not."""
    desk = Desk()
    desk.with_administrator()
    desk.person("vera", "viewer")
    session = desk.log_in("vera")
    token = desk.token("vera")

    for ask in (lambda: desk.in_session(session, "delete"), lambda: desk.authorize(token["token"], "delete")):
        with pytest.raises(Forbidden) as caught:
            ask()
        assert caught.value.who is not None
        assert caught.value.who["person"] == "vera"
        assert "vera" not in str(caught.value)
    assert caught.value.who["token_id"] == token["token_id"]
