"""The one rule that takes an answer out of what was generated."""

import pytest

from postgrad.evaluation.answer_form import VERBATIM, AnswerForm, label_in
from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.records import pair

LABELS = ["FindConnection", "DepartureTime"]
CARDS = ["card", "card lost", "no", "other"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("FindConnection", "FindConnection"),
        (" findconnection.\n\n### Request: …", "FindConnection"),
        ("Answer: DepartureTime", "DepartureTime"),
        ("The intent is FindConnection because they travel.", "FindConnection"),
        ('"DepartureTime"', "DepartureTime"),
        ("```\nDepartureTime\n```", "DepartureTime"),
        ("FindConnection or DepartureTime", ""),
        ("FindConnections", ""),
        ("I do not know.\nFindConnection", ""),
        ("", ""),
    ],
)
def test_labels_are_matched_leniently(text, label):
    form = AnswerForm.of(LABELS * 10, LABELS)
    assert (form.take(text) if form.take(text) in LABELS else "") == label


def test_of_nested_labels_the_longer_is_meant_and_short_ones_count_at_the_ends_alone():
    assert label_in("my card lost", CARDS) == "card lost"
    assert label_in("a card", CARDS) == "card"
    assert label_in("no, it is not", CARDS) == "no"
    assert label_in("there is no reason", CARDS) == ""


@pytest.mark.parametrize(
    ("references", "text", "taken"),
    [
        (["15 euros", "Monday"], "15 euros\nBecause the list says so.", "15 euros"),
        (["15 euros", "Monday"], '"15 euros"', "15 euros"),
        (["15 euros", "Monday"], 'He said "yes" and "no"', 'He said "yes" and "no"'),
        (['"quoted"', '"too"'], '"15 euros"', '"15 euros"'),
        (["two\nlines", "or\nmore"], "two\nlines", "two\nlines"),
        (["two\nlines", "or\nmore"], "Here:\n```text\ntwo\nlines\n```\nDone.", "two\nlines"),
        (["```\nfenced\n```"] * 2, "```\ncode\n```", "```\ncode\n```"),
        (["Answer: 3", "Answer: 4"], "Answer: 5", "Answer: 5"),
    ],
)
def test_only_what_right_answers_never_have_is_taken_away(references, text, taken):
    assert AnswerForm.of(references).take(text) == taken


def test_right_answers_survive_their_own_form():
    """A property of every set: what is right stays right."""
    sets = [
        LABELS * 5,
        CARDS * 5,
        ['{"a": 1}', '{"a": {"b": "}"}}'],
        ["one line", "`code`", '"a" and "b"'],
        ["x\ny", "z"],
    ]
    for references in sets:
        records = [pair(f"request {i} {r}", r) for i, r in enumerate(references)]
        choice = choose_metric(records)
        assert choice.measure(references, records).mean == 1.0, references
        assert all(choice.form.take(r).strip() in (r.strip(), r.strip('"`')) for r in references)


def test_json_is_the_first_object_in_the_text():
    records = [pair(f"r{i}", f'{{"kind": "lamp", "count": {i}}}') for i in range(12)]
    choice = choose_metric(records)
    found = choice.measure(
        ['Sure, here it is:\n```json\n{"kind": "lamp", "count": 0}\n```\nAnything else?', '{"kind": "lamp"'],
        records[:2],
    )
    assert found.scores == (1.0, 0.0) and found.figures["as_generated"] == 0.0


def test_the_strict_score_stands_beside_and_format_metrics_see_everything():
    records = [pair(f"Where to {i}?", LABELS[i % 2]) for i in range(20)]
    choice = choose_metric(records)
    rambling = [f"{r.answer_text}\n\nFurther: nothing." for r in records]
    found = choice.measure(rambling, records)
    assert found.mean == 1.0 and found.figures["as_generated"] == 0.0
    assert "as_generated" not in choice.measure([r.answer_text for r in records], records).figures
    assert "label" in choice.form.sentence and not VERBATIM.sentence
    strict = choose_metric(records, "format_rules(max_words=1)")
    assert strict.form is VERBATIM and strict.measure(rambling, records).mean == 0.0
