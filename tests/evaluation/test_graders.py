"""Graders in the form of OpenAI's API: what is refused, what comes back, and that nothing runs that must not."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postgrad.errors import DataError, ModelError, UsageError
from postgrad.evaluation.graders import Reply, run, validate
from postgrad.evaluation.graders.formula import Formula
from postgrad.evaluation.graders.grader_kinds import SIMILARITIES
from postgrad.evaluation.graders.outcome import DETAILS, FLAGS
from postgrad.evaluation.graders.similarity import fuzzy_match, similarity
from postgrad.evaluation.graders.template import as_sample, fill
from postgrad.evaluation.metrics.support.metric import MetricResources, paired
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.records import Task, pair
from postgrad.sandbox.run import Sandbox
from tests.needs import a_sandbox

ERRORS = {*FLAGS, *DETAILS}
CHECK = {
    "type": "string_check",
    "name": "same",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}


def check(**changes):
    return {**CHECK, **changes}


def alike(metric: str, **changes):
    return {
        **{k: v for k, v in CHECK.items() if k != "operation"},
        "type": "text_similarity",
        "evaluation_metric": metric,
        **changes,
    }


PYTHON = {
    "type": "python",
    "name": "length",
    "source": "def grade(sample, item):\n    return len(sample['output_text']) / item['most']",
}
SCORE = {
    "type": "score_model",
    "name": "points",
    "model": "m",
    "input": [{"role": "user", "content": "Grade {{sample.output_text}}"}],
}
LABEL = {
    "type": "label_model",
    "name": "tone",
    "model": "m",
    "input": [{"role": "user", "content": [{"type": "input_text", "text": "{{sample.output_text}}"}]}],
    "labels": ["polite", "rude"],
    "passing_labels": ["polite"],
}
MULTI = {
    "type": "multi",
    "name": "both",
    "graders": {"a": check(name="a"), "b": alike("fuzzy_match", name="b")},
    "calculate_output": "0.5 * a + 0.5 * b",
}
ALL = [CHECK, alike("bleu"), PYTHON, SCORE, LABEL, MULTI]


def saying(text: str, **more):
    return lambda model, chat, sampling: Reply(text, 10, 2, **more)


@pytest.mark.parametrize("grader", ALL, ids=lambda g: g["type"])
def test_every_key_of_the_response_is_there(grader: dict) -> None:
    assert validate(grader) == {"grader": grader}
    body = run(grader, "a text", {"answer": "a text", "most": 10})
    assert set(body) == {"reward", "metadata", "sub_rewards", "model_grader_token_usage_per_model"}
    meta = body["metadata"]
    assert set(meta) == {"name", "type", "errors", "execution_time", "scores", "token_usage", "sampled_model_name"}
    assert set(meta["errors"]) == ERRORS and len(ERRORS) == 14
    assert (meta["name"], meta["type"]) == (grader["name"], grader["type"]) and meta["execution_time"] >= 0
    json.dumps(body)


@pytest.mark.parametrize(
    ("operation", "said", "answer", "reward"),
    [
        ("eq", "a", "a", 1),
        ("eq", "A", "a", 0),
        ("ne", "A", "a", 1),
        ("like", "a cat", "cat", 1),
        ("like", "a Cat", "cat", 0),
        ("ilike", "a Cat", "cAT", 1),
        ("like", "cat", "a cat", 0),
    ],
)
def test_string_check(operation: str, said: str, answer: str, reward: float) -> None:
    assert run(check(operation=operation), said, {"answer": answer})["reward"] == reward


@pytest.mark.parametrize(
    ("grader", "fault"),
    [
        ({}, "type"),
        ({"type": "magic"}, "magic"),
        (check(operation="same"), "operation: Input should be 'eq', 'ne', 'like' or 'ilike'"),
        (check(name=""), "name"),
        (check(extra=1), "extra: Extra inputs"),
        (check(input="{{item.a b}}"), r"no variable \{\{item.a b\}\}"),
        (check(input="{{sample.text}}"), "no variable"),
        (check(input="{{os.environ}}"), "no variable"),
        (alike("levenshtein"), "evaluation_metric"),
        ({**PYTHON, "source": "def grade(sample, item)"}, "not valid Python"),
        ({**PYTHON, "source": "x = 1"}, r"no function grade\(sample, item\)"),
        ({**SCORE, "range": [1, 1]}, "empty"),
        ({**SCORE, "input": []}, "input"),
        ({**SCORE, "sampling_params": {"temp": 1}}, "sampling_params.temp"),
        ({**LABEL, "passing_labels": ["kind"]}, r"\['kind'\] are not among the labels"),
        ({**MULTI, "calculate_output": "a + c"}, "speaks of c; the graders are a, b"),
        ({**MULTI, "calculate_output": "__import__('os')"}, "knows no function '__import__'"),
        ({**MULTI, "graders": [check(), check()]}, "names, each of its own"),
        ({**MULTI, "graders": {"a": MULTI}}, "multi"),
    ],
)
def test_a_grader_that_is_not_valid_is_refused_by_name(grader: dict, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        validate(grader)
    with pytest.raises(UsageError):
        run(grader, "x", {})


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        validate({"type": "string_check", "operation": "same", "input": "{{x}}", "reference": 1})
    assert all(word in str(caught.value) for word in ("name", "operation", "{{x}}", "reference"))


def test_variables() -> None:
    sample = as_sample('{"a": {"b": [1, {"c": "deep"}]}, "n": null}')
    item = {"x": "1 {{item.y}}", "list": ["p", "q"], "o": {"k": 2}}
    assert fill("{{ item.x }}|{{item.list.1}}|{{item.list[0]}}|{{item.o}}", sample, item) == '1 {{item.y}}|q|p|{"k": 2}'
    assert fill("{{sample.output_json.a.b[1].c}} {{sample.output_json.n}}", sample, item) == "deep null"
    called = as_sample('<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>')
    assert json.loads(fill("{{sample.output_tools}}", called, {}))[0]["function"] == {
        "name": "f",
        "arguments": '{"a": 1}',
    }
    assert fill("{{sample.output_tools[0].function.name}}", called, {}) == "f"
    assert fill("{ {item.x} } {item.x}", sample, item) == "{ {item.x} } {item.x}"


def test_variables_without_a_value_are_faults_not_crashes() -> None:
    assert run(CHECK, "x", {})["metadata"]["errors"]["invalid_variable_error"] is True
    deep = check(input="{{sample.output_json.a}}")
    assert run(deep, "no json", {"answer": "1"})["metadata"]["errors"]["sample_parse_error"] is True
    assert run(deep, '{"b": 1}', {"answer": "1"})["metadata"]["errors"]["sample_parse_error"] is True
    assert run(deep, '{"a": "1"}', {"answer": "1"})["reward"] == 1
    assert run(check(), {"output_text": "1"}, {"answer": "1"})["reward"] == 1


@pytest.mark.parametrize("metric", SIMILARITIES)
@settings(deadline=None, max_examples=40)
@given(left=st.text(max_size=30), right=st.text(max_size=30))
def test_likeness_is_a_share_and_greatest_with_itself(metric: str, left: str, right: str) -> None:
    own = similarity(metric, left, left)
    assert 0 <= similarity(metric, left, right) <= 1
    assert own >= similarity(metric, left, right) - 1e-9
    if metric != "meteor":
        assert own == pytest.approx(1)


def test_similarities_by_hand() -> None:
    assert fuzzy_match("this is a test", "this is a test!") == pytest.approx(2 * 14 / 29)  # as rapidfuzz's ratio
    assert fuzzy_match("abc", "xyz") == 0
    text, reference = "the cat sat on the mat", "the cat was on the mat"
    assert similarity("gleu", text, reference) == pytest.approx(
        9 / 18
    )  # 5 + 3 + 1 + 0 n-grams in common of 6 + 5 + 4 + 3
    assert similarity("rouge_1", "red green blue", "red green grey") == pytest.approx(2 / 3)
    assert similarity("rouge_3", "a1 b1 c1 d1", "a1 b1 c1 e1") == pytest.approx(1 / 2)
    precision, recall, matches, chunks = 5 / 6, 5 / 6, 5, 2
    mean = precision * recall / (0.9 * precision + 0.1 * recall)
    assert similarity("meteor", text, reference) == pytest.approx(mean * (1 - 0.5 * (chunks / matches) ** 3))
    assert similarity("meteor", "cats running", "cat run") > 0.9  # stems


@given(st.text("abc", max_size=9), st.text("abc", max_size=9))
def test_fuzzy_match_is_the_longest_common_subsequence(left: str, right: str) -> None:
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    assert fuzzy_match(left, right) == pytest.approx(2 * table[-1][-1] / max(1, len(left) + len(right)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b * 2", 7),
        ("2 * a^2", 2),
        ("-a ^ 2", -1),
        ("2^3^2", 512),
        ("min(a, b, 0.5)", 0.5),
        ("max(a, b) / 2", 1.5),
        ("abs(a - b)", 2),
        ("floor(b / 2) + ceil(b / 2)", 3),
        ("exp(0) + sqrt(4) + log(1)", 3),
        ("(a + b) / 4", 1),
        ("1e-3", 0.001),
    ],
)
def test_formulas(text: str, value: float) -> None:
    assert Formula.parse(text).value({"a": 1.0, "b": 3.0}) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a +",
        "a.b",
        "a[0]",
        "lambda: 1",
        "a if b else c",
        "a and b",
        "'x'",
        "True",
        "a == b",
        "eval('1')",
        "min()",
        "log(a, 2)",
        "min(a, key=b)",
        "[a]",
        "a // b",
        "a % b",
        "1j",
        "(" * 300 + "a" + ")" * 300,
        "-" * 990 + "a",
        "a" * 2000,
        'f"{a}"',
        "(a := 1)",
        "\ud800",
    ],
)
def test_what_is_no_formula(text: str) -> None:
    with pytest.raises(ValueError):
        Formula.parse(text).value({"a": 1.0, "b": 1.0, "c": 1.0})


@pytest.mark.parametrize("text", ["a / 0", "log(0)", "sqrt(-a)", "9^9^9^9", "exp(9999)", "0^-1", "(-8)^0.5"])
def test_a_formula_that_cannot_be_calculated(text: str) -> None:
    with pytest.raises(ArithmeticError):
        Formula.parse(text).value({"a": 1.0})
    body = run({**MULTI, "calculate_output": f"({text}) * a * b"}, "x", {"answer": "x"})
    assert body["reward"] == 0 and body["metadata"]["errors"]["other_error"] is True


@given(st.text("ab012+-*/^(),. minabsexplogflor", max_size=40))
def test_any_text_is_a_formula_or_refused(text: str) -> None:
    try:
        value = Formula.parse(text).value({"a": 1.0, "b": 2.0})
    except (ValueError, ArithmeticError, KeyError):
        return
    assert math.isfinite(value)


def test_multi_in_both_spellings() -> None:
    as_list = {**MULTI, "graders": list(MULTI["graders"].values())}
    for grader in (MULTI, as_list):
        body = run(grader, "cat", {"answer": "cats"})
        assert body["sub_rewards"] == {"a": 0.0, "b": pytest.approx(6 / 7)} == body["metadata"]["scores"]
        assert body["reward"] == pytest.approx(3 / 7)


def test_score_and_label_models() -> None:
    seen = []

    def ask(model, chat, sampling):
        seen.append((model, chat, sampling))
        return Reply('It is fine. {"result": 4}', 12, 3)

    grader = {**SCORE, "range": [1, 5], "sampling_params": {"temperature": 0, "max_completions_tokens": 9}}
    body = run(grader, "an answer", {}, ask=ask)
    assert body["reward"] == 4 and body["metadata"]["sampled_model_name"] == "m"
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15, "cached_tokens": 0}
    assert body["metadata"]["token_usage"] == 15 and body["model_grader_token_usage_per_model"] == {"m": usage}
    model, chat, sampling = seen[0]
    assert (
        model == "m"
        and chat[0] == {"role": "user", "content": "Grade an answer"}
        and "from 1 to 5" in chat[-1]["content"]
    )
    assert sampling == {"temperature": 0, "max_completions_tokens": 9}
    assert run(LABEL, "hi", {}, ask=saying('{"result": "Polite"}'))["reward"] == 1
    assert run(LABEL, "hi", {}, ask=saying("That is rude."))["reward"] == 0


def test_what_models_do_wrong_has_a_name() -> None:
    def missing(model, chat, sampling):
        raise ModelError("the model m is not here")

    def errors(grader, ask):
        body = run(grader, "x", {}, ask=ask)
        assert body["reward"] == 0
        return {k for k, v in body["metadata"]["errors"].items() if v}

    assert (
        errors(SCORE, None)
        == errors(SCORE, missing)
        == {"model_grader_server_error", "model_grader_server_error_details"}
    )
    assert (
        errors(SCORE, saying("I would rather not."))
        == errors(SCORE, saying('{"result": 7}'))
        == {"model_grader_parse_error"}
    )
    assert errors(LABEL, saying("polite or rude")) == {"model_grader_parse_error"}
    assert errors(LABEL, saying("no", refused=True)) == {"model_grader_refusal_error"}


@pytest.mark.parametrize(
    "grader", [CHECK, alike("meteor"), alike("rouge_5"), SCORE, LABEL, MULTI], ids=lambda g: g["name"]
)
@settings(deadline=None, max_examples=50)
@given(said=st.text(max_size=60), answer=st.text(max_size=60), judged=st.text(max_size=60))
def test_any_text_is_graded(grader: dict, said: str, answer: str, judged: str) -> None:
    body = run(grader, said, {"answer": answer}, ask=saying(judged))
    assert 0 <= body["reward"] <= 1


@pytest.fixture
def sandbox() -> Sandbox:
    return a_sandbox()


def test_python_runs_in_a_sandbox_or_not_at_all(sandbox: Sandbox, tmp_path) -> None:
    marker = tmp_path / "ran"
    grader = {**PYTHON, "source": f"def grade(sample, item):\n    open({str(marker)!r}, 'w')\n    return 1"}
    errors = run(grader, "x", {})["metadata"]["errors"]
    assert errors["python_grader_server_error"] is True and errors["python_grader_server_error_type"] == "no_sandbox"
    errors = run(grader, "x", {}, sandbox=sandbox)["metadata"]["errors"]
    assert (
        errors["python_grader_runtime_error"] is True
        and "No such file" in errors["python_grader_runtime_error_details"]
    )
    assert not marker.exists()
    assert run(PYTHON, "12345", {"most": 10}, sandbox=sandbox)["reward"] == 0.5


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("return 'much'", "could not convert"),
        ("return float('nan')", "no finite number"),
        ("import os; os._exit(0)", "ended early"),
        ("raise KeyError('k')", "KeyError"),
    ],
)
def test_python_that_fails_is_reported(sandbox: Sandbox, source: str, why: str) -> None:
    body = run({**PYTHON, "source": f"def grade(sample, item):\n    {source}"}, "x", {}, sandbox=sandbox)
    assert body["reward"] == 0 and why in body["metadata"]["errors"]["python_grader_runtime_error_details"]


def test_a_grader_as_metric(tmp_path) -> None:
    path = tmp_path / "grader.json"
    path.write_text(json.dumps(check(reference="{{item.reference}}/{{item.code}}")))
    metric = metric_named(str(path))
    record = pair("q", "yes", meta={"code": "K7"})
    assert metric("yes/K7", "yes", record) == 1 and metric("yes", "yes", record) == 0 and metric.name == "same"
    with pytest.raises(DataError, match=r"names a field that .* does not have"):
        metric("x", "yes", pair("q", "yes"))
    path.write_text(json.dumps({**SCORE, "range": [1, 5]}))
    with pytest.raises(UsageError, match="needs a model that judges"):
        metric_named(str(path))
    metric = metric_named(str(path), MetricResources(lambda chats: ['{"result": 4}' for _ in chats], "j"))
    assert metric("x", "y") == 0.75
    path.write_text(json.dumps(check(input="{{sample.output_json.k}}", reference="1")))
    found = metric_named(str(path)).measure(paired(['{"k": "1"}', "no"], ["", ""], [Task(prompt=()), Task(prompt=())]))
    assert found.scores == (1, 0) and found.details["faults"] == {"sample_parse_error": 1}
    path.write_text(
        json.dumps(
            {
                **MULTI,
                "calculate_output": "2 * a + 0 * b",
                "graders": {"a": check(reference="x", name="a"), "b": check(reference="x", name="b")},
            }
        )
    )
    with pytest.raises(DataError, match="a metric is a share"):
        metric_named(str(path))("x", "y")
    for content, said in (("{", "is not JSON"), ("[]", "not a JSON object"), ("{}", "not valid")):
        path.write_text(content)
        with pytest.raises(UsageError, match=said):
            metric_named(str(path))


def test_a_judge_is_asked_about_all_answers_at_once_and_about_one_alone_where_it_cannot(tmp_path) -> None:
    """Of three answers two are equal: two chats for the score and two for the label, in one batch. A judge that has no
    room for one of them grades the others."""
    both = {"points": {**SCORE, "range": [0, 1]}, "tone": LABEL}
    path = tmp_path / "grader.json"
    path.write_text(json.dumps({**MULTI, "graders": both, "calculate_output": "0.5 * points + 0.5 * tone"}))
    batches: list[int] = []

    def judge(chats):
        batches.append(len(chats))
        if any("far too long" in chat[0]["content"] for chat in chats):
            raise DataError("There is no room for this answer.")
        return [
            json.dumps(
                {"result": 1.0 if "good" in c[0]["content"] else 0.0}
                if "Grade" in c[0]["content"]
                else {"result": "polite"}
            )
            for c in chats
        ]

    metric = metric_named(str(path), MetricResources(judge, "j"))
    assert metric.measure(paired(["good", "bad", "good"], [""] * 3)).scores == (1.0, 0.5, 1.0) and batches == [4]
    batches.clear()
    found = metric.measure(paired(["good", "far too long", "bad"], [""] * 3))
    assert found.scores == (1.0, 0.0, 0.5) and found.details["faults"] == {"model_grader_server_error": 1}
    assert batches == [6, 1, 1, 1, 1, 1, 1]
