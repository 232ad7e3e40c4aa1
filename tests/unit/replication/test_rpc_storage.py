"""Claims about what replication reads out of storage's answers."""

from __future__ import annotations

from typing import Any

from services.replication.adapters.storage import RpcStorage


class Answering:
    """An RPC client that gives one answer, and keeps what was asked."""

    def __init__(self, answer: dict[str, Any]) -> None:
        """Always this."""
        self.answer, self.asked = answer, list[tuple[str, dict[str, Any]]]()

    def call(self, service: str, method: str, **arguments: Any) -> dict[str, Any]:
        """Give it."""
        assert service == "storage"
        self.asked.append((method, arguments))
        return self.answer


def said(instance_id: str, present_id: str, issued: str, *tags: str) -> dict[str, Any]:
    """What storage says of one charter."""
    return {"instance_id": instance_id, "present_id": present_id, "issued": issued, "tags": list(tags)}


def test_the_charter_of_the_present_key_says_what_an_instance_bears() -> None:
    """Whatever its former keys said, and in whatever order they are listed; the last of those, while it has said nothing itself."""
    items = [
        said("C-OLD", "C", "2026-11-01T00:00:00Z", "test"),
        said("C", "C", "2026-11-02T00:00:00Z", "production"),
        said("C-OLDER", "C", "2026-11-03T00:00:00Z", "development"),
        said("D-OLDER", "D", "2026-11-01T00:00:00Z", "test"),
        said("D-OLD", "D", "2026-11-02T00:00:00Z", "production"),
    ]
    for listed in (items, items[::-1]):
        who = RpcStorage(Answering({"items": listed})).who_is_who()  # type: ignore[arg-type]

        assert who.borne == {"C": {"production"}, "D": {"production"}}
        assert [who.present(one) for one in ("C-OLD", "C", "D-OLDER", "E")] == ["C", "C", "D", "E"]


def test_storage_is_asked_whom_stewards_revoked() -> None:
    """With who did."""
    rpc = Answering({"revoked": {"B": "HEAD"}})

    assert RpcStorage(rpc).revoked_among(["A", "B"]) == {"B": "HEAD"}  # type: ignore[arg-type]
    assert rpc.asked == [("revoked_among", {"instance_ids": ["A", "B"]})]
