"""Claims about checkpoints and receipts as signed documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.core.audit_chain import Position
from shared.core.checkpoint import Checkpoint, Receipt
from shared.core.documents import payload_of
from shared.core.errors import RecordInvalid
from shared.runtime.keys import InstanceKey, open_checkpoint, open_receipt
from shared.testing.fakes.clock import NOON

A, B = InstanceKey.generate(), InstanceKey.generate()
AT, BEFORE = Position(7, "a" * 64), Position(3, "b" * 64)


def checkpoint(**fields: Any) -> Checkpoint:
    """Of A's log."""
    return Checkpoint(
        **{"instance_id": A.instance_id, "instance_key": A.public_bytes, "at": AT, "previous": BEFORE, "time": NOON, **fields}
    )


def receipt() -> Receipt:
    """B was told."""
    return Receipt(A.instance_id, AT, B.instance_id, B.public_bytes, NOON)


def test_they_come_back_as_they_were_signed() -> None:
    """The first checkpoint of a log has none before it."""
    for one in (checkpoint(), checkpoint(previous=None)):
        assert open_checkpoint(A.sign_checkpoint(one)) == one
    assert open_receipt(B.sign_receipt(receipt())) == receipt()


def test_only_who_is_named_can_sign() -> None:
    """Neither document is taken from another, nor for the other."""
    for forged in (B.sign_checkpoint(checkpoint()), B.sign_receipt(receipt())):
        with pytest.raises(RecordInvalid):
            open_checkpoint(forged)
    for forged in (A.sign_receipt(receipt()), A.sign_checkpoint(checkpoint())):
        with pytest.raises(RecordInvalid):
            open_receipt(forged)


@pytest.mark.parametrize(
    "change",
    [
        {"number": 0},
        {"number": "7"},
        {"number": True},
        {"hash": "A" * 64},
        {"hash": "a" * 63},
        {"time": "2026-11-03T12:00:00"},
        {"time": "noon"},
        {"previous": {"number": 7, "hash": "b" * 64}},
        {"previous": {"number": 3}},
        {"previous": []},
        {"instance_id": "A" * 52},
        {"schema": "odst.checkpoint.v2"},
    ],
    ids=str,
)
@pytest.mark.parametrize("parse", [Checkpoint.parse])
def test_what_is_malformed_is_refused(parse: Callable[[bytes], Checkpoint], change: dict[str, Any]) -> None:
    """Whoever signed it."""
    fields = json.loads(checkpoint().payload()) | change

    with pytest.raises(RecordInvalid):
        parse(payload_of(fields))
