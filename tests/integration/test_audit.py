"""Claims about the audit log of whole instances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.contracts.events import Envelope, PeerRevokedV1
from shared.core.audit_chain import Link
from shared.runtime.bus.dispatcher import publish_event
from shared.runtime.bus.settings import BusSettings
from shared.testing.instance import Instance
from shared.testing.waiting import wait_for

GHOST = "A" * 52


def audit_of(instance: Instance) -> list[dict[str, Any]]:
    """What an administrator reads, newest first."""
    items: list[dict[str, Any]] = instance.api("GET", "/audit?limit=1000").json()["items"]
    return items


def told_by_services(instance: Instance) -> list[dict[str, Any]]:
    """The same without what was done at the doors."""
    return [entry for entry in audit_of(instance) if entry["source"] != "api_gateway"]


def written_down(instance: Instance, event_type: str, subject: str) -> list[dict[str, Any]]:
    """Entries of one type about one subject, once there is one."""

    def found() -> list[dict[str, Any]]:
        return [entry for entry in audit_of(instance) if (entry["type"], entry["subject"]) == (event_type, subject)]

    return wait_for(found, f"{event_type} about {subject} is in the audit log of {instance.name}") or []


def publish(instance: Instance, *envelopes: Envelope) -> None:
    """Put events on the bus of an instance, as its replication would."""
    publisher = BusSettings(instance.settings["ODST_AMQP_URI"]).publisher("replication")
    for envelope in envelopes:
        publish_event(publisher, envelope)
    publisher.close()


def test_what_became_of_a_peer_is_in_the_audit_log(make_instance: Callable[..., Instance]) -> None:
    """Registration and revocation, once each, on the instance that did it; later ones stand above earlier ones."""
    berlin, bonn = (make_instance(name).start() for name in ("Berlin", "Bonn"))
    berlin.wait_ready()
    peer_id = bonn.wait_ready().join(berlin)["peer_id"]
    (joined,) = written_down(bonn, "peer.registered.v1", peer_id)

    bonn.api("DELETE", f"/peers/{peer_id}", expect=None)
    (revoked,) = written_down(bonn, "peer.revoked.v1", peer_id)

    assert joined["data"]["name"] == "Berlin"
    assert (joined["source"], revoked["source"]) == ("replication", "replication")
    assert revoked["number"] > joined["number"]
    entries = audit_of(bonn)
    assert [entry["number"] for entry in entries] == list(range(len(entries), 0, -1))
    assert [entry["type"] for entry in audit_of(berlin)].count("peer.registered.v1") == 1


def test_what_is_done_at_the_doors_is_in_the_audit_log(make_instance: Callable[..., Instance]) -> None:
    """Who, what, on what, from where, and with what result; what a service did because of it has the same correlation id."""
    berlin = make_instance("Berlin").start().wait_ready()
    berlin.uploaded(berlin.upload("x.pkg", b"x"))
    berlin.api("DELETE", "/packages/x.pkg")
    berlin.api("DELETE", "/packages/nothing.pkg", expect=404)
    for _ in range(5):
        berlin.api("GET", "/tokens", headers={"Authorization": "Bearer wrong"}, expect=401)

    def acts() -> dict[str, dict[str, Any]] | None:
        found = {(entry["type"], entry["subject"]): entry for entry in audit_of(berlin)}
        wanted = [("act.upload", "x.pkg"), ("act.delete_package", "x.pkg"), ("act.delete_package", "nothing.pkg"), ("act.refused", None)]
        complete = all(key in found for key in (*wanted, ("package.deleted.v1", "x.pkg")))
        return {f"{kind} {subject}": entry for (kind, subject), entry in found.items()} if complete else None

    found = wait_for(acts, "all of it is in the audit log") or {}
    done, refused = found["act.delete_package x.pkg"], found["act.refused None"]
    assert (done["source"], done["person"], done["data"]["address"], done["data"]["status"]) == ("api_gateway", "admin", "127.0.0.1", 200)
    assert done["data"]["token_id"] in [token["token_id"] for token in berlin.api("GET", "/tokens").json()["items"]]
    assert done["correlation_id"] == found["package.deleted.v1 x.pkg"]["correlation_id"]
    assert found["act.delete_package nothing.pkg"]["data"]["code"] == "NOT_FOUND"
    assert (refused["person"], refused["data"]["status"], refused["data"]["times"]) == (None, 401, 1)
    lines = berlin.api("GET", "/audit/export?type=act.delete_package").text.splitlines()
    assert [Link.of_line(line).holds for line in lines] == [True, True]


def test_an_event_that_is_delivered_twice_is_in_the_audit_log_once(make_instance: Callable[..., Instance]) -> None:
    """Also if the second delivery comes after a restart; pages follow the cursor over all of it."""
    berlin = make_instance("Berlin").start().wait_ready()
    first, second = (Envelope.around(PeerRevokedV1(peer_id=GHOST, name=name), f"c-{name}") for name in ("Bonn", "Kiel"))
    publish(berlin, first, first)
    written_down(berlin, PeerRevokedV1.type, GHOST)
    berlin.stop("services")
    berlin.start().wait_ready()
    publish(berlin, first, second)

    both = wait_for(lambda: len(told_by_services(berlin)) == 2 and told_by_services(berlin), "both events are in the audit log")
    asked = f"/audit?limit=1&subject={GHOST}"
    top = berlin.api("GET", asked).json()
    rest = berlin.api("GET", f"{asked}&after={top['next']}").json()

    assert [entry["correlation_id"] for entry in both or []] == ["c-Kiel", "c-Bonn"]
    assert top["items"] + rest["items"] == both
    assert rest["next"] is None
    berlin.api("GET", "/audit?after=junk", expect=400)
