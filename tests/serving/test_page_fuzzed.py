"""Whatever fits the published page (`/openapi.json`), or just does not, no fault is the server's: schemathesis on every path."""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

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


@schemathesis.pytest.from_fixture("page").parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_no_fault_is_the_servers(case):
    if isinstance(case.body, dict):
        if isinstance(case.body.get("model"), str):
            case.body["model"] = "tiny"  # a name that is there leads further in
        if case.path in GENERATING:
            case.body.pop("max_completion_tokens", None)
            case.body |= (
                {"max_tokens": 4, "n": min(case.body["n"], 2)}
                if isinstance(case.body.get("n"), int)
                else {"max_tokens": 4}
            )
    answer = case.call(timeout=60)
    case.validate_response(answer, checks=[schemathesis.checks.not_a_server_error])
    if answer.status_code >= 400 and case.path.startswith("/v1/"):
        assert set(answer.json()["error"]) == ERROR
