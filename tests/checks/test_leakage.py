"""What is tested must not be trained on: between parts, and into benchmarks."""

from __future__ import annotations

import pytest

from postgrad.checks.leakage import leakage, part_of, part_of_name
from postgrad.data import load
from postgrad.findings import Context
from postgrad.records import Source, pair
from tests.checks.test_checks import clean
from tests.needs import real_set


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("data/train.csv", "train"),
        ("my-test-set.json", "test"),
        ("dev.jsonl.gz", "validation"),
        ("tickets_valid_v2.tsv", "validation"),
        ("test/part1.csv", "test"),
        ("x/tickets.csv", ""),
        ("latest.csv", ""),
        ("train_test.csv", ""),
        ("contest.csv", ""),
        ("", ""),
    ],
)
def test_parts_are_told_by_whole_words(name, part):
    assert part_of_name(name) == part


def test_a_column_goes_before_the_file():
    assert part_of(pair("a", "b", source=Source("train.csv", 1), meta={"split": "Test"})) == "test"
    assert part_of(pair("a", "b", source=Source("train.csv", 1), meta={"split": "3"})) == "train"


def parts(shared: list) -> list:
    train = [pair(r.prompt_text, r.answer_text, source=Source("train.csv", i)) for i, r in enumerate(clean(30), 2)]
    return [*train, *(pair(p, "x", source=Source("test.csv", i)) for i, p in enumerate(shared, 2))]


def test_exact_and_near_leaks_name_the_training_record_and_drop_it_only_when_asked():
    text = clean(30)[4].prompt_text
    records = parts([text.upper(), text.replace("should", "shoud"), "Something else altogether, please"])
    exact, near = leakage()(records, Context())
    assert exact.indices == (30,) and near.indices == (31,)
    assert "line 6 of train.csv" in exact.evidence[0] and "line 6 of train.csv" in near.evidence[0]
    assert [(r.index, r.action, r.safe) for r in exact.repairs] == [(4, "drop", False)]


def test_another_number_is_another_question():
    records = [
        pair("How many legs do 14 sheep and 3 hens have together?", "62", source=Source("train.csv", 2)),
        pair("How many legs do 14 sheep and 5 hens have together?", "66", source=Source("test.csv", 2)),
    ]
    assert list(leakage()(records, Context())) == []


def test_files_without_parts_are_left_alone():
    records = [pair("Is it so?", "x", source=Source("a.csv", 1)), pair("Is it so?", "x", source=Source("b.csv", 1))]
    assert list(leakage()(records, Context())) == []


def test_questions_of_benchmarks_are_found():
    question = (
        "A farmer carries nine baskets of pears to the market and sells four of them before noon, how many remain?"
    )
    short = "Which gland of the body makes the hormone insulin?"
    context = Context(benchmarks=lambda: [("sums", question), ("medicine", short), ("tiny", "What is it?")])
    records = [
        *clean(10),
        pair(f"Solve this. {question.lower()}", "five"),
        pair(short, "the pancreas"),
        pair("What is it?", "b"),
    ]
    (finding,) = leakage()(records, context)
    assert finding.indices == (10, 11) and finding.details["benchmarks"] == {"medicine": 1, "sums": 1}
    assert list(leakage()(clean(10), context)) == []


def test_a_phrase_of_many_questions_is_no_leak():
    phrase = "read the passage below and then choose the one answer that fits best"
    context = Context(benchmarks=lambda: [("reading", f"{phrase} number {i}") for i in range(20)])
    assert list(leakage()([pair(f"{phrase}, please", "ok")], context)) == []


def test_banking77_test_texts_in_training():
    files = [real_set("banking77/train.csv"), real_set("banking77/test.csv")]
    exact = next(iter(leakage()(load(files).records, Context())))
    assert exact.count == 7  # 6 letter for letter but for case, one with other spacing
