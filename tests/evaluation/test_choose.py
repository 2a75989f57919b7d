"""The metric follows from the answers, and the reason is said."""

from __future__ import annotations

import pytest

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.code_tests import has_sandbox
from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.evaluation.metrics.support.metric import MetricResources, MetricResult
from postgrad.evaluation.metrics.support.spec import read_spec
from postgrad.records import Conversation, Message, Task, Text, pair


def records(answers: list[str]) -> list:
    return [pair(f"question {i}", answer) for i, answer in enumerate(answers)]


SOFT = [f"{a}{b}" for a in "bcdfgh" for b in ("old", "lue", "ark", "eep", "oft")]
PROSE = "The chair was sent on Monday and should reach you by the end of the week, number"


@pytest.mark.parametrize(
    ("answers", "primary", "secondary", "kind"),
    [
        (
            [f'{{"intent": "x", "n": {i}}}' for i in range(30)],
            "json_match",
            ["json_fields", "json_valid"],
            "extraction",
        ),
        (["refund", "delivery", "Refund"] * 20, "label", [], "classification"),
        (["yes", "no", "yes", "yes"], "label", [], "classification"),
        (
            [f"model {i} of oak" for i in range(30)],
            "fact_match",
            ["token_f1", "containment", "exact_match"],
            "extraction",
        ),
        ([f"{w} and warm" for w in SOFT], "token_f1", ["containment", "exact_match"], "extraction"),
        ([str(i * 7) for i in range(30)], "numeric", ["exact_match"], "extraction"),
        ([f"{PROSE} {i}" for i in range(30)], "chrf", ["token_f1", "rouge_l"], "generation"),
        ([PROSE] * 30, "chrf", ["token_f1", "rouge_l"], "generation"),
    ],
)
def test_the_choice(answers: list[str], primary: str, secondary: list[str], kind: str) -> None:
    choice = choose_metric(records(answers))
    assert (choice.primary.name, [m.name for m in choice.secondary], choice.kind) == (primary, secondary, kind)
    assert choice.why.endswith(".")


def test_free_text_offers_a_judge_by_command_and_uses_one_that_is_named() -> None:
    prose = records([f"{PROSE} {i}" for i in range(30)])
    why = choose_metric(prose).why
    assert "closeness to its wording" in why and "--set evaluation.judge=MODEL" in why and "--metric pairwise" in why
    means = MetricResources(ask=lambda chats: ["Points: 5"] * len(chats), judge="big-model")
    choice = choose_metric(prose, means=means)
    assert choice.primary.name == "judge" and "big-model" in choice.why and "--metric chrf" in choice.why
    assert [m.name for m in choice.secondary] == ["chrf", "token_f1", "rouge_l"]
    assert choose_metric(prose, "chrf", means).primary.name == "chrf"
    assert "judge" not in [m.name for m in choose_metric(prose, "chrf", means).secondary], "nobody pays unasked"
    assert choose_metric(records(["refund", "delivery"] * 20), means=means).primary.name == "label"


def test_one_odd_answer_does_not_turn_objects_into_prose() -> None:
    answers = [f'{{"n": {i}}}' for i in range(40)] + ['{"n": 4']
    assert choose_metric(records(answers)).primary.name == "json_match"


def test_the_users_metric_leads_and_the_others_inform() -> None:
    choice = choose_metric(records([f"model {i} of oak" for i in range(30)]), "chrf")
    assert choice.primary.name == "chrf"
    assert [m.name for m in choice.secondary] == ["fact_match", "token_f1", "containment", "exact_match"]
    assert choice.kind == "extraction"


@pytest.mark.parametrize("metric", ["json_match", "numeric"])
def test_an_impossible_metric_is_refused_with_the_reason(metric: str) -> None:
    with pytest.raises(UsageError, match=f"{metric}.*30"):
        choose_metric(records(["refund", "delivery", "other"] * 10), metric)


def test_records_without_answers_are_refused() -> None:
    with pytest.raises(UsageError, match="None of the 1 records has a reference answer"):
        choose_metric([Text(text="once upon a time")])


def test_measure_gives_scores_and_every_figure() -> None:
    choice = choose_metric(records(["refund", "delivery"] * 10))
    found = choice.measure(["refund", "nonsense"], records(["refund", "delivery"]))
    assert found.scores == (1.0, 0.0)
    assert found.figures == {"label": 0.5, "macro_f1": 0.5, "unknown_answers": 0.5}
    assert found.details["label"]["confusion"] == {"delivery": {"": 1}, "refund": {"refund": 1}}
    assert choice.measure([], []) == MetricResult(())


def test_tool_calls_code_and_sql_are_seen() -> None:
    call = {"type": "function", "function": {"name": "turn_on", "arguments": '{"lamp": 1}'}}
    calls = [
        Conversation(messages=(Message("user", f"light {i}"), Message("assistant", "", tool_calls=(call,))))
        for i in range(9)
    ]
    talk = Conversation(messages=(Message("user", "hi"), Message("assistant", "Hello.")), tools=({"name": "turn_on"},))
    choice = choose_metric([*calls, talk])
    assert choice.primary.name == "tool_calls" and "9 of 10" in choice.why
    sql = [pair(f"q{i}", f"SELECT name FROM people WHERE age > {i}") for i in range(30)]
    choice = choose_metric(sql)
    assert choice.primary.name == "sql_match" and "only 0 of 30 records have a schema" in choice.why
    schema = "CREATE TABLE people (name TEXT, age INTEGER)"
    with_schema = [pair(r.prompt_text, r.answer_text, meta={"context": schema}) for r in sql]
    assert choose_metric(with_schema).primary.name == "sql_execution"
    wrong = [pair(r.prompt_text, r.answer_text, meta={"context": "CREATE TABLE pets (name TEXT)"}) for r in sql]
    assert "no such table" in choose_metric(wrong).why


def test_programs_with_tests_are_run_where_there_is_a_sandbox() -> None:
    programs = [
        Task(
            prompt=(Message("user", f"add {i}"),),
            reference=f"def add(x):\n    return x + {i}",
            fields={"test_list": [f"assert add(1) == {i + 1}"]},
        )
        for i in range(20)
    ]
    choice = choose_metric(programs)
    if has_sandbox():
        assert choice.primary.name == "code_tests"
    else:
        assert choice.primary.name == "chrf" and "no sandbox" in choice.why


def test_numbers_with_units_and_worked_solutions_are_numbers() -> None:
    assert choose_metric(records([f"{i * 7}.5 km" for i in range(30)])).primary.name == "numeric"
    assert choose_metric(records([f"€ {i},50" for i in range(30)])).primary.name == "numeric"
    worked = choose_metric(records([f"{PROSE} {i}, so it takes {i} times two.\n#### {2 * i}" for i in range(30)]))
    assert worked.primary.name == "numeric" and worked.kind == "generation" and "####" in worked.why


def test_grades_are_labels_and_measurements_that_recur_are_numbers() -> None:
    assert choose_metric(records([str(i % 5) for i in range(60)])).primary.name == "label"
    assert choose_metric(records([f"{i % 15} cm" for i in range(60)])).primary.name == "numeric"


def test_a_refusal_names_the_metrics_that_are_possible() -> None:
    with pytest.raises(UsageError) as caught:
        choose_metric(records(["refund", "delivery", "other"] * 10), "json_match")
    assert "Metrics that can judge it: exact_match, label" in caught.value.mend
    assert (
        "numeric" not in caught.value.mend
        and "with options or a judge: format_rules, json_schema, judge" in caught.value.mend
    )


def test_options_reach_the_users_metric() -> None:
    strict = choose_metric(records(["3.10", "2.50"] * 10), "numeric(tolerance=0.2)")
    assert strict.measure(["3.2", "9"], records(["3.10", "2.50"])).scores == (1.0, 0.0)


def test_a_test_part_of_one_class_is_said() -> None:
    choice = choose_metric(records(["refund", "delivery"] * 10))
    assert "same answer ('refund')" in choice.cautions(records(["refund"] * 5))[0]
    assert "90 % of the test examples" in choice.cautions(records(["refund"] * 9 + ["delivery"]))[0]
    assert choice.cautions(records(["refund", "delivery"] * 5)) == ()


@pytest.mark.parametrize(("written", "meant"), [(r"^\d{4}$", r"^\d{4}$"), (r"\w+\.\d", r"\w+\.\d"), (r"a\\d", r"a\d")])
def test_backslashes_of_patterns_are_their_own(written: str, meant: str) -> None:
    assert read_spec(f"format_rules(regex='{written}')").options["regex"] == meant
