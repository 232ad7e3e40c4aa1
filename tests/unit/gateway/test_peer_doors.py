"""Claims about the doors for peers: what is asked of whom, what is refused, and what each version of the protocol gets."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pytest

from services.api_gateway.http import sending
from shared.core.charter import Rotation
from shared.core.clock import Stamp
from shared.core.digest import Digest
from shared.core.errors import Forbidden, RecordRefused, Unauthenticated
from shared.core.layout import Layout
from shared.runtime.keys import InstanceKey
from tests.unit.gateway.gateway_fakes import VIEW, Asker, ToldServices, a_gateway

A_PACKAGE = "6f1c9a52-3b0e-4c59-9d0a-2f5f1f0f7a11"
AN_INSTANCE = "KZDVVJ2UMNDUYAUF35O36K6KW462MUJVRA46TN3UQGZOVMIHOCGA"
CHANGES = "/ods/v1/changes?epoch=e&since=3&limit=10"
PAGE = {
    "epoch": "e",
    "items": [
        {"seq": 4, "kind": "package", "id": A_PACKAGE, "rev": 1, "digest": "d", "meta": "m"},
        {"seq": 5, "kind": "record", "id": A_PACKAGE, "rev": 1, "digest": "d", "meta": "m"},
        {"seq": 6, "kind": "gone", "id": A_PACKAGE},
        {"seq": 7, "kind": "charter", "id": AN_INSTANCE, "rev": 0, "digest": "d", "stamp": "s"},
    ],
    "next": 7,
    "more": False,
}
SECOND_ONLY = [
    ("POST", "/ods/v1/records"),
    ("POST", "/ods/v1/holdings"),
    ("POST", "/ods/v1/rotations"),
    ("GET", "/ods/v1/buckets"),
    ("GET", "/ods/v1/buckets/0"),
]


def a_door(folder: Path, *, protocols: tuple[int, ...] = (1, 2), **answers: Any) -> tuple[Asker, ToldServices]:
    """A peer in front of a gateway whose services answer this."""
    services = ToldServices(**answers)
    return a_gateway(folder, services, peer_protocols=protocols), services


def test_a_page_of_the_feed_is_what_the_peer_may_see_and_says_which_version_is_spoken(tmp_path: Path) -> None:
    """The view of the registration goes to storage; the page comes back whole."""
    peer, services = a_door(tmp_path, storage__read_changes=PAGE)

    assert peer.signed_answer("GET", CHANGES) == {**PAGE, "protocol": 2}
    assert services.arguments("storage", "read_changes") == [{"epoch": "e", "since": 3, "limit": 10, "view": VIEW}]


def test_an_instance_of_the_first_version_answers_as_the_first_version_did(tmp_path: Path) -> None:
    """Packages with the first fields only, no protocol; the cursor moves past what is left out."""
    peer, _ = a_door(tmp_path, protocols=(1,), storage__read_changes=PAGE)

    first = {"seq": 4, "kind": "package", "id": A_PACKAGE, "rev": 1, "digest": "d"}
    assert peer.signed_answer("GET", CHANGES) == {"epoch": "e", "items": [first], "next": 7, "more": False}


@pytest.mark.parametrize(("method", "target"), SECOND_ONLY)
def test_an_instance_of_the_first_version_has_no_calls_of_the_second(tmp_path: Path, method: str, target: str) -> None:
    """404, as for any address that never was."""
    peer, services = a_door(tmp_path, protocols=(1,))

    assert peer.ask(method, target, {} if method == "POST" else None).status_code == 404
    assert services.asked == []


@pytest.mark.parametrize("protocols", [(1,), (1, 2)])
def test_status_tells_versions_and_tags(tmp_path: Path, protocols: tuple[int, ...]) -> None:
    """The own tags, and those of the view; the first version has neither."""
    services = ToldServices()
    peer = a_gateway(tmp_path, services, peer_protocols=protocols, staging_tags=("production", "development"))

    told = peer.signed_answer("GET", "/ods/v1/status")

    assert told["protocol"] == list(protocols)
    assert told["instance_id"] == str(peer.gateway_key.instance_id)
    assert (told["tags"], told.get("view_tags")) == (([], None) if protocols == (1,) else (["development", "production"], ["test"]))


def test_records_are_asked_of_storage_with_the_view(tmp_path: Path) -> None:
    """Fields that this version does not know are ignored."""
    found = {"packages": [], "charters": ["Y2g="], "rotations": []}
    peer, services = a_door(tmp_path, storage__read_records=found)

    wish = {"packages": [A_PACKAGE], "charters": [AN_INSTANCE], "of a later version": 7}
    assert peer.signed_answer("POST", "/ods/v1/records", wish) == found
    asked = {"packages": [A_PACKAGE], "charters": [AN_INSTANCE], "rotations": [], "view": VIEW}
    assert services.arguments("storage", "read_records") == [asked]


def test_all_charters_may_be_asked_for(tmp_path: Path) -> None:
    """And all rotations: one star alone, instead of ids."""
    peer, services = a_door(tmp_path, storage__read_records={})

    peer.signed_answer("POST", "/ods/v1/records", {"charters": ["*"], "rotations": ["*"]})

    asked = {"packages": [], "charters": ["*"], "rotations": ["*"], "view": VIEW}
    assert services.arguments("storage", "read_records") == [asked]


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/ods/v1/records", {"packages": [A_PACKAGE] * 150, "charters": [AN_INSTANCE] * 51}),
        ("/ods/v1/records", {"packages": ["*"]}),
        ("/ods/v1/records", {"charters": ["*", AN_INSTANCE]}),
        ("/ods/v1/records", {"rotations": ["*", "*"]}),
        ("/ods/v1/records", {"packages": "all"}),
        ("/ods/v1/records", {"packages": [A_PACKAGE + "\n"]}),
        ("/ods/v1/records", [A_PACKAGE]),
        ("/ods/v1/records", b"{"),
        ("/ods/v1/records", b"[" * 60_000),
        ("/ods/v1/records", {"packages": [7]}),
        ("/ods/v1/holdings", {}),
        ("/ods/v1/holdings", {"packages": [A_PACKAGE] * 201}),
        ("/ods/v1/holdings", {"packages": ["../etc/passwd"]}),
        ("/ods/v1/announcements", {"epoch": "e"}),
        ("/ods/v1/announcements", {"epoch": "e" * 65, "seq": 1}),
        ("/ods/v1/announcements", {"epoch": "e", "seq": -1}),
        ("/ods/v1/announcements", {"epoch": "e", "seq": True}),
        ("/ods/v1/announcements", {"epoch": "e", "seq": 1 << 60}),
    ],
)
def test_a_body_that_is_not_as_described_is_refused(tmp_path: Path, target: str, body: Any) -> None:
    """400 with the code, and nobody is asked."""
    peer, services = a_door(tmp_path)

    answer = peer.ask("POST", target, body)

    assert (answer.status_code, answer.json and answer.json["code"]) == (400, "BODY_INVALID")
    assert [(service, method) for service, method, _ in services.asked] == [("replication", "authenticate")]


def test_a_body_over_the_limit_is_refused(tmp_path: Path) -> None:
    """413, before it is read."""
    peer, services = a_door(tmp_path)

    assert peer.ask("POST", "/ods/v1/records", b" " * (64 * 1024 + 1)).status_code == 413
    assert services.asked == []


def test_holdings_tell_how_much_of_the_missing_is_here(tmp_path: Path) -> None:
    """Replication is asked only about what is not here as a whole."""
    other = A_PACKAGE.replace("6", "7")
    held = {A_PACKAGE: {"state": "published", "bytes_here": True}, other: {"state": "wanted", "bytes_here": False}}
    peer, services = a_door(tmp_path, storage__read_holdings={"packages": held}, replication__transfer_progress={other: 40})

    told = peer.signed_answer("POST", "/ods/v1/holdings", {"packages": [A_PACKAGE, other]})["packages"]

    assert {package_id: holding["percent"] for package_id, holding in told.items()} == {A_PACKAGE: None, other: 40}
    assert services.arguments("storage", "read_holdings") == [{"package_ids": [A_PACKAGE, other], "tags": ["test"]}]
    assert services.arguments("replication", "transfer_progress") == [{"package_ids": [other]}]


def test_buckets_are_of_what_both_sides_may_see(tmp_path: Path) -> None:
    """The view's tags, and those that the asker shows; the epoch is the one that the peer sees in the feed."""
    digests = {"epoch": "e", "buckets": ["0" * 64] * 256}
    view = {**VIEW, "number": 3}
    answers = {"replication__authenticate": {"peer_id": "P", "view": view}, "storage__digest_buckets": digests}
    peer, services = a_door(tmp_path, **answers, storage__list_bucket={"items": []})

    assert peer.signed_answer("GET", "/ods/v1/buckets?tags=b,a") == {**digests, "epoch": "e.3", "tags": ["test"]}
    assert peer.signed_answer("GET", "/ods/v1/buckets/255?tags=*") == {"items": []}
    assert services.arguments("storage", "digest_buckets") == [{"shown": ["test"], "seen": ["a", "b"]}]
    assert services.arguments("storage", "list_bucket") == [{"bucket": 255, "shown": ["test"], "seen": ["*"]}]


@pytest.mark.parametrize("number", ["256", "-1", "x", "00", "9" * 5000, "1.0"])
def test_there_is_no_other_bucket(tmp_path: Path, number: str) -> None:
    """404."""
    peer, _ = a_door(tmp_path)

    assert peer.ask("GET", f"/ods/v1/buckets/{number}").status_code == 404


@pytest.mark.parametrize("tags", ["UPPER", "a%20b", ",".join(f"t{n}" for n in range(33)), "%00"])
def test_tags_that_are_none_are_refused(tmp_path: Path, tags: str) -> None:
    """400 with the code of a query."""
    peer, _ = a_door(tmp_path)

    answer = peer.ask("GET", f"/ods/v1/buckets?tags={tags}")

    assert (answer.status_code, answer.json and answer.json["code"]) == (400, "QUERY_INVALID")


@pytest.mark.parametrize("what", ["manifest", "chunk-digests", "content", "have"])
def test_what_a_peer_may_not_see_it_is_not_given(tmp_path: Path, what: str) -> None:
    """403 NOT_ENTITLED; storage is asked with the tags of the view."""
    refusal = Forbidden("not for you", "NOT_ENTITLED")
    peer, services = a_door(tmp_path, storage__read_manifest=refusal, storage__locate_blob=refusal)

    answer = peer.ask("GET", f"/ods/v1/packages/{A_PACKAGE}/{what}")

    assert (answer.status_code, answer.json and answer.json["code"]) == (403, "NOT_ENTITLED")
    assert services.asked[-1][2] == {"package_id": A_PACKAGE, "tags": ["test"]}


def test_a_rotation_is_judged_by_replication_alone(tmp_path: Path) -> None:
    """Whoever sends one need not be a peer under that key yet."""
    peer, services = a_door(tmp_path, replication__accept_rotation=None)

    assert peer.signed_answer("POST", "/ods/v1/rotations", {"rotation": "cg=="}) == {}
    assert services.arguments("replication", "accept_rotation")[0]["request"]["body"] == '{"rotation": "cg=="}'


@pytest.mark.parametrize("error", [Unauthenticated("no"), RecordRefused("no"), Forbidden("no")])
def test_a_rotation_that_is_refused_learns_nothing(tmp_path: Path, error: Exception) -> None:
    """The constant 401."""
    peer, _ = a_door(tmp_path, replication__accept_rotation=error)

    answer = peer.ask("POST", "/ods/v1/rotations", {"rotation": "cg=="})

    assert (answer.status_code, answer.json and answer.json["code"]) == (401, "UNAUTHENTICATED")


def _rotation(old: InstanceKey, new: InstanceKey) -> str:
    stamp = Stamp.of(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    rotation = Rotation(old.instance_id, old.public_bytes, new.instance_id, new.public_bytes, stamp)
    return base64.b64encode(old.sign_rotation(rotation, new)).decode()


def test_whoever_asks_for_a_former_key_is_told_of_the_next(tmp_path: Path) -> None:
    """One step at a time; a key that was never ours is the constant 401, and storage is not asked each time."""
    oldest, older, stranger = InstanceKey.generate(), InstanceKey.generate(), InstanceKey.generate()
    peer, services = a_door(tmp_path, replication__authenticate=Unauthenticated("meant for another"))
    steps = [_rotation(oldest, older), _rotation(older, peer.gateway_key)]
    services.answers["storage__read_former_keys"] = {"rotations": [*steps, _rotation(stranger, InstanceKey.generate())]}

    answers = [peer.ask("GET", CHANGES, **{"Ods-Recipient": str(key.instance_id)}) for key in (oldest, older, stranger)]

    assert [(answer.status_code, answer.json["code"], answer.json.get("rotation")) for answer in answers if answer.json] == [
        (409, "KEY_ROTATED", steps[0]),
        (409, "KEY_ROTATED", steps[1]),
        (401, "UNAUTHENTICATED", None),
    ]
    assert len(services.arguments("storage", "read_former_keys")) == 1


@pytest.mark.parametrize("recipient", ["", "x", "A" * 51, "a" * 52, None])
def test_only_a_well_formed_id_of_another_makes_the_gateway_look(tmp_path: Path, recipient: str | None) -> None:
    """Anything else, and our own id, is refused without asking storage."""
    peer, services = a_door(tmp_path, replication__authenticate=Unauthenticated("no"))

    answer = peer.ask("GET", CHANGES, **({} if recipient is None else {"Ods-Recipient": recipient}))

    assert answer.status_code == 401
    assert services.arguments("storage", "read_former_keys") == []


@pytest.mark.parametrize("state", ["active", "revoked"])
def test_a_peer_that_is_revoked_in_the_middle_of_an_answer_gets_no_more(
    tmp_path: Path, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at after each 64 MiB, here after four bytes; what is no longer is sent in one go, by the kernel or by nginx."""
    monkeypatch.setattr(sending, "WATCHED_BYTES", 4)
    monkeypatch.setattr(sending, "_BLOCK", 2)
    digest = hashlib.sha256(b"ten bytes!").hexdigest()
    blob = Layout(tmp_path).blob(Digest("sha256", digest))
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"ten bytes!")
    found = {"sha256": digest, "size": 10, "created": "2026-11-23T00:00:00+00:00"}
    listed = {"items": [{"peer_id": "P", "state": state}, {"peer_id": "Q", "state": "active"}]}
    peer, services = a_door(tmp_path, storage__locate_blob=found, replication__list_peers=listed)
    content = f"/ods/v1/packages/{A_PACKAGE}/content"

    assert peer.ask("GET", content, Range="bytes=6-").data == b"tes!"
    assert services.arguments("replication", "list_peers") == []
    if state == "active":
        assert peer.ask("GET", content).data == b"ten bytes!"
        assert len(services.arguments("replication", "list_peers")) == 2
        return
    with pytest.raises(ConnectionResetError):
        peer.ask("GET", content).get_data()
    assert len(services.arguments("replication", "list_peers")) == 1
