"""Promise D8."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from shared.runtime.broker import PrivateBroker
from shared.testing.instance import Instance

FILE = Path(__file__).parents[2] / "docs" / "admin-api.openapi.json"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CLOSING = ("POST /api/v1/instance/rotate-key",)
"""What would close the door that the rest goes through, or takes seconds each time: tried on its own in other tests."""

ENDLESS = "GET /api/v1/events"
"""A stream that does not end: asked here for what is known, which does. What follows is claimed in `test_live_events.py`."""

EXAMPLES = 200 if os.environ.get("ODST_CHAOS") == "long" else 6
"""Of each operation, besides those that schemathesis thinks of first."""

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
api = schemathesis.openapi.from_path(str(FILE))


@pytest.fixture(scope="module")
def instance(broker: PrivateBroker, vhost_names: Iterator[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A whole instance, with a package of two versions."""
    made = Instance("A", tmp_path_factory.mktemp("whole-api") / "A", broker.uri(next(vhost_names)))
    with contextlib.closing(made.start()):
        made.wait_ready()
        for version in (b"one", b"two"):
            made.uploaded(made.upload("App.pkg", version, **{"Ods-Tags": "test"}))
        yield made


@pytest.mark.promise("D8")
@api.exclude(lambda context: context.operation.label in CLOSING).parametrize()
@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
def test_whatever_is_sent_the_answer_is_one_of_those_that_are_described(case: schemathesis.Case, instance: Instance) -> None:
    """D8: schemathesis over the whole OpenAPI: no 5xx, no answer outside of the schema; right and wrong requests alike."""
    if case.operation.label == ENDLESS:
        case.query = {**(case.query or {}), "live": "false"}

    answer = case.call(base_url=instance.url, headers={"Authorization": f"Bearer {instance.token}"})

    case.validate_response(answer, checks=CHECKS)


def test_of_many_requests_under_one_key_one_is_done(instance: Instance) -> None:
    """Sent at once to a whole instance: all who are answered get the same, some are asked to wait, and there is one person."""
    headers = {"Authorization": f"Bearer {instance.token}", "Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}

    def create(_number: int) -> requests.Response:
        return requests.post(f"{instance.url}/api/v1/people", json={"name": "once"}, headers=headers, timeout=30)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, range(8)))
    again = create(8)

    made = [answer for answer in answers if answer.status_code == 201]
    waiting = [answer.json()["code"] for answer in answers if answer.status_code == 409]
    assert len(made) + len(waiting) == 8
    assert set(waiting) <= {"IDEMPOTENCY_IN_PROGRESS"}
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert {answer.content for answer in (*made, again)} == {again.content}
    assert [answer.headers.get("Idempotency-Replayed") for answer in made].count(None) == 1
