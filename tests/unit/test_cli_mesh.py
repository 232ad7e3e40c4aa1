"""The commands about the mesh against prepared answers: what they ask, what they say, what they refuse by themselves."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import pytest
from rich.console import Console

from cli.matrix import Matrix
from shared.contracts.admin.audit import AuditEntry
from shared.contracts.admin.mesh import Instance, Invitation, Move, Peer, Row, Withdrawal
from shared.contracts.admin.packages import Package, Promotion
from tests.unit.api_examples import example_of
from tests.unit.prepared_gateway import Gateway, a_prepared_gateway

API = "/api/v1"
BERLIN, LYON, PORTO = (letter * 52 for letter in "ABC")
PACKAGE = example_of(Package, package_id="p1", name="a b.pkg", size=3, tags=["test"], created="2026-01-02T00:00:00Z", raised=None)
PROMOTION = example_of(Promotion, promotion_id="r1", name="a b.pkg", stage="production", state="done", reason=None)


class Spoken(NamedTuple):
    """What is typed, the call that it makes, what the instance answers, and what is said of that."""

    words: list[str]
    call: str
    body: dict[str, Any]
    answer: dict[str, Any]
    said: str


def a_peer(peer_id: str, name: str, **more: Any) -> dict[str, Any]:
    """A peer as the Admin API shows it."""
    known: dict[str, Any] = {"state": "active", "tags": ["test"], "steward": False, "last_contact": None, "clock_skew_seconds": -0.25}
    return example_of(Peer, peer_id=peer_id, name=name, **{**known, **more})


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway that knows three peers, of which two have one name, and a package."""
    with a_prepared_gateway() as prepared:
        peers = [a_peer(BERLIN, "berlin"), a_peer(LYON, "site"), a_peer(PORTO, "site")]
        prepared.answers[f"GET {API}/peers"] = (200, {"items": peers})
        prepared.answers[f"GET {API}/packages/a%20b.pkg"] = (200, PACKAGE)
        yield prepared


SPOKEN = [
    Spoken(
        ["package", "tag", "a b.pkg", "test", "production"],
        "POST packages/a%20b.pkg/tags",
        {"tags": ["test", "production"]},
        PACKAGE,
        "test",
    ),
    Spoken(
        ["package", "tag", "a b.pkg", "--none"], "POST packages/a%20b.pkg/tags", {"tags": []}, {**PACKAGE, "tags": []}, "every instance"
    ),
    Spoken(["package", "undelete", "p1"], "POST packages/p1/undelete", {}, PACKAGE, "published"),
    Spoken(["package", "raise", "p1"], "POST packages/p1/raise", {}, PACKAGE, "p1"),
    Spoken(["package", "rollback", "a b.pkg"], "POST names/a%20b.pkg/rollback", {}, PACKAGE, "p1"),
    Spoken(["package", "rollback", "a b.pkg", "--to", "p1"], "POST names/a%20b.pkg/rollback", {"to": "p1"}, PACKAGE, "2026-01-02"),
    Spoken(["promote", "a b.pkg"], "POST packages/a%20b.pkg/promote", {}, PROMOTION, "promoted a b.pkg to production"),
    Spoken(
        ["promote", "a b.pkg", "--to", "production", "--at", "2030-01-01T00:00:00Z"],
        "POST packages/a%20b.pkg/promote",
        {"to": "production", "at": "2030-01-01T00:00:00Z"},
        {**PROMOTION, "state": "waits_for_approval"},
        "odst approve r1",
    ),
    Spoken(
        ["approve", "r1"],
        "POST promotions/r1/approve",
        {},
        {**PROMOTION, "state": "scheduled", "at": "2030-01-01T00:00:00Z"},
        "due at 2030",
    ),
    Spoken(
        ["reject", "r1", "--reason", "crashes"],
        "POST promotions/r1/reject",
        {"reason": "crashes"},
        {**PROMOTION, "state": "rejected", "reason": "eve: crashes"},
        "eve: crashes",
    ),
    Spoken(["peer", "tags", "berlin", "test"], f"PATCH peers/{BERLIN}", {"tags": ["test"]}, a_peer(BERLIN, "berlin"), "berlin may see"),
    Spoken(["peer", "tags", "berlin", "--none"], f"PATCH peers/{BERLIN}", {"tags": []}, a_peer(BERLIN, "berlin", tags=[]), "untagged"),
    Spoken(
        ["peer", "steward", "berlin", "on"],
        f"PATCH peers/{BERLIN}",
        {"steward": True},
        a_peer(BERLIN, "berlin", steward=True),
        "is a steward",
    ),
    Spoken(["peer", "steward", "berlin", "off"], f"PATCH peers/{BERLIN}", {"steward": False}, a_peer(BERLIN, "berlin"), "no steward"),
    Spoken(
        ["invite", "--tags", "test,production", "--steward"],
        "POST invitations",
        {"tags": ["test", "production"], "steward": True},
        example_of(Invitation, invitation="odst1:x"),
        "odst1:x",
    ),
    Spoken(["join", "odst1:x", "--tags", "*"], "POST peers", {"invitation": "odst1:x", "tags": ["*"]}, a_peer(BERLIN, "berlin"), "berlin"),
    Spoken(["pull"], "POST peers/pull", {}, {"state": "pulling"}, "asking all peers"),
]


@pytest.mark.parametrize("case", SPOKEN, ids=lambda case: " ".join(case.words))
def test_a_command_sends_what_was_meant_and_says_what_was_done(gateway: Gateway, case: Spoken) -> None:
    """One call with that body; one sentence, or the answer as JSON."""
    method, path = case.call.split()
    gateway.answers[f"{method} {API}/{path}"] = (200, case.answer)

    told, told_json = gateway.run(*case.words), gateway.run(*case.words, "--json")

    assert (told.exit_code, told_json.exit_code) == (0, 0), told.output
    assert case.said in told.stdout
    assert json.loads(told_json.stdout) == case.answer
    assert gateway.bodies(f"{method} {API}/{path}") == [case.body, case.body]


@pytest.mark.parametrize(
    "words",
    [
        ["package", "tag", "x"],
        ["package", "tag", "x", "test", "--none"],
        ["peer", "tags", "berlin"],
        ["plan", "--tags", "test"],
        ["plan", "--to", "test"],
        ["plan", "x", "--to", "test", "--tags", "test"],
    ],
    ids=" ".join,
)
def test_what_could_widen_or_mislead_by_a_word_left_out_is_refused_before_anything_is_sent(gateway: Gateway, words: list[str]) -> None:
    """Exit code 2 and how to say it."""
    told = gateway.run(*words)

    assert (told.exit_code, gateway.asked) == (2, [])
    assert "Usage" in told.stderr


@pytest.mark.parametrize("reference", ["berlin", "AAAA", "aaaa-aaa", BERLIN])
def test_a_peer_is_found_by_name_or_by_the_start_of_its_id(gateway: Gateway, reference: str) -> None:
    """In any form that `odst` shows."""
    gateway.answers[f"DELETE {API}/peers/{BERLIN}"] = (204, b"")

    assert "revoked berlin" in gateway.run("peer", "revoke", reference).stdout


@pytest.mark.parametrize(
    ("reference", "said"), [("site", "BBBBBBBB (site), CCCCCCCC (site)"), ("AAA", "odst peers"), ("nowhere", "odst peers")]
)
def test_a_peer_that_cannot_be_told_from_others_is_no_peer(gateway: Gateway, reference: str, said: str) -> None:
    """The candidates are named; nothing is changed."""
    told = gateway.run("peer", "revoke", reference)

    assert told.exit_code == 1
    assert said in told.stderr
    assert [call for call, _, _ in gateway.asked] == [f"GET {API}/peers"]


def test_of_peers_with_one_name_revoked_ones_do_not_count(gateway: Gateway) -> None:
    """A peer that joined anew is found by its name."""
    peers = [a_peer(LYON, "site", state="revoked"), a_peer(PORTO, "site")]
    gateway.answers[f"GET {API}/peers"] = (200, {"items": peers})
    gateway.answers[f"GET {API}/peers/{PORTO}"] = (200, peers[1])

    assert json.loads(gateway.run("peer", "show", "site", "--json").stdout)["peer_id"] == PORTO


def test_peers_are_shown_with_their_lag_and_age(gateway: Gateway) -> None:
    """A short id, ages, and how far the clocks are apart."""
    peer = a_peer(BERLIN, "berlin", behind=41, last_contact="2026-01-01T00:00:00Z", tags=[])
    gateway.answers[f"GET {API}/peers"] = (200, {"items": [peer]})

    shown = gateway.run("peers").stdout

    assert all(text in shown for text in ("AAAAAAAA ", "41", "d ago", "-0.2 s"))
    assert BERLIN not in shown


def test_a_deletion_says_how_to_take_it_back(gateway: Gateway) -> None:
    """By id, because the name may be another's by then."""
    gateway.answers[f"DELETE {API}/packages/a%20b.pkg"] = (200, {**PACKAGE, "state": "deleted"})

    assert "odst package undelete p1" in gateway.run("package", "delete", "a b.pkg").stdout


def test_packages_can_be_narrowed(gateway: Gateway) -> None:
    """The instance is asked for what is wanted; nothing is asked for what is not said."""
    gateway.otherwise = lambda _method, _path: (200, {"items": [], "next": None})

    assert gateway.run("packages").stdout == "There are no packages yet: odst upload FILE\n"
    assert (
        gateway.run("packages", "--deleted", "--tag", "test", "--tag", "beta", "--state", "wanted").stdout
        == "There are no such packages.\n"
    )
    gateway.run("packages", "--text", "%", "--not-here", "--untagged", "--sort", "-created", "--created-after", "2026-01-02T03:04:05Z")

    narrow = "tag=test%2Cbeta&state=wanted%2Cdeleted"
    wide = "untagged=true&text=%25&created_after=2026-01-02T03%3A04%3A05Z&bytes_here=false&sort=-created"
    asked = [call.partition("?") for call, _, _ in gateway.asked]
    assert [parse_qs(query) for _, _, query in asked] == [{}, parse_qs(narrow), parse_qs(wide)]


def test_a_new_key_is_asked_for_twice(gateway: Gateway) -> None:
    """Unless --yes says that it is meant; the question is not on standard output."""
    gateway.answers[f"POST {API}/instance/rotate-key"] = (200, {"old": BERLIN, "new": LYON})

    refused, confirmed = gateway.run("key", "rotate", input="n\n"), gateway.run("key", "rotate", "--json", input="y\n")

    assert (refused.exit_code, "Replace the key" in refused.stderr) == (1, True)
    assert json.loads(confirmed.stdout) == {"old": BERLIN, "new": LYON}
    assert "BBBBBBB-BBBBBB" in gateway.run("key", "rotate", "--yes").stdout
    assert len(gateway.asked) == 2


@pytest.mark.parametrize(
    ("words", "query"),
    [
        ([], ""),
        (["a b.pkg"], "?package=a+b.pkg"),
        (["a b.pkg", "--tags", ""], "?package=a+b.pkg&tags="),
        (["a b.pkg", "--tags", "test,production"], "?package=a+b.pkg&tags=test%2Cproduction"),
        (["a b.pkg", "--to", "production"], "?package=a+b.pkg&tags=test%2Cproduction"),
    ],
)
def test_a_plan_is_what_would_move_and_why(gateway: Gateway, words: list[str], query: str) -> None:
    """For all, for one package, or as if it had other tags."""
    move = example_of(Move, to="lyon", bytes=2048, why="it bears test")
    withdrawal = example_of(Withdrawal, to="porto", why="it bears none of its tags")
    doubt = example_of(Withdrawal, to="oslo", why="that peer does not say")
    gateway.answers[f"GET {API}/plan{query}"] = (
        200,
        {"items": [move], "withdrawals": [withdrawal], "unknown": [doubt], "bytes": 2048, "left_out": 0},
    )

    told = gateway.run("plan", *words).stdout

    assert all(text in told for text in ("lyon", "2.0 KiB", "it bears test", "No longer for:", "porto", "There already, or not:", "oslo"))


def _matrix(count: int) -> Matrix:
    states = ["there", "not_entitled", "quarantined", "deleted", "absent", "superseded", "nonsense"]
    instances = [{"instance_id": str(n), "name": f"site-{n}", "is_self": n == 0, "reachable": n != 1} for n in range(count)]
    at = {str(n): {"state": state, "percent": None} for n, state in enumerate(states[:count])}
    rows = [{"name": "[b]x", "state": "published", "tags": ["test"], "at": at}]
    rows.append({"name": "y" * 90, "state": "wanted", "tags": [], "at": {"0": {"state": "on_its_way", "percent": 42}}})
    return Matrix(instances, rows)


def _printed(matrix: Matrix, width: int) -> str:
    target = io.StringIO()
    matrix.print(Console(file=target, width=width, color_system=None))
    return target.getvalue()


def test_the_matrix_has_names_where_they_fit_and_says_what_its_marks_mean() -> None:
    """Whose instance is ours and who cannot be reached is with the names."""
    text = _printed(_matrix(7), 200)

    assert all(name in text for name in ("site-0 (here)", "site-1 (away)", "site-6", "[b]x"))
    assert "42 %" in text
    assert text.splitlines()[-1].split("   ")[0] == "✓ there"
    assert "? unknown" in text


@pytest.mark.parametrize(("count", "width"), [(7, 110), (40, 110), (40, 70)])
def test_a_matrix_that_is_too_wide_has_numbers_and_goes_on_below(count: int, width: int) -> None:
    """No line is longer than the window; every instance has its column and its name."""
    lines = _printed(_matrix(count), width).splitlines()

    assert max(map(len, lines)) <= width
    numbers = {int(word) for line in lines if line.lstrip().startswith("name") for word in line.split()[3:]}
    assert numbers == set(range(1, count + 1))
    assert all(f"site-{number}" in " ".join(lines) for number in range(count))


def test_the_matrix_of_all_pages_is_one_document(gateway: Gateway) -> None:
    """Instances once, packages of every page."""
    page = {"instances": [{"instance_id": "I", "name": "A", "is_self": True, "reachable": True}], "items": [example_of(Row, at={})]}
    gateway.answers[f"GET {API}/matrix"] = (200, {**page, "next": "k"})
    gateway.answers[f"GET {API}/matrix?after=k"] = (200, {**page, "next": None})

    told = json.loads(gateway.run("packages", "--matrix", "--json").stdout)

    assert (len(told["instances"]), len(told["items"])) == (1, 2)
    assert "A (here)" in gateway.run("packages", "--matrix").stdout


def test_instances_are_shown_under_each_id_that_they_had(gateway: Gateway) -> None:
    """Ours, ours of before, and who is stale."""
    ours = [example_of(Instance, instance_id=one, present_id=BERLIN, name="berlin", stale=False, is_self=True) for one in (BERLIN, PORTO)]
    other = example_of(Instance, instance_id=LYON, present_id=LYON, name="lyon", stale=True, is_self=False)
    gateway.answers[f"GET {API}/instances"] = (200, {"items": [*ours, other]})

    lines = gateway.run("instances").stdout.splitlines()

    assert [line.split("  ")[0] for line in lines[1:]] == ["berlin (here)", "berlin (former key)", "lyon"]
    assert lines[3].rstrip().endswith("yes")


def test_the_audit_log_says_how_to_read_on(gateway: Gateway) -> None:
    """A page, and the command for the next one."""
    entry = example_of(AuditEntry, number=7, type="package.deleted.v1")
    gateway.answers[f"GET {API}/audit?after=9&limit=50"] = (200, {"items": [entry], "next": "7"})
    gateway.answers[f"GET {API}/audit?limit=50"] = (200, {"items": [], "next": None})

    assert "odst audit --after 7" in gateway.run("audit", "--after", "9").stdout
    assert gateway.run("audit").stdout == "Nothing is written there yet.\n"
