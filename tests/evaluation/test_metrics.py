"""Each metric on known cases, and what must hold for all of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postgrad.errors import UsageError
from postgrad.evaluation.metrics import METRICS, metric_named
from postgrad.evaluation.metrics.chrf import chrf
from postgrad.evaluation.metrics.exact_match import exact_match
from postgrad.evaluation.metrics.json_object import json_fields, json_match, json_valid, parse_object
from postgrad.evaluation.metrics.label import label, label_report
from postgrad.evaluation.metrics.numeric import last_number, numeric
from postgrad.evaluation.metrics.rouge_l import rouge_l
from postgrad.evaluation.metrics.token_f1 import token_f1

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)


@pytest.mark.parametrize("name", METRICS)
@settings(deadline=None)  # the first call imports rouge-score
@given(answer=st.text(max_size=40), reference=st.text(max_size=40))
def test_every_metric_stays_in_range_on_any_text(name: str, answer: str, reference: str) -> None:
    metric = metric_named(name)
    assert metric.name == name
    value = metric(answer, reference)
    assert 0 <= value <= 1
    assert not metric.right_or_wrong or value in (0, 1)


@pytest.mark.parametrize("name", ["exact_match", "label", "token_f1", "chrf", "rouge_l"])
@settings(deadline=None)
@given(text=st.text(max_size=40))
def test_a_text_agrees_with_itself(name: str, text: str) -> None:
    assert metric_named(name)(text, text) == pytest.approx(1)


@given(OBJECTS)
def test_an_object_agrees_with_itself_in_any_key_order_and_fence(value: dict) -> None:
    plain = json.dumps(value)
    turned = "```json\n" + json.dumps(dict(reversed(value.items())), indent=1, ensure_ascii=False) + "\n```\n"
    assert json_match()(turned, plain) == json_fields()(turned, plain) == json_valid()(turned, plain) == 1


@given(OBJECTS, OBJECTS)
def test_a_whole_match_is_all_fields_right(left: dict, right: dict) -> None:
    answer, reference = json.dumps(left), json.dumps(right)
    assert (json_match()(answer, reference) == 1) == (json_fields()(answer, reference) == 1)


@pytest.mark.parametrize(
    "text",
    [
        'Sure! {"a": 1}',
        '{"a": 1} hope this helps',
        "[1]",
        '"a"',
        "{'a': 1}",
        '{"a": NaN}',
        '{"a": 1',
        "",
        "[" * 100_000,
    ],
)
def test_what_is_not_an_object_as_a_whole_is_refused(text: str) -> None:
    assert parse_object(text) is None
    assert json_valid()(text, "{}") == 0


def test_json_types_and_lists() -> None:
    assert json_match()('{"a": 1.0}', '{"a": 1}') == 1
    assert json_match()('{"a": true}', '{"a": 1}') == 0
    assert json_match()('{"a": "1"}', '{"a": 1}') == 0
    assert json_match()('{"a": [2, {"b": [3, 4]}]}', '{"a": [{"b": [4, 3]}, 2]}') == 0
    assert json_match(ignore_list_order=True)('{"a": [2, {"b": [3, 4]}]}', '{"a": [{"b": [4, 3]}, 2]}') == 1
    assert json_match(ignore_list_order=True)('{"a": [1, 1, 2]}', '{"a": [1, 2, 2]}') == 0


def test_json_fields_counts_missing_and_invented_fields() -> None:
    assert json_fields()('{"a": 1, "b": 2}', '{"a": 1, "b": 3}') == 0.5
    assert json_fields()('{"a": 1}', '{"a": 1, "b": 3}') == 0.5
    assert json_fields()('{"a": 1, "c": 2}', '{"a": 1}') == 0.5


def test_exact_match_options() -> None:
    assert exact_match()(" Yes. ", "yes") == 1
    assert exact_match(ignore_case=False)("Yes", "yes") == 0
    assert exact_match(ignore_marks=False)("yes.", "yes") == 0
    assert exact_match()("?", "!") == 0
    assert exact_match()("cafe\u0301", "caf\u00e9") == 1


def test_label_report_by_hand() -> None:
    answers = ["A", "a.", "b", "dunno", "B", "a"]
    references = ["a", "a", "a", "b", "b", "c"]
    report = label_report(answers, references)
    assert report.accuracy == pytest.approx(3 / 6)
    assert report.unknown == 1
    assert report.confusion == {"a": {"a": 2, "b": 1}, "b": {"": 1, "b": 1}, "c": {"a": 1}}
    assert report.classes["a"].precision == pytest.approx(2 / 3)
    assert report.classes["a"].recall == pytest.approx(2 / 3)
    assert report.classes["b"].f1 == pytest.approx(0.5)
    assert report.classes["c"].f1 == 0
    assert report.macro_f1 == pytest.approx((2 / 3 + 0.5 + 0) / 3)
    assert report.worst(1)[0][0] == "c"
    figures = label().figures(answers, references)
    assert figures == {"macro_f1": report.macro_f1, "unknown_answers": pytest.approx(1 / 6)}


def test_token_f1_is_squads() -> None:
    assert token_f1()("the cat sat", "A cat, sat down") == pytest.approx(2 * 2 / (2 + 3))
    assert token_f1()("red red", "red blue") == pytest.approx(0.5)
    assert token_f1()("?", "!") == 0
    assert 0 < token_f1()("東京都", "東京") < 1


def test_chrf_is_sacrebleus() -> None:
    import sacrebleu

    answer, reference = "The chair arrived broken.", "The chair was broken on arrival."
    assert chrf()(answer, reference) == pytest.approx(sacrebleu.sentence_chrf(answer, [reference]).score / 100)
    assert chrf()("", "x") == 0


def test_rouge_l_sees_order_and_other_alphabets() -> None:
    assert rouge_l()("police killed gunman", "police kill gunman") == pytest.approx(2 / 3)
    assert rouge_l()("gunman police", "police gunman") == pytest.approx(0.5)
    assert rouge_l()("стул сломан", "стул сломан") == 1
    assert rouge_l()("стол цел", "стул сломан") == 0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("So 12 + 30 = 42.", 42),
        ("#### 1,234.5", 1234.5),
        ("−3", -3),
        ("1e3", 1000),
        (".5", 0.5),
        ("none", None),
        ("5-3", 3),
        ("9" * 400, None),
    ],
)
def test_last_number(text: str, number: float | None) -> None:
    assert last_number(text) == number


def test_numeric_tolerance() -> None:
    assert numeric()("3.14", "3.15") == 0
    assert numeric(tolerance=0.011)("3.14", "3.15") == 1
    assert numeric()("about 42.0", "42") == 1


def test_an_unknown_metric_names_the_nearest_and_all() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'exact_match'") as caught:
        metric_named("exact-mach")
    assert all(name in caught.value.mend for name in METRICS)
