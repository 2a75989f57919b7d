"""Each metric on known cases, and what must hold for all of them."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postgrad.errors import UsageError
from postgrad.evaluation.metrics import METRICS
from postgrad.evaluation.metrics.bleu import bleu
from postgrad.evaluation.metrics.chrf import chrf
from postgrad.evaluation.metrics.exact_match import exact_match
from postgrad.evaluation.metrics.json_object import json_fields, json_match, json_valid, parse_object
from postgrad.evaluation.metrics.label import label, label_report
from postgrad.evaluation.metrics.rouge import rouge_1, rouge_2, rouge_l, rouge_score
from postgrad.evaluation.metrics.support.metric import Metric, paired
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.evaluation.metrics.support.normal import words
from postgrad.evaluation.metrics.token_f1 import token_f1
from tests.needs import dev_package

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)


SPELLED = {
    "json_schema": """json_schema(schema={"type": "object", "required": ["a"]})""",
    "format_rules": (
        "format_rules(max_words=3, regex=a, language=en, json_only=true, forbids=x, max_bullets=0, max_sentences=1)"
    ),
    "code_tests": "",  # in test_code_tests: it needs a sandbox
}
"""Metrics that cannot be made without options."""
LIKE_A_MODEL = st.text(max_size=40) | st.sampled_from(
    [
        "[" * 5000,
        '{"a": ' * 3000,
        "```json",
        "```",
        "<tool_call>",
        '<tool_call>{"name": 1}</tool_call>',
        "f(" * 500,
        "9" * 5000,
        "\ud800",
        "SELECT",
        "select " + "(" * 500,
        "SELECT zeroblob(1e9)",
        "1e999",
        "-",
        "$",
        "%",
        "####",
        "\0",
        "[f(a=1)]",
        "f(a=[" * 99,
        "-1.5e-400 km",
    ]
)


def made(name: str) -> Metric | None:
    spelled = SPELLED.get(name, name)
    return metric_named(spelled) if spelled else None


@pytest.mark.parametrize("name", [n for n in METRICS if SPELLED.get(n, n)])
@settings(deadline=None)
@given(answer=LIKE_A_MODEL, reference=LIKE_A_MODEL)
def test_every_metric_stays_in_range_on_any_text(name: str, answer: str, reference: str) -> None:
    metric = made(name)
    assert metric is not None and metric.name == name and metric.title
    value = metric(answer, reference)
    assert 0 <= value <= 1
    assert not metric.right_or_wrong or value in (0, 1)
    assert isinstance(metric.unfit(paired([answer], [reference])), str)


@pytest.mark.parametrize("kind", ["rouge1", "rouge2", "rouge4", "rougeL"])
def test_rouge_is_that_of_the_package_which_is_not_kept_any_more(kind: str) -> None:
    scorer = dev_package("rouge_score.rouge_scorer").RougeScorer([kind], tokenizer=SimpleNamespace(tokenize=words))
    draw = random.Random(kind)
    for _ in range(200):
        vocabulary = [f"w{i}" for i in range(draw.choice([2, 5, 30]))]
        one, other = (" ".join(draw.choices(vocabulary, k=draw.randint(1, 40))) for _ in range(2))
        if one != other:
            assert rouge_score(one, other, kind) == pytest.approx(scorer.score(other, one)[kind].fmeasure, abs=1e-12)


@pytest.mark.parametrize("name", [n for n in METRICS if SPELLED.get(n, n)])
def test_a_metric_of_nothing_and_of_many_is_the_metric_of_each(name: str) -> None:
    metric = made(name)
    answers, references = ["12", '{"a": 1}', "the cat sat", "SELECT 1"], ["12", '{"a": 2}', "a cat sat", "select 1;"]
    assert metric is not None and metric.measure([]).scores == ()
    alone = [metric(a, r) for a, r in zip(answers, references, strict=True)]
    found = metric.measure(paired(answers, references))
    assert list(found.scores) == pytest.approx(alone) and found.mean == pytest.approx(sum(alone) / 4)
    json.dumps([dict(found.figures), dict(found.details)])  # the report keeps them


AGREEING = [
    "exact_match",
    "label",
    "token_f1",
    "chrf",
    "bleu",
    "rouge_1",
    "rouge_2",
    "rouge_l",
    "embedding",
    "sql_match",
]


@pytest.mark.parametrize("name", AGREEING)
@settings(deadline=None)
@given(text=st.text(max_size=40))
def test_a_text_agrees_with_itself(name: str, text: str) -> None:
    assert metric_named(name)(text, text) == pytest.approx(1)


@pytest.mark.parametrize(
    "name", ["exact_match", "token_f1", "rouge_1", "rouge_l", "embedding", "numeric", "json_match", "json_fields"]
)
@settings(deadline=None)
@given(left=st.text(max_size=40), right=st.text(max_size=40))
def test_likeness_is_mutual(name: str, left: str, right: str) -> None:
    assert metric_named(name)(left, right) == pytest.approx(metric_named(name)(right, left), abs=1e-6)


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
    found = label().measure(paired(answers, references))
    assert found.figures == {"macro_f1": report.macro_f1, "unknown_answers": pytest.approx(1 / 6)}
    assert found.details["classes"]["b"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "n": 2}
    assert found.details["confusion"] == {"a": {"a": 2, "b": 1}, "b": {"": 1, "b": 1}, "c": {"a": 1}}


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


def test_rouge_by_hand() -> None:
    assert rouge_1()("police killed the gunman", "the gunman kill police") == pytest.approx(
        2 / 3
    )  # articles are dropped
    assert rouge_2()("red green blue", "red green grey") == pytest.approx(1 / 2)
    assert rouge_2()("one", "one") == 1 and rouge_2()("one", "two") == 0


def test_bleu_is_sacrebleus_for_a_sentence_and_for_the_set() -> None:
    import sacrebleu

    answers = ["The chair arrived broken yesterday.", "We sent it on Monday."]
    references = ["The chair was broken on arrival yesterday.", "We have sent it on Monday."]
    found = bleu().measure(paired(answers, references))
    for score, answer, reference in zip(found.scores, answers, references, strict=True):
        assert score == pytest.approx(sacrebleu.sentence_bleu(answer, [reference]).score / 100)
    assert found.figures["corpus_bleu"] == pytest.approx(sacrebleu.corpus_bleu(answers, [references]).score / 100)
    with pytest.raises(UsageError, match="flores"):
        bleu(tokenize="flores200")


def test_embedding_sees_other_words_for_the_same() -> None:
    near = metric_named("embedding")("The sofa is damaged.", "The couch is broken.")
    far = metric_named("embedding")("The sofa is damaged.", "Interest rates rose in March.")
    assert near > far + 0.2


def test_json_numbers_within_tolerance_and_in_text() -> None:
    assert json_match(tolerance=0.01)('{"a": [1.005]}', '{"a": [1]}') == 1
    assert json_match()('{"a": "12.50"}', '{"a": 12.5}') == 0
    assert json_match(text_numbers=True)('{"a": "12.50"}', '{"a": 12.5}') == 1
    assert json_match(text_numbers=True)('{"a": "1e5"}', '{"a": "100000"}') == 1
    assert json_match(tolerance=1)('{"a": true}', '{"a": 1}') == 0


def test_json_fields_says_which_field_is_wrong_how_often() -> None:
    found = json_fields().measure(paired(['{"a": 1, "b": 2}', "no"], ['{"a": 1, "b": 3}', '{"a": 1}']))
    assert found.details["fields"] == {"b": {"right": 0.0, "n": 1}, "a": {"right": 0.5, "n": 2}}


SCHEMA = {
    "type": "object",
    "required": ["kind"],
    "properties": {"kind": {"enum": ["a", "b"]}, "n": {"type": "integer"}},
}


def test_json_schema_counts_what_is_broken(tmp_path) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    metric = metric_named(f"json_schema(schema={path})")
    found = metric.measure(paired(['{"kind": "a"}', '{"kind": "c", "n": "x"}', "{}", "no"], [""] * 4))
    assert found.scores == (1, 0, 0, 0)
    assert found.details["broken"] == {
        "kind breaks 'enum'": 1,
        "n breaks 'type'": 1,
        "the object lacks 'kind'": 1,
        "it is no JSON object": 1,
    }
    assert "refuses 1 of 1" in metric.unfit(paired([""], ['{"kind": "z"}'])) and not metric.unfit(
        paired([""], ['{"kind": "a"}'])
    )


def test_json_schema_refuses_bad_schemas_and_never_opens_the_network(tmp_path) -> None:
    with pytest.raises(UsageError, match="not valid"):
        metric_named("""json_schema(schema={"type": "objekt"})""")
    with pytest.raises(UsageError, match="cannot be read"):
        metric_named(f"json_schema(schema={tmp_path / 'none.json'})")
    remote = metric_named("""json_schema(schema={"$ref": "http://127.0.0.1:9/x.json"})""")
    assert remote("{}", "") == 0 and "cannot be followed" in str(remote.measure(paired(["{}"], [""])).details)


def test_an_unknown_metric_names_the_nearest_and_all() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'exact_match'") as caught:
        metric_named("exact-mach")
    assert all(name in caught.value.mend for name in METRICS)
