"""Claims about the audit log of whole instances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.contracts.events import Envelope, PeerRevokedV1
from shared.runtime.bus.handles import publish_event
from shared.runtime.bus.settings import BusSettings
from shared.testing.instance import Instance
from shared.testing.waiting import wait_for

GHOST = "A" * 52


def audit_of(instance: Instance) -> list[dict[str, Any]]:
    """What an administrator reads, newest first."""
    items: list[dict[str, Any]] = instance.api("GET", "/audit?limit=1000").json()["items"]
    return items


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
    assert [entry["number"] for entry in audit_of(bonn)] == list(range(len(audit_of(bonn)), 0, -1))
    assert [entry["type"] for entry in audit_of(berlin)].count("peer.registered.v1") == 1


def test_an_event_that_is_delivered_twice_is_in_the_audit_log_once(make_instance: Callable[..., Instance]) -> None:
    """Also if the second delivery comes after a restart; pages follow the cursor over all of it."""
    berlin = make_instance("Berlin").start().wait_ready()
    first, second = (Envelope.around(PeerRevokedV1(peer_id=GHOST, name=name), f"c-{name}") for name in ("Bonn", "Kiel"))
    publish(berlin, first, first)
    written_down(berlin, PeerRevokedV1.type, GHOST)
    berlin.stop("services")
    berlin.start().wait_ready()
    publish(berlin, first, second)

    both = wait_for(lambda: len(audit_of(berlin)) == 2 and audit_of(berlin), "both events are in the audit log")
    top = berlin.api("GET", "/audit?limit=1").json()
    rest = berlin.api("GET", f"/audit?limit=1&after={top['next']}").json()

    assert [(entry["number"], entry["correlation_id"]) for entry in both or []] == [(2, "c-Kiel"), (1, "c-Bonn")]
    assert top["items"] + rest["items"] == both
    assert rest["next"] is None
    berlin.api("GET", "/audit?after=junk", expect=400)
