"""The contract of the API, fuzzed: whatever the OpenAPI document allows or forbids, the service does not break."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error

from tests.server_support import API, Server, serving, turn_taken


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes one file and then says that it is busy: its process would tell nothing of the contract."""
    folder = tmp_path_factory.mktemp("fuzz")
    with serving(folder, env={"AI_DETECT_MAX_JOBS": "1"}) as server, turn_taken(folder):
        yield server


def test_no_request_breaks_the_service(server: Server) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}{API}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:
        for mode in schemathesis.GenerationMode:
            fuzz(operation, mode)
    assert server.client.get("/readyz").status_code == 200


def fuzz(operation: Any, mode: Any) -> None:
    """Ask what the document allows, or what it forbids."""

    @settings(max_examples=5, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        answer = case.call_and_validate(checks=[not_a_server_error])
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == ["application/problem+json"]

    try:
        holds()
    except Unsatisfiable:
        assert (
            mode is schemathesis.GenerationMode.NEGATIVE
        )  # nothing can be wrong in a request without a field
