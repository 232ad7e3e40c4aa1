"""Claims about `odst conformance`: an honest instance passes, and whoever breaks one rule is found out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result as Run

from cli.conformance.framework import Outcome, Result
from cli.conformance.program import CHECKS, examine
from cli.conformance.scene import Answer, Headers, Scene
from cli.main import main
from shared.core.errors import Unauthenticated
from shared.core.invitation import Invitation
from shared.core.meta import MetaField
from shared.runtime import http_signatures
from shared.runtime.keys import InstanceKey, trusted_meta
from shared.testing.instance import Instance
from shared.testing.peer import TestPeer
from shared.testing.peer_answers import text
from shared.testing.peer_catalogue import PeerPackage, sha256
from shared.testing.peer_server import Asked, Reply
from shared.testing.sites import put, retag
from tests.contract.peer_openapi import PeerOpenApi

PAGE = Path(__file__).parents[2] / "docs" / "peer-protocol.md"


def furnished(peer: TestPeer) -> TestPeer:
    """With packages of several sizes, one of which was written about, and a charter."""
    large = peer.publish("large.pkg", b"x" * 3_000_000)
    for number in range(9):
        peer.publish(f"small-{number}.pkg", bytes([number]) * number)
    peer.charter()
    peer.tell(large, MetaField.TAGS, value=("test",))
    return peer


def failures(peer: TestPeer) -> set[str]:
    """Titles of the checks that a peer does not pass."""
    results = examine(Scene(peer.url, Invitation.parse(peer.invite())))
    return {result.title for result in results if result.outcome is Outcome.FAILED}


class Replayable(TestPeer):
    """Forgets what was asked already."""

    def _admit(self, asked: Asked) -> None:
        super()._admit(asked)
        self._nonces.clear()


class Talkative(TestPeer):
    """Tells why a request is refused."""

    def answer(self, asked: Asked) -> Reply:
        """The reason in the answer."""
        try:
            http_signatures.verify_request(http_signatures.Request(asked.method, asked.target, asked.headers), self.instance_id, self._find)
        except Unauthenticated as error:
            status, headers, blocks = super().answer(asked)
            body = b"".join(blocks).replace(b'"refused"', json.dumps(str(error)).encode())
            return status, headers | {"Content-Length": str(len(body))}, [body]
        return super().answer(asked)

    def _find(self, key_id: str) -> bytes | None:
        return self.trusted.get(key_id)


class Unsigned(TestPeer):
    """Does not sign its answers."""

    def signed_answer(self, asked: Asked, document: dict[str, Any]) -> Reply:
        """Without a signature, but for the registration, which nobody could join without."""
        status, headers, blocks = super().signed_answer(asked, document)
        kept = headers if asked.path.endswith("/registrations") else {name: headers[name] for name in ("Content-Length", "Content-Type")}
        return status, kept, blocks


class Gappy(TestPeer):
    """Leaves out the last item of each page, and counts it as read."""

    def changes(self, epoch: str, since: int, limit: int) -> dict[str, Any]:
        """Pages with gaps."""
        page = super().changes(epoch, since, limit)
        return page | {"items": page["items"][:-1]} if page["more"] else page


class Disordered(TestPeer):
    """Shows the newest first."""

    def changes(self, epoch: str, since: int, limit: int) -> dict[str, Any]:
        """Backwards."""
        page = super().changes(epoch, since, limit)
        return page | {"items": page["items"][::-1]}


class Stubborn(TestPeer):
    """Goes on from the cursor, whatever the reader's epoch is."""

    def changes(self, epoch: str, since: int, limit: int) -> dict[str, Any]:
        """As if the epoch were ours."""
        return super().changes(self.catalogue.epoch if epoch else "", since, limit)


class Rewriting(TestPeer):
    """Parses manifests and writes them anew: the same to a program, not the same to the byte."""

    def manifest(self, package: PeerPackage) -> bytes:
        """With other spaces."""
        return json.dumps(json.loads(package.envelope), indent=1).encode()


class Flipping(TestPeer):
    """Flips a bit of what it sends."""

    def content(self, package: PeerPackage, start: int, stop: int) -> Reply:
        """Of the first byte."""
        status, headers, blocks = super().content(package, start, stop)
        data = bytearray(b"".join(blocks))
        if data:
            data[0] ^= 1
        return status, headers, [bytes(data)]


class Boasting(TestPeer):
    """Says that it has more chunks than there are."""

    def have(self, package: PeerPackage) -> bytes:
        """One byte too many."""
        return super().have(package) + b"\xff"


class Stripping(TestPeer):
    """Leaves out what others wrote about packages."""

    def records(self, packages: list[str], charters: list[str], rotations: list[str]) -> dict[str, Any]:
        """Without meta."""
        found = super().records(packages, charters, rotations)
        return found | {"packages": [package | {"meta": []} for package in found["packages"]]}


class Miscounting(TestPeer):
    """Makes its digests of something else than the page says."""

    def buckets(self, tags: list[str]) -> dict[str, Any]:
        """Of the ids alone."""
        made = super().buckets(tags)
        ids = [sha256("".join(item["id"] for item in self.catalogue.bucket(number)).encode()) for number in range(256)]
        return made | {"buckets": ids}


class Generous(TestPeer):
    """Lets anybody change whose key is trusted, as long as one key signed."""

    def _rotate(self, asked: Asked) -> dict[str, Any]:  # noqa: ARG002 - nothing is looked at
        return {}


class Forgetful(TestPeer):
    """Shows records that somebody wrote who may not."""

    def records(self, packages: list[str], charters: list[str], rotations: list[str]) -> dict[str, Any]:
        """Signed by a stranger, in place of the rightful ones."""
        found = super().records(packages, charters, rotations)
        return found | {"packages": [one | {"meta": [self._forged(meta) for meta in one["meta"]]} for one in found["packages"]]}

    def _forged(self, meta: str) -> str:
        record = next(trusted_meta(one) for package in self.packages for one in package.meta if text(one) == meta)
        stranger = InstanceKey.generate()
        return text(stranger.sign_meta(replace(record, author=stranger.instance_id, author_key=stranger.public_bytes)))


class Strict(TestPeer):
    """Refuses fields that it does not know."""

    def heard(self, ring: dict[str, Any]) -> dict[str, Any]:
        """Only of two fields."""
        return super().heard(ring if ring.keys() <= {"epoch", "seq"} else {})


BROKEN: dict[type[TestPeer], str] = {
    Replayable: "A request that is sent twice counts once",
    Talkative: "All refusals are the same, to the letter",
    Unsigned: "A JSON answer is signed by the instance, for the very request: status",
    Gappy: "Small pages and large ones bring the same items, in the same order",
    Disordered: "Numbers rise, over pages too, and no record stands there twice",
    Stubborn: "A reader with another epoch gets the feed from its start, under its own name",
    Rewriting: "A manifest has the digest that the feed says, and is signed by its origin",
    Flipping: "A chunk that is asked for by its range has both of its digests: first",
    Boasting: "A bitmap has one bit for each chunk, all of them set, and zeros after them",
    Stripping: "Meta records are signed by their authors, about their package, and have together the digest that the feed says",
    Miscounting: "The digests are those of all packages in the feed, if the asker shows all of its own",
    Generous: "A rotation of our own key is refused with 401 if only one of the two keys signed it: the old key did not sign",
    Forgetful: "Meta records are relayed only of authors that may write, by the charters and rotations that the instance shows",
    Strict: "A ring is heard; fields of later versions are ignored",
}


@pytest.mark.parametrize("speaks", [(1,), (1, 2)])
def test_a_peer_that_does_as_the_page_says_passes(speaks: tuple[int, ...]) -> None:
    """It is written apart from the instance, so both are held to the same page."""
    with TestPeer("honest", speaks=speaks) as peer:
        assert failures(furnished(peer)) == set()


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_whoever_breaks_a_rule_is_found_out(kind: type[TestPeer]) -> None:
    """By the check that is about this rule."""
    with kind("broken") as peer:
        assert BROKEN[kind] in failures(furnished(peer))


def test_every_check_names_a_section_of_the_page() -> None:
    """One that is there."""
    headings = {re.sub(r" \(2\)$", "", heading) for heading in re.findall(r"^#+ (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)}

    assert {check.section for check in CHECKS} - headings == set()
    assert len({check.title for check in CHECKS}) == len(CHECKS)


def run(peer: TestPeer, *options: str, invitation: str | None = None) -> Run:
    """The command."""
    return CliRunner().invoke(main, ["conformance", peer.url, "--invitation", invitation or peer.invite(), *options])


def test_the_report_says_what_was_expected_and_how_to_be_rid_of_the_peer() -> None:
    """A line for each check; exit code 1 because one failed."""
    with Boasting("broken") as peer:
        told = run(furnished(peer))

    assert told.exit_code == 1
    assert re.search(r"FAILED\s+A bitmap has one bit", told.output)
    assert "expected " in told.output
    assert f"odst peer revoke {next(iter(peer.trusted))}" in told.output


def test_the_report_as_json() -> None:
    """For programs; exit code 0 because all is well."""
    with TestPeer("honest") as peer:
        told = run(furnished(peer), "--json")

    document = json.loads(told.stdout)
    assert told.exit_code == 0
    assert document["counts"]["failed"] == 0
    assert len(document["checks"]) == len(CHECKS)


def test_several_runs_are_one_peer(tmp_path: Path) -> None:
    """With a key in a file, which only its owner reads."""
    with TestPeer("honest") as peer:
        for _ in range(2):
            run(peer, "--key", str(tmp_path / "key"))

        assert len(peer.trusted) == 1
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("invitation", ["odst1:nonsense", f"odst1:http://127.0.0.1:1:{InstanceKey.generate().instance_id}:{'0' * 40}"])
def test_it_cannot_begin_without_a_good_invitation(invitation: str) -> None:
    """Exit code 2, and one line that says why."""
    with TestPeer("honest") as peer:
        told = run(peer, invitation=invitation)

    assert (told.exit_code, told.stdout) == (2, "")
    assert "nothing was checked" in told.stderr


@pytest.fixture(scope="module")
def instance(broker: Any, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A real one, with packages of several sizes, one deleted, some tagged; its key was rotated."""
    settings = {"ODST_STAGING_TAGS": "test"}
    made = Instance("real", tmp_path_factory.mktemp("conformance") / "real", broker.uri(next(vhost_names)), settings=settings)
    try:
        made.start().wait_ready()
        for number, size in enumerate((0, 1, 3_000_000, *range(6))):
            put(made, f"package-{number}.pkg", b"%d" % number * size)
        put(made, "tagged.pkg", b"born with a tag", "test")
        made.api("DELETE", "/packages/package-3.pkg")
        retag(made, "package-4.pkg", "test")
        retag(made, "package-5.pkg", "production")
        made.api("POST", "/instance/rotate-key")
        yield made
    finally:
        made.close()


@dataclass
class Recording(Scene):
    """Keeps every answer."""

    answers: list[Answer] = field(default_factory=list)

    def send(self, method: str, target: str, body: bytes, headers: Headers) -> Answer:
        """And keep it."""
        self.answers.append(super().send(method, target, body, headers))
        return self.answers[-1]


@pytest.fixture(scope="module")
def examined(instance: Instance) -> tuple[list[Result], list[Answer]]:
    """What came of all checks of a real instance, and all its answers."""
    invitation = instance.api("POST", "/invitations", json={"tags": ["test"]}, expect=201).json()["invitation"]
    scene = Recording(instance.url, Invitation.parse(invitation))
    return list(examine(scene)), scene.answers


def test_a_real_instance_passes(examined: tuple[list[Result], list[Answer]]) -> None:
    """All of it, and there is something to try each check on."""
    results, _ = examined

    assert [(result.title, result.told) for result in results if result.outcome is Outcome.FAILED] == []
    assert [result.title for result in results if result.outcome is Outcome.SKIPPED] == []


def test_all_answers_of_a_real_instance_are_as_openapi_has_them(examined: tuple[list[Result], list[Answer]]) -> None:
    """Good ones and refusals; every call was answered well at least once, but for a rotation."""
    described = PeerOpenApi()
    faults, answered_well = set(), set()
    for answer in examined[1]:
        path = described.path_of(answer.sent.target)
        if path and "json" in answer.headers.get("Content-Type", "") and answer.status != 405:
            told = described.faults(answer.sent.method, path, answer.status, answer.headers["Content-Type"], answer.json())
            faults |= {f"{answer.sent.method} {answer.sent.target[:80]}: {fault}" for fault in told}
        if path and answer.status in (200, 206):
            answered_well.add((answer.sent.method, path))

    assert faults == set()
    assert described.operations() - answered_well == {("POST", "/ods/v1/rotations")}
