"""Claims about live events inside of the gateway: what is kept, who may have what, and what becomes of those who do not read."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.api_gateway.live import reader as reading
from services.api_gateway.live.counts import Counts
from services.api_gateway.live.reader import Reader, Start
from services.api_gateway.live.ring import Ring
from services.api_gateway.live.seats import Seats
from services.api_gateway.live.told import Told, read
from services.api_gateway.live.watching import Watch
from services.api_gateway.live.wishes import Allowed, Wish
from shared.contracts.catalogue import example_of
from shared.contracts.events import ALL
from shared.core.errors import OdstError, ServiceUnavailable, TooMany, Unauthenticated
from shared.testing.event_stream import parse
from tests.unit.gateway.gateway_fakes import ToldServices, a_gateway

ADMIN = {"person": "ada", "role": "administrator", "rights": {"view": None, "audit": None, "upload": None}}
VIEWER = {"person": "vera", "role": "viewer", "rights": {"self": None, "view": None}}
NARROWED = {"person": "nina", "role": "uploader", "rights": {"self": None, "view": None, "upload": ["test"]}}
MANY = 1 << 30


def an_event(event_type: str = "package.published.v1", event_id: str | None = None, **data: Any) -> Told:
    """The golden example as it comes from the bus, with other data."""
    example = example_of(event_type)
    told = read(json.dumps({**example, "id": event_id or str(uuid.uuid4()), "data": example["data"] | data}).encode())
    assert told is not None
    return told


@pytest.mark.parametrize("event_type", sorted(ALL))
def test_every_event_becomes_one_well_formed_message(event_type: str) -> None:
    """With its id and type, and its envelope as it was said."""
    example = example_of(event_type)

    (got,) = parse(an_event(event_type, example["id"]).frame.decode())

    assert (got.event_id, got.event, got.document) == (example["id"], event_type, example)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\xff",
        json.dumps(example_of("peer.changed.v1") | {"type": "a.b\ndata: forged"}).encode(),
        json.dumps(example_of("peer.changed.v1") | {"id": "1\n\nevent: x"}).encode(),
        json.dumps(example_of("peer.changed.v1") | {"data": {"x": "y" * 300_000}}).encode(),
    ],
)
def test_what_is_no_event_is_told_to_nobody(body: bytes) -> None:
    """Whatever stands on the bus, nobody forges a message of the stream with it."""
    assert read(body) is None


def test_text_in_an_event_cannot_end_its_message() -> None:
    """Line ends in a name stay within the JSON."""
    (got,) = parse(an_event(name="a\n\nevent: forged\r\ndata: {}\u2028").frame.decode())

    assert got.data["name"] == "a\n\nevent: forged\r\ndata: {}\u2028"


def test_an_event_that_only_newer_services_know_is_for_auditors() -> None:
    """Nobody knows what is in it."""
    newer = read(json.dumps(example_of("peer.changed.v1") | {"type": "vault.opened.v1"}).encode())

    assert newer is not None
    assert Allowed.to(ADMIN).lets(newer)
    assert not Allowed.to(VIEWER).lets(newer)


def test_who_may_only_look_is_not_told_what_auditors_read() -> None:
    """The right stands with the event's class."""
    told = {event_type: Allowed.to(VIEWER).lets(an_event(event_type)) for event_type in ALL}

    assert {event_type for event_type, may in told.items() if not may} == {one.type for one in ALL.values() if one.right == "audit"}


@pytest.mark.parametrize(
    ("tags", "may"), [(["test"], True), (["test", "production"], True), (["production"], False), ([], False), (None, False)]
)
def test_who_has_only_narrowed_grants_is_told_of_packages_within_them(*, tags: list[str] | None, may: bool) -> None:
    """A package without tags goes everywhere and is within none; what does not say its tags is not told."""
    assert Allowed.to(NARROWED).lets(an_event(tags=tags)) is may
    assert Allowed.to(VIEWER).lets(an_event(tags=tags))
    assert Allowed.to({**NARROWED, "role": "uploader, viewer"}).lets(an_event(tags=tags))


def test_narrowed_grants_hide_nothing_but_packages() -> None:
    """A promotion is told of by its stage; peers are not narrowed anywhere."""
    nina = Allowed.to(NARROWED)

    assert nina.lets(an_event("peer.changed.v1"))
    assert nina.lets(an_event("promotion.requested.v1", stage="test"))
    assert not nina.lets(an_event("promotion.requested.v1", stage="production"))
    assert not nina.lets(an_event("package.hashed.v1"))


def test_wishes_narrow_together() -> None:
    """Types, names and tags: all that is given must be so."""
    told = an_event(name="App.pkg", tags=["test"])

    assert Wish().wants(told)
    assert Wish(("package.*",), {"App.pkg"}, {"test", "production"}).wants(told)
    assert not Wish(("peer.*",)).wants(told)
    assert not Wish(("package.*",), {"Other.pkg"}).wants(told)
    assert not Wish(tags={"production"}).wants(told)
    assert not Wish(names={"Hamburg"}).wants(an_event("peer.changed.v1", name="Hamburg"))


def test_the_ring_keeps_the_latest_and_knows_each_once() -> None:
    """By number and by bytes; what is told twice is kept once; who was at what is forgotten is lost."""
    ring, told = Ring(3, MANY), [an_event(event_id=str(uuid.uuid4())) for _ in range(5)]
    ring.anchor("begin")

    assert (ring.after("begin"), ring.id_before(0)) == (0, "begin")
    assert [ring.add(one) for one in [*told, told[-1]]] == [True] * 5 + [False]
    assert list(ring.since(0)) == told[2:]
    assert (ring.first, ring.after(told[2].event_id or ""), ring.after(told[4].event_id or "")) == (2, 3, 5)
    assert {ring.after(lost) for lost in (told[1].event_id or "", "begin", "never")} == {None}
    assert ring.id_before(ring.end) == told[-1].event_id


def test_the_ring_has_a_limit_in_bytes() -> None:
    """However many events would fit."""
    ring = Ring(1000, 5 * len(an_event().frame))

    for _ in range(50):
        ring.add(an_event())

    assert ring.end - ring.first == 5


def test_seats_are_counted_by_person_and_in_all() -> None:
    """And are free again when somebody leaves."""
    seats = Seats(3, 2)
    seats.take("ada")
    seats.take("ada")

    with pytest.raises(TooMany) as too_many:
        seats.take("ada")
    seats.take("ben")
    with pytest.raises(ServiceUnavailable) as full:
        seats.take("cai")
    seats.give_back("ada")
    seats.take("cai")

    assert (too_many.value.code, full.value.code, seats.taken) == ("TOO_MANY_READERS", "READERS_FULL", 3)


class Pair:
    """A reader and the other end of its connection."""

    def __init__(self, ring: Ring, **start: Any) -> None:
        """A small buffer, so that one that does not read is noticed soon."""
        self.ring, self.left, self.now, self.counts = ring, 0, 0.0, Counts()
        ours, self.theirs = socket.socketpair()
        begin = Start(ring.end, b": begin\n\n", **{"chunked": False, **start})
        self.reader = Reader(Allowed.to(ADMIN), Wish(), begin, self.counts, self._leave)
        self.reader.begin(ours, 0.0)
        self.theirs.settimeout(10)

    def _leave(self) -> None:
        self.left += 1

    def advance(self, now: float | None = None) -> bool:
        """One turn, at this time or that of the turn before."""
        self.now = self.now if now is None else now
        return self.reader.advance(self.ring, self.now, heartbeat=15.0)

    def read(self) -> str:
        """All that was sent, while turns go on, until nothing more comes."""
        self.theirs.setblocking(False)  # noqa: FBT003 - its only argument
        found = b""
        while True:
            try:
                found += self.theirs.recv(1 << 20)
            except BlockingIOError:
                return found.decode()
            self.advance()


@pytest.fixture
def ring() -> Ring:
    """Room for a hundred events."""
    return Ring(100, MANY)


@pytest.fixture
def pair(ring: Ring) -> Iterator[Pair]:
    """A reader."""
    made = Pair(ring)
    yield made
    made.reader.close()
    made.theirs.close()


def test_a_reader_that_does_not_read_is_told_and_cut_and_nothing_is_kept_for_it(pair: Pair, ring: Ring) -> None:
    """When the ring forgets what comes next for it. What it has on its way is one portion, however much happens."""
    waiting = []
    for _ in range(3000):
        ring.add(an_event(reason="x" * 2000))
        stays = pair.advance()
        waiting.append(len(pair.reader._out))
        if pair.reader.ending:
            break
    got = parse(pair.read())

    assert stays
    assert max(waiting) < 2 * reading.PORTION_BYTES
    assert (got[-1].event, got[-1].data["reason"]) == ("events.ended", "READER_TOO_SLOW")
    assert not pair.advance()
    pair.reader.close()
    assert pair.counts.ended["READER_TOO_SLOW"] == 1


def test_a_reader_that_takes_nothing_for_long_is_cut(pair: Pair, ring: Ring) -> None:
    """Also if the ring has room for all that waits."""
    for _ in range(100):
        ring.add(an_event(reason="x" * 20_000))
    while not pair.reader.blocked:
        pair.advance()

    assert pair.advance(reading.STALLED_SECONDS)
    assert not pair.advance(reading.STALLED_SECONDS + 2)
    pair.reader.close()
    assert pair.counts.ended["READER_STALLED"] == 1


def test_a_quiet_stream_shows_that_it_lives_and_where_it_is(pair: Pair, ring: Ring) -> None:
    """After the heartbeat: a comment, and the id of what was passed over, so that nobody is far behind who wants little."""
    pair.reader.wish = Wish(("peer.*",))
    ring.add(an_event(event_id="0a0a0a0a-0000-4000-8000-000000000000"))
    pair.advance(1)
    pair.advance(17)
    pair.advance(40)

    got = parse(pair.read())

    assert [one.comment for one in got] == ["begin", "alive", None, "alive"]
    assert got[2].event_id == "0a0a0a0a-0000-4000-8000-000000000000"


def test_nobody_is_told_anything_while_it_is_unknown_whether_they_may(pair: Pair, ring: Ring) -> None:
    """Directory does not answer: only that the connection lives. Once it does, what waited comes."""
    pair.advance()
    ring.add(an_event())
    pair.advance(reading.TRUSTED_SECONDS + 1)
    held_back = parse(pair.read())
    pair.reader.allow(Allowed.to(ADMIN), reading.TRUSTED_SECONDS + 2)
    pair.advance(reading.TRUSTED_SECONDS + 3)

    assert [one.event for one in held_back] == ["", ""]
    assert [one.event for one in parse(pair.read())] == ["package.published.v1"]


def test_an_answer_in_chunks_has_an_end(ring: Ring) -> None:
    """So that a client can tell an end from a broken connection."""
    pair = Pair(ring, chunked=True)
    pair.reader.end("STOPPING", "x", 1.0)
    assert pair.advance() is False

    assert pair.read().endswith("\r\n0\r\n\r\n")


def test_who_may_not_any_more_is_found_out_and_silence_of_directory_says_nothing() -> None:
    """One question for each credential; a refusal ends, an outage does not."""
    answers: dict[str, Any] = {"one": ADMIN, "two": Unauthenticated("gone")}
    asked: list[str] = []

    class Credential:
        def __init__(self, name: str) -> None:
            self.name = name

        def principal(self, _services: Any, _right: str) -> dict[str, Any]:
            asked.append(self.name)
            if isinstance(answers[self.name], Exception):
                raise answers[self.name]
            found: dict[str, Any] = answers[self.name]
            return found

    told: dict[str, Any] = {}
    watch, one = Watch(None, 20, told.__setitem__), Credential("one")
    for key, credential in (("a", one), ("b", one), ("c", Credential("two"))):
        watch.add(key, credential)
    watch.ask()

    assert sorted(asked) == ["one", "two"]
    assert (told["a"], told["b"]) == (Allowed.to(ADMIN), Allowed.to(ADMIN))
    assert isinstance(told["c"], OdstError)
    answers["one"] = answers["two"] = ServiceUnavailable("away")
    told.clear()
    watch.ask()
    assert told == {}


def test_the_door_tells_what_is_known_and_refuses_what_means_nothing(tmp_path: Path) -> None:
    """`live=false` is an answer that ends; patterns that mean no event are a mistake."""
    gateway = a_gateway(tmp_path, ToldServices(directory__authorize=VIEWER))
    live = gateway.client.application.extensions["odst_live"]
    for event_type in ("package.published.v1", "door.acted.v1", "peer.changed.v1"):
        live.heard(json.dumps(example_of(event_type)).encode())
    headers = {"Authorization": "Bearer x"}

    whole = gateway.client.get("/api/v1/events?live=false", headers=headers)
    some = gateway.client.get("/api/v1/events?live=false&types=peer.*", headers=headers)
    unknown = gateway.client.get("/api/v1/events?live=false", headers={**headers, "Last-Event-ID": "x"})
    refused = gateway.client.get("/api/v1/events?types=nothing.*", headers=headers)

    assert whole.content_type == "text/event-stream"
    assert (whole.headers["Cache-Control"], whole.headers["X-Accel-Buffering"]) == ("no-store", "no")
    assert [one.event for one in parse(whole.text)] == ["package.published.v1", "peer.changed.v1"]
    assert [one.event for one in parse(some.text)] == ["peer.changed.v1"]
    assert [one.event for one in parse(unknown.text)] == ["events.lost", "package.published.v1", "peer.changed.v1"]
    assert (refused.status_code, (refused.json or {})["code"]) == (400, "EVENT_PATTERN_INVALID")
