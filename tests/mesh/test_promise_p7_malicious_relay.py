"""Promise P7: a relay that edits, re-signs, strips, rolls back or freezes is refused, or raises an alarm, and changes nothing.

An honest origin, an honest receiver, and between them a hop with a registered key of its own. The direct link between the two
is closed while the hop lies; what is true arrives by it afterwards.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from shared.core.charter import ROTATION_TYPE, Charter, Rotation
from shared.core.clock import Stamp
from shared.core.meta import PAYLOAD_TYPE as META_TYPE
from shared.core.meta import MetaField, MetaRecord
from shared.runtime.broker import PrivateBroker
from shared.runtime.keys import InstanceKey, seal, trusted_charter
from shared.testing.chaos_proxy import ChaosProxy
from shared.testing.instance import Instance
from shared.testing.peer import PeerPackage, TestPeer
from shared.testing.relay import Relay, edited, only, resigned
from shared.testing.sites import (
    audited,
    download,
    id_of,
    join,
    package_at,
    peer_at,
    pull,
    put,
    retag,
    running,
    wait_audited,
    wait_package,
    wait_published,
)
from shared.testing.waiting import wait_for

pytestmark = [pytest.mark.mesh, pytest.mark.slow, pytest.mark.promise("P7")]
QUICK = {"ODST_CHARTER_SECONDS": "3", "ODST_POLL_SECONDS": "2"}
UNAUTHENTICATED = 401


@dataclass(frozen=True)
class Sites:
    """Two honest instances and the direct link between them."""

    origin: Instance
    receiver: Instance
    link: ChaosProxy

    @contextmanager
    def parted(self) -> Iterator[None]:
        """Nothing reaches the receiver but by hops; afterwards it reads from the origin again."""
        self.link.refusing = True
        self.link.cut()
        try:
            yield
        finally:
            self.link.refusing = False
            pull(self.receiver)


@pytest.fixture(scope="module")
def sites(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """The receiver joined the origin."""
    folder = tmp_path_factory.mktemp("p7")
    origin, receiver = (Instance(name, folder / name, broker.uri(next(vhost_names)), settings=QUICK) for name in ("Origin", "Receiver"))
    with ChaosProxy(origin.port) as link:
        origin.settings["ODST_PUBLIC_URL"] = link.url
        with running(origin, receiver):
            join(receiver, origin)
            yield Sites(origin, receiver, link)


@pytest.fixture
def hop(sites: Sites) -> Iterator[Relay]:
    """A peer of the origin, which the receiver does not know yet; of neither afterwards."""
    with Relay(f"Relay {secrets.token_hex(3)}", sites.origin) as one:
        yield one
        for instance in (sites.receiver, sites.origin):
            instance.api("DELETE", f"/peers/{one.instance_id}", expect=204)


@pytest.fixture
def relay(sites: Sites, hop: Relay) -> Relay:
    """A hop that is a peer of both."""
    hop.join(sites.receiver)
    return hop


def _refused(sites: Sites, relay: TestPeer, record_id: object, code: str) -> None:
    """The receiver refused what the hop says, and wrote that down."""
    wait_audited(sites.receiver, "record.refused.v1", peer_id=str(relay.instance_id), record_id=str(record_id), code=code)


def _read_all(sites: Sites, relay: TestPeer) -> None:
    """Until the receiver has taken whatever the hop showed before now: it has a package that comes last in the feed."""
    last = relay.publish(f"Last-{secrets.token_hex(4)}.pkg", b"the last word")
    relay.announce(sites.receiver)
    wait_published(last.package_id, sites.receiver)


def _show(sites: Sites, relay: Relay, change: Any) -> None:
    relay.change = change
    relay.read_origin()
    relay.announce(sites.receiver)


def _meta(package: PeerPackage, author: InstanceKey, field: MetaField, *, value: tuple[str, ...] | bool) -> MetaRecord:
    now = Stamp.of(dt.datetime.now(dt.UTC))
    return MetaRecord(package.package_id, field, value, now, author.instance_id, author.public_bytes, "mallory")


def test_edited_records_are_refused(sites: Sites, relay: Relay) -> None:
    """P7: a manifest or a meta record of which one field was changed on the way is not its author's any more."""
    origin, receiver = sites.origin, sites.receiver
    with sites.parted():
        changed, kept = put(origin, "Edited.pkg", b"edited"), put(origin, "Kept.pkg", b"kept")
        origin.api("DELETE", f"/packages/{kept}")
        origin.api("POST", f"/packages/{kept}/undelete")

        def edit(package: PeerPackage) -> PeerPackage:
            if package.package_id == changed:
                return replace(package, envelope=edited(package.envelope, name="Bank.pkg"))
            return only(kept, meta=tuple(edited(one, value=True) for one in package.meta))(package)

        _show(sites, relay, edit)
        _refused(sites, relay, changed, "MANIFEST_INVALID")
        _refused(sites, relay, kept, "RECORD_INVALID")
        _read_all(sites, relay)
        assert package_at(receiver, changed) is None
        assert (download(receiver, "Edited.pkg"), download(receiver, "Bank.pkg")) == (None, None)
        wait_package(receiver, kept, state="published", deleted=None)
    wait_published(changed, receiver)
    assert download(receiver, "Edited.pkg") == b"edited"


def test_records_that_the_relay_signed_itself_are_refused(sites: Sites, relay: Relay) -> None:
    """P7: a manifest in the origin's name, an id that the origin minted, another's charter: with the relay's signature they are void."""
    origin, receiver = sites.origin, sites.receiver
    with sites.parted():
        forged, claimed = put(origin, "Forged.pkg", b"forged"), put(origin, "Claimed.pkg", b"claimed")

        def forge(package: PeerPackage) -> PeerPackage:
            if package.package_id == forged:
                return replace(package, envelope=resigned(package.envelope, relay.key))
            mine = replace(package.manifest, origin=relay.instance_id, origin_key=relay.key.public_bytes)
            return only(claimed, envelope=relay.key.sign_manifest(mine))(package)

        _show(sites, relay, forge)
        relay.catalogue.charters[:] = [resigned(edited(one, stewards=[]), relay.key) for one in relay.catalogue.charters]
        for package_id in (forged, claimed):
            _refused(sites, relay, package_id, "MANIFEST_INVALID")
        _read_all(sites, relay)
        assert (package_at(receiver, forged), package_at(receiver, claimed)) == (None, None)
        assert download(receiver, "Claimed.pkg") is None
    for package_id in (forged, claimed):
        wait_published(package_id, receiver)
        assert (package_at(receiver, package_id) or {})["origin"] == id_of(origin)


def test_who_is_no_steward_deletes_and_tags_nothing(sites: Sites, relay: Relay) -> None:
    """P7: well-formed tombstones and tags with the relay's own name; also if it adds a charter that makes it a steward."""
    origin, receiver = sites.origin, sites.receiver
    deleted, tagged, own = (put(origin, f"{name}.pkg", name.encode()) for name in ("Deleted", "Tagged", "InItsName"))
    for package_id in (deleted, tagged, own):
        wait_published(package_id, receiver)
    with sites.parted():

        def write(package: PeerPackage) -> PeerPackage:
            records = {
                deleted: _signed(_meta(package, relay.key, MetaField.DELETED, value=True), relay),
                tagged: _signed(_meta(package, relay.key, MetaField.TAGS, value=("production",)), relay),
                own: _signed(_in_name_of_origin(_meta(package, relay.key, MetaField.DELETED, value=True), package), relay),
            }
            return replace(package, meta=(records[package.package_id],)) if package.package_id in records else package

        relay.change = write
        relay.read_origin()
        relay.catalogue.charters[:] = [_naming(one, relay) for one in relay.catalogue.charters]
        relay.announce(receiver)
        _refused(sites, relay, deleted, "RECORD_REFUSED")
        _refused(sites, relay, tagged, "RECORD_REFUSED")
        _refused(sites, relay, own, "RECORD_INVALID")
        _read_all(sites, relay)
    for package_id in (deleted, tagged, own):
        wait_package(receiver, package_id, state="published", deleted=None, tags=[])
    assert [download(receiver, f"{name}.pkg") for name in ("Deleted", "Tagged")] == [b"Deleted", b"Tagged"]
    origin.api("DELETE", f"/packages/{deleted}")
    wait_package(receiver, deleted, state="deleted")


def _signed(record: MetaRecord, relay: Relay) -> bytes:
    return seal(record.payload(), META_TYPE, relay.key)


def _in_name_of_origin(record: MetaRecord, package: PeerPackage) -> MetaRecord:
    return replace(record, author=package.manifest.origin, author_key=package.manifest.origin_key)


def _naming(envelope: bytes, relay: Relay) -> bytes:
    """The same charter, naming the relay as a steward, a second later, and signed by the relay."""
    charter: Charter = trusted_charter(envelope)
    later = Stamp(charter.stamp.milliseconds + 1000)
    return relay.key.sign_charter(replace(charter, stewards=(*charter.stewards, (relay.instance_id, None)), stamp=later))


def test_stripped_tombstones_and_tags_raise_the_census_alarm(sites: Sites, relay: Relay) -> None:
    """P7: the origin says how much it wrote; what a hop leaves away is missed, and arrives by another path."""
    origin, receiver = sites.origin, sites.receiver
    deleted, narrowed = put(origin, "ToDelete.pkg", b"to delete"), put(origin, "ToNarrow.pkg", b"to narrow")
    for package_id in (deleted, narrowed):
        wait_published(package_id, receiver)
    before = len(audited(receiver, "census.differed.v1", instance_id=id_of(origin)))
    with sites.parted():
        origin.api("DELETE", f"/packages/{deleted}")
        retag(origin, narrowed, "production")
        relay.change = lambda package: replace(package, meta=()) if package.package_id in (deleted, narrowed) else package
        relay.follows = True
        relay.announce(receiver)
        wait_audited(receiver, "census.differed.v1", more_than=before, instance_id=id_of(origin))
        wait_package(receiver, deleted, deleted=None)
    wait_package(receiver, deleted, state="deleted")
    wait_package(receiver, narrowed, state="withheld")


def test_records_that_were_overtaken_change_nothing(sites: Sites, hop: Relay, author: TestPeer) -> None:
    """P7: an older tag, an older charter, an older revision of a manifest: all rightly signed, and all of yesterday."""
    origin, receiver = sites.origin, sites.receiver
    package_id, revised = put(origin, "Yesterday.pkg", b"yesterday"), author.publish("Revised.pkg", b"revised")
    retag(origin, package_id, "test")
    hop.read_origin()
    hop.adopt(revised)
    author.packages[:] = [_second_revision(author, revised)]
    author.announce(receiver)
    retag(origin, package_id)
    wait_package(receiver, revised.package_id, state="published", revision=2)
    wait_package(receiver, package_id, state="published", tags=[])
    with sites.parted():
        issued = _issued(receiver, origin)
        hop.join(receiver)
        _read_all(sites, hop)
        assert [asked for asked in hop.asked if asked.path == "/ods/v1/records"], "the receiver looked at what the relay has"
        wait_package(receiver, package_id, state="published", tags=[])
        wait_package(receiver, revised.package_id, state="published", revision=2)
        assert _issued(receiver, origin) >= issued


def _second_revision(author: TestPeer, package: PeerPackage) -> PeerPackage:
    manifest = replace(package.manifest, revision=2)
    return replace(package, manifest=manifest, envelope=author.key.sign_manifest(manifest))


def _issued(instance: Instance, of: Instance) -> str:
    known = instance.api("GET", "/instances").json()["items"]
    return str(next(one["issued"] for one in known if one["instance_id"] == id_of(of)))


def test_a_frozen_feed_raises_the_alarm(sites: Sites, relay: Relay) -> None:
    """P7: a hop that shows the same for ever, as if nothing happened: the origin's charter grows old."""
    origin, receiver = sites.origin, sites.receiver
    wait_for(lambda: not _is_stale(receiver, origin), "the origin is heard of")
    before = len(audited(receiver, "instance.stale.v1", instance_id=id_of(origin)))
    with sites.parted():
        relay.read_origin()
        relay.announce(receiver)
        news = put(origin, "News.pkg", b"news")
        wait_audited(receiver, "instance.stale.v1", more_than=before, instance_id=id_of(origin))
        assert package_at(receiver, news) is None
    wait_published(news, receiver)
    wait_for(lambda: not _is_stale(receiver, origin), "the origin is heard of again")


def _is_stale(instance: Instance, of: Instance) -> bool:
    known = instance.api("GET", "/instances").json()["items"]
    return any(one["stale"] for one in known if one["instance_id"] == id_of(of))


def test_a_feed_that_goes_back_raises_the_alarm(sites: Sites, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """P7: a feed that ends before what it told earlier is an alarm; it is read anew, and nothing that was learned is lost."""
    receiver = sites.receiver
    kept = relay.publish("Told.pkg", b"told")
    _read_all(sites, relay)
    with monkeypatch.context() as patch:
        patch.setattr(relay, "changes", lambda epoch, since, limit: {**_empty(relay), "next": 0})  # noqa: ARG005 - as it is called
        relay.announce(receiver)
        wait_audited(receiver, "peer.feed_went_back.v1", peer_id=str(relay.instance_id))
    _read_all(sites, relay)
    wait_published(kept.package_id, receiver)


def _empty(relay: TestPeer, epoch: str | None = None) -> dict[str, Any]:
    return {"protocol": 2, "epoch": epoch or relay.catalogue.epoch, "items": [], "next": 0, "more": False}


def test_a_feed_that_begins_anew_for_ever_stops_nobody(sites: Sites, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """P7: another epoch with each page is told as an error of that peer; the others are heard all the while."""
    origin, receiver = sites.origin, sites.receiver
    with monkeypatch.context() as patch:
        patch.setattr(relay, "changes", lambda *_: {**_empty(relay, secrets.token_hex(8)), "more": True})
        relay.announce(receiver)
        wait_for(lambda: "anew" in str(peer_at(receiver, relay.name)["last_error"]), "the receiver says what is wrong with the feed")
        wait_published(put(origin, "Through.pkg", b"through"), receiver)
    _read_all(sites, relay)


def test_a_rotation_that_only_the_new_key_signed_is_refused(sites: Sites, relay: Relay, author: TestPeer) -> None:
    """P7: nobody becomes another instance by saying so, neither in a feed nor at the door."""
    thief = InstanceKey.generate()
    claim = seal(_rotation(author.key, thief).payload(), ROTATION_TYPE, thief)
    relay.catalogue.rotations.append(claim)
    relay.announce(sites.receiver)
    wait_audited(sites.receiver, "record.refused.v1", peer_id=str(relay.instance_id), kind="rotation", code="RECORD_INVALID")

    assert _knock(sites, author, thief, claim) == UNAUTHENTICATED
    assert (_may_ask(sites, author, thief), _may_ask(sites, author, author.key)) == (False, True)


def test_a_stolen_old_key_turns_nobody_away(sites: Sites, relay: Relay, author: TestPeer) -> None:
    """P7: the key was replaced; whoever finds the old one later can neither rotate it again, nor ask, nor write with it."""
    stolen, fresh, thief = author.key, InstanceKey.generate(), InstanceKey.generate()
    package = author.publish("Authors.pkg", b"the author's")
    author.catalogue.rotations.append(stolen.sign_rotation(_rotation(stolen, fresh), fresh))
    author.announce(sites.receiver)
    wait_for(lambda: _may_ask(sites, author, fresh), "the receiver knows the new key")
    author.key = fresh
    wait_published(package.package_id, sites.receiver)

    rival = stolen.sign_rotation(_rotation(stolen, thief), thief)
    relay.catalogue.rotations.append(rival)
    relay.adopt(package)
    relay.tell(package, MetaField.DELETED, value=True, author=stolen)
    relay.announce(sites.receiver)
    wait_audited(sites.receiver, "record.refused.v1", peer_id=str(relay.instance_id), kind="rotation", code="RECORD_REFUSED")
    _refused(sites, relay, package.package_id, "RECORD_REFUSED")
    assert _knock(sites, author, thief, rival) == UNAUTHENTICATED
    assert [_may_ask(sites, author, key) for key in (stolen, thief, fresh)] == [False, False, True]
    wait_package(sites.receiver, package.package_id, state="published", deleted=None)


@pytest.fixture
def author(sites: Sites) -> Iterator[TestPeer]:
    """An honest peer of the receiver with a package and a key of its own."""
    with TestPeer(f"Author {secrets.token_hex(3)}") as peer:
        peer.join(sites.receiver)
        yield peer
        sites.receiver.api("DELETE", f"/peers/{peer.instance_id}", expect=204)


def _rotation(old: InstanceKey, new: InstanceKey) -> Rotation:
    return Rotation(old.instance_id, old.public_bytes, new.instance_id, new.public_bytes, Stamp.of(dt.datetime.now(dt.UTC)))


def _knock(sites: Sites, peer: TestPeer, key: InstanceKey, rotation: bytes) -> int:
    """Tell the receiver a rotation at its door; the status of its answer."""
    body = json.dumps({"rotation": base64.b64encode(rotation).decode()}).encode()
    return peer.request(sites.receiver, "POST", "/ods/v1/rotations", body, key=key).status_code


def _may_ask(sites: Sites, peer: TestPeer, key: InstanceKey) -> bool:
    status = peer.request(sites.receiver, "GET", "/ods/v1/status", key=key).status_code
    assert status in (200, UNAUTHENTICATED)
    return status != UNAUTHENTICATED
