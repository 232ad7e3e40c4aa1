"""Claims about the doors for subscriptions."""

from __future__ import annotations

from pathlib import Path

from tests.unit.gateway.gateway_fakes import ToldServices, a_gateway


def test_a_replay_goes_on_to_the_microsecond_where_the_last_portion_ended(tmp_path: Path) -> None:
    """Cut to seconds, a second with more events than a portion has would come again for ever."""
    principal = {"person": "ada", "person_id": "a", "role": "administrator", "token_id": "t", "rights": {"subscribe": None}}
    services = ToldServices(
        directory__authorize=lambda token_sha256, right: principal,  # noqa: ARG005 - as the contract has it
        notify__replay_events={"replayed": 0, "next": None},
    )
    body = {"since": "2026-01-02T03:04:05.678901Z", "until": "2026-01-02T05:04:05.678902+02:00"}

    answer = a_gateway(tmp_path, services).client.post("/api/v1/subscriptions/s/replay", json=body, headers={"Authorization": "Bearer t"})

    asked = services.asked[-1][2]
    assert answer.status_code == 200
    assert (asked["since"], asked["until"]) == ("2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678902Z")
