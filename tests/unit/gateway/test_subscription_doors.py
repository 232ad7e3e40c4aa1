"""Claims about the doors for subscriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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


@pytest.mark.parametrize(
    ("rights", "sees_all"),
    [({"view": None}, False), ({"subscribe": None}, True), ({"subscribe": ["test"]}, False), ({"subscribe": ["test"], "mine": None}, True)],
)
def test_who_may_not_change_a_subscription_sees_the_host_of_its_webhook_only(
    tmp_path: Path, rights: dict[str, Any], *, sees_all: bool
) -> None:
    """Whoever knows the path of a chat or of an automation may often write there."""
    owner = "a" if "mine" in rights else "b"
    principal = {"person": "ada", "person_id": "a", "role": "viewer", "token_id": "t", "rights": rights}
    url = "https://hooks.example:8443/secret?key=secret"
    kept = {"url": url, "owner_id": owner, "channel": {"kind": "webhook", "settings": {"url": url}}}
    chat = {"url": None, "owner_id": owner, "channel": {"kind": "slack", "settings": {"host": "hooks.slack.com"}}}
    services = ToldServices(
        directory__authorize=lambda token_sha256, right: principal,  # noqa: ARG005 - as the contract has it
        notify__list_subscriptions={"items": [kept, chat]},
        notify__show_subscription=kept,
    )
    client, headers = a_gateway(tmp_path, services).client, {"Authorization": "Bearer t"}

    listed = client.get("/api/v1/subscriptions", headers=headers)
    shown = client.get("/api/v1/subscriptions/s", headers=headers)

    assert (listed.status_code, shown.status_code) == (200, 200)
    assert [("secret" in answer.text) for answer in (listed, shown)] == [sees_all] * 2
    assert shown.json is not None
    assert shown.json["url"] == shown.json["channel"]["settings"]["url"] == (url if sees_all else "https://hooks.example:8443/…")
