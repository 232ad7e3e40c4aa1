"""Claims about witnesses of audit logs: what was signed once cannot be unsaid."""

from __future__ import annotations

import base64
import datetime as dt
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from services.replication.adapters.signatures import KeySignatures
from services.replication.domain.peer import Peer
from services.replication.domain.witnessing import (
    KEPT_CONTRADICTIONS,
    KEPT_DAYS,
    KEPT_NEWEST,
    Held,
    OwnCheckpoint,
    contradiction,
    to_forget,
)
from services.replication.handlers.witnessing import WitnessingHandlers
from shared.contracts.events import AuditContradictedV1
from shared.core.audit_chain import Position
from shared.core.checkpoint import Checkpoint, Receipt
from shared.core.errors import Conflict, OdstError, RecordInvalid
from shared.runtime.keys import InstanceKey, open_checkpoint, open_receipt
from shared.testing.builders import a_peer
from shared.testing.fakes.clock import NOON, FakeClock
from shared.testing.fakes.peer_client import FakePeerClient
from shared.testing.fakes.peers import FakePeers


def at(number: int, letter: str = "a") -> Position:
    """An entry of a log; another letter is another log."""
    return Position(number, f"{number:032x}" + letter * 32)


def told(key: InstanceKey, number: int, previous: Position | None, letter: str = "a", seconds: int | None = None) -> Checkpoint:
    """What `key` says of its log."""
    time = NOON + dt.timedelta(seconds=number if seconds is None else seconds)
    return Checkpoint(key.instance_id, key.public_bytes, at(number, letter), previous, time)


def together(functions: Sequence[Callable[[], Any]], _seconds: float) -> list[Any]:
    """One after the other; none for who refuses."""

    def answer(function: Callable[[], Any]) -> Any:
        try:
            return function()
        except OdstError:
            return None

    return [answer(function) for function in functions]


@dataclass
class Witness:
    """An instance that is told of logs, and has one itself."""

    last: OwnCheckpoint | None = None
    receipts: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """It knows one peer."""
        self.key, self.other = InstanceKey.generate(), InstanceKey.generate()
        self.peers, self.client, self.clock = FakePeers(), FakePeerClient(), FakeClock()
        sign = KeySignatures(self.key).sign_receipt
        ours = (lambda: self.last, self.keep, open_checkpoint, sign, lambda: {str(self.key.instance_id), "former"})
        self.handlers = WitnessingHandlers(self.peers, self.client, *ours, together, self.clock)
        self.peer = self.befriend(self.other)

    def befriend(self, key: InstanceKey, **fields: Any) -> Peer:
        """An active peer of version 2."""
        known = {"peer_id": key.instance_id, "public_key": key.public_bytes, "name": "Bonn", "protocol": 2}
        peer = replace(a_peer(), **known | fields)
        with self.peers.changing() as changes:
            changes.save_peer(peer)
        return peer

    def keep(self, peer_id: str, receipt: bytes) -> None:
        """As directory does."""
        self.receipts.append((peer_id, receipt))
        if self.last is not None:
            self.last = replace(self.last, witnesses=self.last.witnesses | {peer_id})

    def hear(self, checkpoint: Checkpoint, key: InstanceKey | None = None) -> Receipt:
        """The peer says this; the receipt."""
        envelope = base64.b64encode((key or self.other).sign_checkpoint(checkpoint)).decode()
        answer = self.handlers.witness(str(self.other.instance_id), envelope)
        return open_receipt(base64.b64decode(answer["receipt"]))

    def held(self) -> list[int]:
        """What the peer is shown that it said."""
        shown = self.handlers.list_witnessed(str(self.other.instance_id))["checkpoints"]
        return [open_checkpoint(base64.b64decode(one)).at.number for one in shown]


@pytest.fixture
def witness() -> Witness:
    """It has heard nothing yet."""
    return Witness()


def test_what_is_told_is_kept_and_signed(witness: Witness) -> None:
    """Told twice, it is kept once, and signed again."""
    for _ in range(2):
        receipt = witness.hear(told(witness.other, 3, None))
    witness.hear(told(witness.other, 7, at(3)))

    assert (receipt.instance_id, receipt.at, receipt.witness) == (witness.other.instance_id, at(3), witness.key.instance_id)
    assert receipt.time == NOON
    assert witness.held() == [7, 3]


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ((7, at(3), "b"), "two hashes for entry 7"),
        ((9, at(7, "b")), "two hashes for entry 7"),
        ((9, at(3)), "forgotten"),
        ((9, None), "forgotten"),
        ((5, at(3), "a", 99), "forgotten"),
        ((2, None, "a", 99), "ends at entry 2"),
    ],
)
def test_what_cannot_be_true_beside_that_is_an_alarm(witness: Witness, lie: tuple[Any, ...], why: str) -> None:
    """Once, however often it is said; and what was said first is what counts."""
    witness.hear(told(witness.other, 3, at(2)))
    witness.hear(told(witness.other, 7, at(3)))

    for _ in range(2):
        with pytest.raises(Conflict) as caught:
            witness.hear(told(witness.other, *lie))

    (alarm,) = witness.peers.dispatched
    assert isinstance(alarm, AuditContradictedV1)
    assert caught.value.code == "AUDIT_CONTRADICTED"
    assert why in alarm.reason
    assert (alarm.peer_id, alarm.name, alarm.told_number) == (str(witness.other.instance_id), "Bonn", lie[0])
    assert witness.held() == [7, 3]
    witness.hear(told(witness.other, 9, at(7)))


def test_what_comes_late_is_no_lie(witness: Witness) -> None:
    """Two processes of a peer may tell in another order than they signed; what was never told is not missed."""
    first, second, third, fourth = (told(witness.other, number, at(number - 1)) for number in (4, 5, 6, 7))
    for checkpoint in (second, first, fourth, third):
        witness.hear(checkpoint)
    witness.hear(told(witness.other, 30, at(29)))

    assert witness.peers.dispatched == []
    assert witness.held() == [30, 7, 6, 5, 4]


def test_a_true_log_never_contradicts_itself(chance: random.Random) -> None:
    """Whatever part of it was told, in whatever order."""
    key = InstanceKey.generate()
    numbers = sorted(chance.sample(range(1, 100), 20))
    log = [told(key, number, at(numbers[place - 1]) if place else None) for place, number in enumerate(numbers)]
    for _ in range(50):
        heard = chance.sample(log, chance.randrange(2, 20))
        assert contradiction(heard[0], heard[1:]) is None


def test_a_log_that_was_written_anew_is_found_by_the_next_checkpoint(chance: random.Random) -> None:
    """If the witness has heard anything of what was changed, whatever that is."""
    key = InstanceKey.generate()
    numbers = sorted(chance.sample(range(1, 100), 20))
    log = [told(key, number, at(numbers[place - 1]) if place else None) for place, number in enumerate(numbers)]
    anew = told(key, 100, at(numbers[-1], "b"))

    assert contradiction(anew, log) is not None
    assert contradiction(anew, log[-1:]) is not None


def test_a_stranger_s_word_is_not_taken(witness: Witness) -> None:
    """Nor what the peer signed about the log of another, nor junk."""
    stranger = InstanceKey.generate()
    with pytest.raises(RecordInvalid):
        witness.hear(told(witness.other, 3, None), stranger)
    with pytest.raises(RecordInvalid):
        witness.hear(told(stranger, 3, None), stranger)
    for junk in ("", "?", "AAAA"):
        with pytest.raises(RecordInvalid):
            witness.handlers.witness(str(witness.other.instance_id), junk)
    assert witness.held() == []


def test_lies_fill_no_disk(witness: Witness) -> None:
    """So many are kept as a proof, and so many alarms are raised."""
    witness.hear(told(witness.other, 3, None))
    for number in range(2 * KEPT_CONTRADICTIONS):
        with pytest.raises(Conflict):
            witness.hear(told(witness.other, 3, None, "bcdef"[number % 5], number))
        with pytest.raises(Conflict):
            witness.hear(told(witness.other, number + 4, None))

    assert len(witness.peers.dispatched) == KEPT_CONTRADICTIONS


def test_the_newest_are_kept_and_one_of_each_day() -> None:
    """Of older ones, those of so many days."""
    key, start = InstanceKey.generate(), NOON
    held = [Held(told(key, number, None), b"", start + number * dt.timedelta(hours=1)) for number in range(1, KEPT_NEWEST + 49)]
    proof = Held(told(key, 1, None, "b"), b"", start, contradicts=True)

    gone = to_forget([*held, proof], held[-1].received)
    assert [one.checkpoint.at.number for one in held if one not in gone][:4] == [1, 12, 36, 49]
    assert proof not in gone
    much_later = start + dt.timedelta(days=KEPT_DAYS + 30)
    assert {one.checkpoint.at.number for one in held} - {one.checkpoint.at.number for one in to_forget(held, much_later)} == set(
        range(49, KEPT_NEWEST + 49)
    )


def test_every_peer_is_told_the_last_checkpoint_until_it_has_signed(witness: Witness) -> None:
    """Who does not know the call, or is away, is asked again later, and holds up nobody."""
    keys = [InstanceKey.generate() for _ in range(3)]
    plain, away, first_version = (
        witness.befriend(key, name=name, protocol=protocol)
        for key, name, protocol in zip(keys, ("plain", "away", "first"), (2, 2, 1), strict=True)
    )
    site = witness.client.site(witness.peer)
    site.receipts = lambda _: b"receipt"
    witness.client.site(away).away = True
    witness.last = OwnCheckpoint(7, b"checkpoint", frozenset())

    for _ in range(3):
        assert witness.handlers.step() is False
    assert witness.receipts == [(str(witness.peer.peer_id), b"receipt")]
    assert [len(witness.client.site(one).asked) for one in (plain, away, first_version)] == [1, 1, 0]

    witness.client.site(away).away = False
    witness.client.site(away).receipts = lambda _: b"receipt of who was away"
    witness.clock.pass_seconds(61)
    witness.handlers.step()
    assert len(witness.receipts) == 2
    assert len(witness.client.site(plain).asked) == 1
    witness.clock.pass_seconds(3600)
    witness.handlers.step()
    assert len(witness.client.site(plain).asked) == 2


def test_nobody_is_told_before_there_is_a_checkpoint(witness: Witness) -> None:
    """As on the first day."""
    witness.handlers.step()

    assert witness.client.site(witness.peer).asked == []


def test_what_peers_hold_of_us_is_shown(witness: Witness) -> None:
    """Only what we signed ourselves, with this key or one that we had, says anything about us."""
    site = witness.client.site(witness.peer)
    stranger = InstanceKey.generate()
    ours = told(witness.key, 7, None)
    site.witnessed = [witness.key.sign_checkpoint(ours), stranger.sign_checkpoint(told(stranger, 9, None)), b"junk"]
    silent = witness.befriend(InstanceKey.generate(), name="silent")
    witness.client.site(silent).away = True

    found = {peer["name"]: (peer["state"], peer["checkpoints"]) for peer in witness.handlers.ask_witnesses()["peers"]}

    assert found == {"Bonn": ("answered", [{"number": 7, "hash": ours.at.hash}]), "silent": ("silent", [])}
