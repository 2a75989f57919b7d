"""Programs judged by their tests, in the real sandbox."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.code_tests import code_tests, extract_code, find_tests
from postgrad.evaluation.metrics.support.metric import Case, paired
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.records import Message, Record, Task, pair
from postgrad.sandbox.run import Sandbox
from tests.needs import a_sandbox, real_set

RIGHT = "def double(x):\n    return 2 * x"


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return a_sandbox()


def task(*tests: str, setup: str = "") -> Record:
    fields = {"test_list": list(tests), "test_setup_code": setup}
    return Task(prompt=(Message("user", "Double a number."),), reference=RIGHT, fields=fields)


TESTED = task("assert double(2) == 4", "assert double(0) == 0")


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(
    ("answer", "score", "fault"),
    [
        (RIGHT, 1, None),
        (f"Here it is:\n```python\n{RIGHT}\n```\nUse it well.", 1, None),
        (f"```python\n{RIGHT}", 1, None),
        ("def double(x):\n    return x + 2", 0, "AssertionError"),
        ("def double(x):\n    return 2 *", 0, "SyntaxError"),
        ("def twice(x):\n    return 2 * x", 0, "NameError"),
        ("import sys\nsys.exit(0)", 0, "SystemExit"),
        ("import os\nos._exit(0)", 0, "ended early"),
        (f"{RIGHT}\nwhile True: pass", 0, "timeout"),
        ("x = 'a' * (1 << 40)", 0, "MemoryError"),
        ("print('passed\\n' * 9)", 0, "NameError"),
        ("", 0, "NameError"),
        ("\ud800", 0, "UnicodeEncodeError"),
    ],
)
def test_a_program_is_right_when_all_tests_pass(answer: str, score: float, fault: str | None) -> None:
    found = code_tests(seconds=3).measure([Case(answer, RIGHT, TESTED)])
    assert found.scores == (score,)
    assert found.details.get("faults", {}) == ({fault: 1} if fault else {})


@pytest.mark.usefixtures("sandbox")
def test_an_endless_test_does_not_hide_those_before_it() -> None:
    record = task("assert double(1) == 2", "while True: pass")
    found = code_tests(seconds=2, partial=True).measure([Case(RIGHT, RIGHT, record)])
    assert found.scores == (0.5,) and found.details["faults"] == {"timeout": 1}


@pytest.mark.usefixtures("sandbox")
def test_setup_runs_before_the_tests_and_records_without_tests_are_refused() -> None:
    record = task("assert N == 6", setup="N = double(3)")
    assert code_tests()(RIGHT, RIGHT, record) == 1
    without = paired([""], [RIGHT], [pair("q", RIGHT)])
    assert "only 0 of 1 records have tests" in code_tests().unfit(without)
    assert code_tests().measure(without).scores == (0.0,)


@pytest.mark.parametrize(
    "value", [["assert f()"], "assert f()", json.dumps(["assert f()"]), "['assert f()']", ["assert f()", ""]]
)
def test_tests_as_files_spell_them(value: object) -> None:
    assert find_tests(pair("q", "a", meta={"tests": value})) == ["assert f()"]
    assert find_tests(pair("q", "a", meta={"checks": value}), "checks") == ["assert f()"]


def test_a_check_is_called_with_its_entry_point() -> None:
    meta = {"test": "def check(candidate):\n    assert candidate(1) == 2", "entry_point": "double"}
    assert find_tests(pair("q", "a", meta=meta))[0].endswith("\ncheck(double)")


def test_the_longest_python_block_is_the_program() -> None:
    assert extract_code("```sh\npip install everything at once\n```\n```py\nx = 1\n```\n") == "x = 1"


def test_without_a_sandbox_the_metric_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("POSTGRAD_SANDBOX", "nothing")
    with pytest.raises(UsageError, match="never run without a sandbox"):
        metric_named("code_tests")


@pytest.mark.usefixtures("sandbox")
def test_real_programs_pass_their_own_tests() -> None:
    lines = (real_set("mbpp") / "mbpp.jsonl").read_text("utf-8").splitlines()[10:40]
    rows = [json.loads(line) for line in lines]
    records = [
        Task(
            prompt=(Message("user", r["text"]),),
            reference=r["code"],
            fields={k: r[k] for k in ("test_list", "test_setup_code")},
        )
        for r in rows
    ]
    right = code_tests().measure(paired([r["code"] for r in rows], [r["code"] for r in rows], records))
    assert sum(right.scores) >= 29
    others = [*[r["code"] for r in rows[1:]], rows[0]["code"]]
    assert sum(code_tests().measure(paired(others, others, records)).scores) == 0


@pytest.mark.usefixtures("sandbox")
@settings(deadline=None, max_examples=2)
@given(st.lists(st.text(max_size=40), min_size=3, max_size=3))
def test_any_text_is_a_program_that_passes_or_not(texts: list[str]) -> None:
    assert set(code_tests().measure([Case(t, RIGHT, TESTED) for t in texts]).scores) <= {0.0}
