"""Promise D8."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
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
    answer = case.call(base_url=instance.url, headers={"Authorization": f"Bearer {instance.token}"})

    case.validate_response(answer, checks=CHECKS)
