"""Logging in at a provider of OpenID Connect: the handlers and the adapter, against a real one over HTTPS, right and false.

How long "soon" is, the adapter's own deadline says, which no setting can raise to 5 s; a test that hangs is ended by its mark.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from structlog.testing import capture_logs

from services.directory.adapters import oidc_provider
from services.directory.adapters.oidc_claims import MOST_GROUPS
from services.directory.adapters.oidc_plan import OidcPlan
from services.directory.domain.pending_logins import MOST_FROM_ADDRESS
from shared.core.errors import Conflict, Forbidden, InvalidInput, OdstError, ServiceUnavailable, Unauthenticated
from shared.testing.certificates import Authority
from shared.testing.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider
from tests.unit.directory.desk import HERE, PASSWORD, Desk, later, sha256

pytestmark = pytest.mark.timeout(120)
CALLBACK = "http://127.0.0.1:8080/api/v1/session/oidc/callback"
DISCOVERY = "/.well-known/openid-configuration"
FALSE_TOKENS: dict[str, dict[str, Any]] = {
    "another nonce": {"claims": {"nonce": "x" * 43}},
    "no nonce": {"claims": {"nonce": None}},
    "for somebody else": {"claims": {"aud": "another client"}},
    "for several, and not by us": {"claims": {"aud": [CLIENT_ID, "another client"]}},
    "asked for by another": {"claims": {"aud": [CLIENT_ID, "another client"], "azp": "another client"}},
    "for nobody": {"claims": {"aud": []}},
    "of another issuer": {"claims": {"iss": "https://evil.example.org"}},
    "expired": {"claims": {"exp": 1_700_000_000}},
    "without an end": {"claims": {"exp": None}},
    "an end that is none": {"claims": {"exp": "tomorrow"}},
    "of the future": {"claims": {"iat": 4_000_000_000}},
    "without a beginning": {"claims": {"iat": None}},
    "without a subject": {"claims": {"sub": None}},
    "a subject that is no text": {"claims": {"sub": 7}},
    "unsigned": {"algorithm": "none"},
    "signed with the public key": {"algorithm": "HS256"},
    "signed by another algorithm": {"algorithm": "RS512"},
    "signed by a foreign key": {"foreign_key": True},
    "an access token of another": {"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
    "another issuer in the browser": {"issuer_in_answer": "https://evil.example.org"},
    "no issuer in the browser": {"issuer_in_answer": ""},
    "not let in": {"error": "access_denied"},
}


class SingleSignOn:
    """A directory, and a provider at which people log in."""

    def __init__(self, provider: OidcProvider, authority: Authority) -> None:
        self.provider, self.later = provider, 0.0
        self.plan = OidcPlan(provider.issuer, CLIENT_ID, CLIENT_SECRET, ca_file=authority.file, timeout_seconds=30)
        self.with_plan()

    def with_plan(self, **changes: Any) -> None:
        """Begin anew, with another plan and nobody in it but an administrator."""
        adapter = oidc_provider.OidcProvider(replace(self.plan, **changes), lambda: time.monotonic() + self.later)
        self.desk = Desk(provider=adapter)
        self.desk.with_administrator()
        self.desk.do.groups.grant("oidc:packagers", {"role": "uploader"}, "root")

    def begin(self, redirect_uri: str | None = None, next_path: str | None = None) -> tuple[dict[str, str], str]:
        """What the browser comes back with, and the secret of the log-in."""
        begun = self.desk.do.browser.begin(redirect_uri, next_path, HERE)
        return dict(parse_qsl(urlsplit(self.provider.visit(begun["url"])).query)), begun["secret"]

    def finish(self, returned: dict[str, str], secret: str, text: str = "a session") -> dict[str, Any]:
        """Who is logged in."""
        return self.desk.do.browser.finish(returned, secret, sha256(text), HERE, "a browser")

    def log_in(self) -> dict[str, Any]:
        """All of it, well."""
        return self.finish(*self.begin())

    def refusal(self, kind: type[OdstError]) -> str:
        """The code with which a log-in is refused."""
        with pytest.raises(kind) as caught:
            self.log_in()
        assert type(caught.value) is kind
        return caught.value.code

    def person(self, **changes: Any) -> None:
        """Let somebody else be logged in at the provider."""
        self.provider.person = {**self.provider.person, **changes}


@pytest.fixture
def sso(authority: Authority) -> Iterator[SingleSignOn]:
    """One, in which everything is right."""
    with OidcProvider(authority.issue("localhost"), CALLBACK, "http://127.0.0.1/") as provider:
        yield SingleSignOn(provider, authority)


def test_who_logs_in_there_is_in_here_by_their_groups(sso: SingleSignOn) -> None:
    """The session, the name, the rights; and the same person when they come again under another name."""
    found = sso.log_in()
    sso.person(preferred_username="countess", name="Countess of Lovelace")
    again = sso.finish(*sso.begin(), text="another session")

    assert (found["person"], found["source"], found["next_path"]) == ("ada", "oidc", "/api/v1/session")
    assert "upload" in found["rights"]
    assert sso.desk.in_session("a session")["person"] == "ada"
    assert (again["person_id"], again["person"], again["display_name"]) == (found["person_id"], "ada", "Countess of Lovelace")
    assert sso.provider.refused == []


@pytest.mark.parametrize("way", FALSE_TOKENS)
def test_what_does_not_hold_lets_nobody_in(sso: SingleSignOn, way: str) -> None:
    """One false thing at a time; nobody is kept, and the log says why without the token in it."""
    with capture_logs() as logs, sso.provider.misbehaving(**FALSE_TOKENS[way]):
        assert sso.refusal(Unauthenticated) == "OIDC_REFUSED"

    assert [one.name for one in sso.desk.register.people()] == ["root"]
    assert [log["event"] for log in logs] == ["oidc_login_refused"]
    assert not [word for word in ("eyJ", CLIENT_SECRET, "<script>") if word in str(logs)]


@pytest.mark.parametrize("path", [DISCOVERY, "/token", "/jwks"])
@pytest.mark.parametrize("way", ["hang", "drip", "huge", "redirect", "rubbish", "500"])
def test_a_provider_that_does_not_answer_as_it_should_means_no(sso: SingleSignOn, path: str, way: str) -> None:
    """One error, no stack trace, within the deadline; an administrator of ours logs in all the same."""
    is_slow = way in ("hang", "drip")
    sso.with_plan(timeout_seconds=1.5 if is_slow else 30)
    with sso.provider.misbehaving(answers={path: way}):
        assert sso.refusal(ServiceUnavailable) == "OIDC_UNAVAILABLE"
        with pytest.raises(ServiceUnavailable, match="odst oidc test"):
            sso.desk.do.browser.begin(None, None, HERE)  # not asked again at once
    assert "GET /elsewhere" not in sso.provider.asked
    assert sso.desk.log_in("root")


def test_metadata_of_another_issuer_is_not_believed(sso: SingleSignOn) -> None:
    """To the letter; nor are endpoints without TLS."""
    for false in (
        {"issuer": f"{sso.provider.issuer}/"},
        {"token_endpoint": "http://evil.example.org/token"},
        {"jwks_uri": "file:///etc/passwd"},
    ):
        sso.with_plan()
        with sso.provider.misbehaving(metadata=false):
            assert sso.refusal(ServiceUnavailable) == "OIDC_UNAVAILABLE"


def test_a_certificate_of_somebody_else_means_no(sso: SingleSignOn) -> None:
    """Without the file of the authority; the test of the connection says what to do."""
    sso.with_plan(ca_file=None)

    assert sso.refusal(ServiceUnavailable) == "OIDC_UNAVAILABLE"
    assert "ODST_OIDC_CA_FILE" in str(sso.desk.do.outside.examine_oidc()["items"])


def test_a_new_key_is_fetched_when_it_is_named_and_not_more_often(sso: SingleSignOn) -> None:
    """Keys are replaced without notice; who makes up names of keys does not make us ask again and again."""
    sso.log_in()
    sso.provider.rotate_key()
    assert sso.refusal(Unauthenticated) == "OIDC_REFUSED"
    asked = sso.provider.asked.count("GET /jwks")
    sso.later += 31

    sso.finish(*sso.begin(), text="another session")

    assert (asked, sso.provider.asked.count("GET /jwks")) == (1, 2)


def test_a_log_in_is_finished_once_in_the_browser_where_it_began_and_within_ten_minutes(sso: SingleSignOn) -> None:
    """Another's answer in my browser, mine again, mine too late: all in the same words, and the provider is not even asked."""
    mine, others = sso.begin(), sso.begin()
    sso.finish(*mine)
    late = sso.begin()
    later(sso.desk.clock, minutes=10)
    asked = sso.provider.asked.count("POST /token")

    for returned, secret in (mine, (others[0], mine[1]), (others[0], ""), late, ({}, ""), ({"state": "x", "code": "y"}, "z")):
        with pytest.raises(Unauthenticated) as caught:
            sso.finish(returned, secret)
        assert caught.value.code == "OIDC_NOT_BEGUN"

    assert sso.provider.asked.count("POST /token") == asked == 1


def test_refusals_count_as_those_of_passwords_do(sso: SingleSignOn) -> None:
    """From one address: after twenty, the next one waits, whichever way it comes."""
    for _ in range(20):
        with pytest.raises(Unauthenticated):
            sso.finish({"state": "made up", "code": "x"}, "y")

    assert sso.finish({"state": "made up"}, "y")["wait_seconds"] > 0
    assert sso.desk.do.browser.begin(None, None, HERE)["wait_seconds"] > 0
    assert sso.desk.waits("root", PASSWORD) > 0


def test_only_so_many_log_ins_are_begun_from_one_address(sso: SingleSignOn) -> None:
    """Others still can; and after ten minutes everybody."""
    for _ in range(MOST_FROM_ADDRESS):
        sso.begin()
    with pytest.raises(ServiceUnavailable) as caught:
        sso.begin()

    assert caught.value.code == "TOO_MANY_LOGINS"
    assert "url" in sso.desk.do.browser.begin(None, None, "198.51.100.7")
    later(sso.desk.clock, minutes=10, seconds=1)
    assert sso.begin()


@pytest.mark.parametrize("name", ["root", "ROOT", "ｒｏｏｔ"])
def test_a_name_that_somebody_has_here_is_refused(sso: SingleSignOn, name: str) -> None:
    """Whatever its spelling: nobody is merged with anybody."""
    sso.person(preferred_username=name)
    with capture_logs() as logs:
        assert sso.refusal(Forbidden) == "ACCOUNT_NAME_TAKEN"

    assert [log["event"] for log in logs] == ["account_has_the_name_of_another"]
    assert sso.desk.do.people.show("root")["source"] == "local"


def test_a_name_that_is_given_to_somebody_else_there_is_not_their_account_here(sso: SingleSignOn) -> None:
    """The identity is the subject, whatever name and address it comes with."""
    sso.log_in()
    sso.person(sub="2002")

    assert sso.refusal(Forbidden) == "ACCOUNT_NAME_TAKEN"


@pytest.mark.parametrize("name", [None, "", " ada", "a" * 121, "ada\n", "ada\x00", "ada\u202e", ["ada"], {"a": 1}, 7])
def test_a_name_that_can_be_none_is_refused(sso: SingleSignOn, name: Any) -> None:
    """Claims are texts of strangers."""
    sso.person(preferred_username=name)

    assert sso.refusal(Forbidden) == "OIDC_CLAIM_UNUSABLE"


def test_groups_are_read_to_the_letter_and_not_without_end(sso: SingleSignOn) -> None:
    """Ten thousand are cut; what is no name of a group is none; and a group there is never one of LDAP."""
    sso.desk.do.groups.grant("cn=admins,dc=example,dc=org", {"role": "administrator"}, "root")
    strange = ["cn=admins,dc=example,dc=org", "oidc:packagers", "Packagers", "a\nb", "", 7, None, ["packagers"], {"x": "packagers"}]
    sso.person(groups=[*strange, "packagers", *[f"group {number}" for number in range(10_000)]])
    with capture_logs() as logs:
        found = sso.log_in()

    assert "administer" not in found["rights"]
    assert len(sso.desk.do.people.show("ada")["groups"]) == MOST_GROUPS
    assert [log["event"] for log in logs] == ["oidc_groups_cut", "person_logged_in"]
    for groups in (strange, "Packagers", {"packagers": True}, None):
        sso.person(groups=groups)
        assert sso.refusal(Forbidden) == "NO_GRANT"


def test_who_is_disabled_here_stays_out(sso: SingleSignOn) -> None:
    """The provider still knows them; their session is over, too."""
    sso.log_in()
    sso.desk.do.people.set_state("ada", "disabled", "root")

    with pytest.raises(Unauthenticated):
        sso.desk.in_session("a session")
    assert sso.refusal(Forbidden) == "ACCOUNT_DISABLED"


def test_who_did_not_log_in_for_a_month_is_shut_out_until_they_do(sso: SingleSignOn) -> None:
    """Tokens rest: the provider is not asked in between whether somebody is still there."""
    sso.log_in()
    token = sso.desk.token("ada")["token"]
    later(sso.desk.clock, days=29)
    sso.desk.do.sweep()
    assert sso.desk.authorize(token, "view")
    later(sso.desk.clock, days=2)
    sso.desk.do.sweep()

    with pytest.raises(Unauthenticated):
        sso.desk.authorize(token, "view")
    sso.log_in()
    assert sso.desk.authorize(token, "view")


def test_what_the_token_leaves_out_is_asked_for(sso: SingleSignOn) -> None:
    """At the userinfo endpoint, about the same subject only; what was signed goes before it."""
    sso.provider.person = {"sub": "1001", "preferred_username": "ada"}
    for sub, is_right in (("1001", True), ("2002", False)):
        with sso.provider.misbehaving(userinfo={"sub": sub, "groups": ["packagers"], "preferred_username": "root"}):
            if is_right:
                assert sso.log_in()["person"] == "ada"
            else:
                assert sso.refusal(Unauthenticated) == "OIDC_REFUSED"


@pytest.mark.parametrize(
    "path", ["//evil.example.org", "https://evil.example.org", "/\\evil", "/a b", "evil", "/\r\nSet-Cookie: a=b", "", "/ä"]
)
def test_the_browser_goes_on_to_a_path_of_ours_only(sso: SingleSignOn, path: str) -> None:
    """No other address is taken, and what was taken stands with the log-in, not in the answer."""
    with pytest.raises(InvalidInput) as caught:
        sso.begin(next_path=path)

    assert caught.value.code == "PATH_INVALID"
    assert sso.finish(*sso.begin(next_path="/api/v1/docs?a=b#c"))["next_path"] == "/api/v1/docs?a=b#c"


@pytest.mark.parametrize(
    "uri",
    [
        "http://evil.example.org:80/",
        "http://127.0.0.1/",
        "https://127.0.0.1:99/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:80@evil/",
        7,
    ],
)
def test_a_program_waits_at_a_loopback_address_only(sso: SingleSignOn, uri: Any) -> None:
    """And the port there may be any."""
    with pytest.raises(InvalidInput) as caught:
        sso.desk.do.browser.begin(uri, None, HERE)

    assert caught.value.code == "REDIRECT_URI_INVALID"
    assert sso.finish(*sso.begin("http://127.0.0.1:54321/"))["person"] == "ada"


def test_the_test_of_the_connection_says_what_is_wrong(sso: SingleSignOn) -> None:
    """All steps well; then one false thing at a time, and what to do about it."""

    def failed() -> dict[str, str]:
        return {item["step"]: item["detail"] for item in sso.desk.do.outside.examine_oidc()["items"] if not item["ok"]}

    steps = [item["step"] for item in sso.desk.do.outside.examine_oidc()["items"]]
    assert (steps, failed()) == (["discovery", "issuer", "pkce", "algorithms", "keys", "client", "redirect"], {})
    assert CALLBACK in sso.desk.do.outside.examine_oidc()["items"][-1]["detail"]
    with sso.provider.misbehaving(
        metadata={"code_challenge_methods_supported": ["plain"], "id_token_signing_alg_values_supported": ["HS256"]}
    ):
        assert list(failed()) == ["pkce", "algorithms"]
    with sso.provider.misbehaving(metadata={"issuer": "https://evil.example.org"}):
        assert "ODST_OIDC_ISSUER" in failed()["issuer"]
    with sso.provider.misbehaving(answers={DISCOVERY: "redirect"}):
        assert "not followed" in failed()["discovery"]
    sso.with_plan(client_secret="wrong")
    assert "ODST_OIDC_CLIENT_SECRET" in failed()["client"]


def test_without_a_provider_there_is_no_such_way(sso: SingleSignOn) -> None:
    """What pages are told, and what whoever tries is told."""
    alone = Desk()

    assert (alone.do.outside.ways()["oidc"], sso.desk.do.outside.ways()["oidc"]) == (None, {"name": "Single sign-on"})
    for ask in (lambda: alone.do.browser.begin(None, None, HERE), alone.do.outside.examine_oidc):
        with pytest.raises(Conflict, match="ODST_OIDC_ISSUER"):
            ask()
