"""Code by its tests: the program that the answer holds is run against the record's assertions, in a sandbox or not at
all."""

from __future__ import annotations

import ast
import json
import os
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.support.fences import fenced_blocks
from postgrad.evaluation.metrics.support.fields import field
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResult, lacking
from postgrad.records import Record
from postgrad.sandbox.run import Limits, ProgramResult, Sandbox, find_sandbox, lines_after

TEST_FIELDS = ("test_list", "tests", "test", "test_cases", "assertions")
SETUP_FIELDS = ("test_setup_code", "test_imports", "setup")
# Each test is reported as it passes, so that a later endless one does not hide it; a program that ends the interpreter
# early reports nothing, whatever its exit code says.
_RUNNER = """
import json, os, sys
work = json.load(sys.stdin)
names = {"__name__": "program"}
def say(text, write=os.write, token=work["token"]):
    write(1, ("\\n" + token + text + "\\n").encode("utf-8", "replace"))
def attempt(text, what, kinds=(BaseException,)):
    try:
        exec(compile(text, what, "exec"), names)
    except kinds as error:
        return type(error).__name__
    return ""
fault = attempt(work["program"], "program") or attempt(work["setup"], "setup")
for test in work["tests"]:
    say(attempt(test, "test") or "passed" if not fault else fault)
"""


def code_tests(
    *, tests: str = "", setup: str = "", seconds: float = 10.0, memory_mb: int = 512, partial: bool = False
) -> Metric:
    """1 where the answer's Python program passes all tests of its record.

    The program is the longest block between ``` fences, or the whole answer where there are none. Only Python's
    standard library is there. What went wrong is counted in the details.

    Args:
        tests: Field of the record with the tests: a list of assertions, or one text. Without it one of `TEST_FIELDS`.
        setup: Field with code to run between the program and its tests. Without it one of `SETUP_FIELDS`.
        seconds: For one program with all its tests.
        memory_mb: For one program.
        partial: The share of tests passed instead.

    Raises:
        UsageError: There is no sandbox to run programs in.
    """
    sandbox = find_sandbox()
    limits = Limits(seconds, memory_mb << 20)

    def measure(cases: Sequence[Case]) -> MetricResult:
        works = [(extract_code(c.answer), find_tests(c.record, tests), find_setup(c.record, setup)) for c in cases]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            results = list(pool.map(lambda work: run_tests(sandbox, work[0], work[1], work[2], limits), works))
        shares = [sum(r == "passed" for r in result) / len(result) if result else 0.0 for result in results]
        faults = Counter(next((r for r in result if r != "passed"), "") for result in results)
        faults.pop("", None)
        scores = tuple(share if partial else float(share == 1) for share in shares)
        details = {"faults": dict(faults.most_common())} if faults else {}
        return MetricResult(scores, {"tests_passed": sum(shares) / max(1, len(shares))}, details)

    def unfit(cases: Sequence[Case]) -> str:
        named = f" in the field {tests!r}" if tests else f" (fields looked at: {', '.join(TEST_FIELDS)})"
        return lacking(cases, f"records have tests{named}", lambda c: bool(find_tests(c.record, tests)))

    return Metric(
        "code_tests", measure, title="programs that pass their tests", right_or_wrong=not partial, unfit=unfit
    )


def has_sandbox() -> bool:
    """Whether programs can be run on this machine."""
    try:
        find_sandbox()
    except UsageError:
        return False
    return True


def find_tests(record: Record | None, name: str = "") -> list[str]:
    """The tests of a record, each a piece of Python; empty where it has none.

    A test that defines `check(candidate)`, as HumanEval's do, is called with the record's `entry_point`.
    """
    found, entry = _pieces(field(record, name or TEST_FIELDS)), field(record, "entry_point")
    return [f"{test}\ncheck({entry})" if entry and "def check(" in test else test for test in found]


def find_setup(record: Record | None, name: str = "") -> str:
    """What runs between the program and its tests."""
    return "\n".join(_pieces(field(record, name or SETUP_FIELDS)))


def _pieces(value: Any) -> list[str]:
    """A list as it is, the list that a text spells as JSON or Python, or one text."""
    if isinstance(value, str):
        if value.lstrip().startswith("["):
            try:
                value = ast.literal_eval(value.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                return [value]
        else:
            return [value] if value.strip() else []
    return [str(v) for v in value if str(v).strip()] if isinstance(value, list | tuple) else []


def extract_code(answer: str) -> str:
    """The longest fenced block (one that was cut off counts), or the whole text."""
    blocks = [body for language, body in fenced_blocks(answer) if language in ("", "python", "py", "python3")]
    return max(blocks, key=len) if blocks else answer


def run_tests(sandbox: Sandbox, program: str, tests: Sequence[str], setup: str, limits: Limits) -> list[str]:
    """For each test `passed`, or the name of what went wrong: an exception, `timeout`, `memory`, `ended early`."""
    token = uuid.uuid4().hex
    work = {"token": token, "program": program, "tests": list(tests), "setup": setup}
    outcome = sandbox.run(_RUNNER, json.dumps(work), limits)
    said = list(lines_after(outcome.output, token))[: len(tests)]
    return said + [_ending(outcome)] * (len(tests) - len(said))


def _ending(outcome: ProgramResult) -> str:
    if outcome.timed_out:
        return "timeout"
    if "MemoryError" in outcome.errors:
        return "MemoryError"
    return "ended early" if outcome.code in (0, 1) else f"killed ({outcome.code})"
