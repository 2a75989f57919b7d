"""Whatever fits the published page (`/openapi.json`), or just does not, no fault is the server's: schemathesis on every
path."""

from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.serving.running import Process

ERROR = {"message", "type", "param", "code"}
GENERATING = ("/v1/chat/completions", "/v1/completions")


@pytest.fixture(scope="module")
def page(tmp_path_factory, tiny_folder):
    """The description that a server gives of itself."""
    process = Process(tmp_path_factory.mktemp("server") / "home", tiny_folder, "--alias", f"tiny={tiny_folder}")
    process.start()
    yield schemathesis.openapi.from_url(process.address.removesuffix("/v1") + "/openapi.json")
    process.end()


def test_no_fault_is_the_servers(page):
    operations = [found.ok() for found in page.get_all_operations()]
    assert len(operations) > 40
    seen = Counter()
    for operation in operations:

        @settings(
            max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
        )
        @given(case=operation.as_strategy())
        def look(case):
            _lead_in(case)
            answer = case.call(timeout=60)
            seen[answer.status_code // 100] += 1
            case.validate_response(answer, checks=[schemathesis.checks.not_a_server_error])
            if answer.status_code >= 400 and case.path.startswith("/v1/"):
                assert set(answer.json()["error"]) == ERROR

        look()
    assert seen[2] > 10 and seen[4] > 100, seen  # both kinds were tried


def _lead_in(case):
    """Names that are there lead further in, and short answers are quick."""
    if not isinstance(case.body, dict):
        return
    if isinstance(case.body.get("model"), str):
        case.body["model"] = "tiny"
    if case.path in GENERATING:
        case.body.pop("max_completion_tokens", None)
        case.body["max_tokens"] = 4
        if isinstance(case.body.get("n"), int):
            case.body["n"] = min(case.body["n"], 2)
