"""Preferences and ratings that contradict each other are counted and shown; healthy ones are left alone."""

from __future__ import annotations

from dataclasses import replace

from postgrad.checks.preferences import preferences
from postgrad.findings import Context
from postgrad.records import Message, Preference, Rating, Source, pair


def preference(line, asked, better, worse, system=""):
    prompt = (*((Message("system", system),) if system else ()), Message("user", asked))
    said = [(Message("assistant", text),) for text in (better, worse)]
    return Preference(prompt=prompt, chosen=said[0], rejected=said[1], source=Source("p.jsonl", line))


def rating(line, asked, answer, good):
    return Rating(
        prompt=(Message("user", asked),),
        completion=(Message("assistant", answer),),
        good=good,
        source=Source("r.jsonl", line),
    )


def found(records):
    return list(preferences()(records, Context()))


def test_a_pair_preferred_both_ways_round_is_counted_and_shown():
    records = [preference(i, f"Question {i}?", f"Right {i}.", "Wrong.") for i in range(1, 8)]
    assert found(records) == []
    contrary = [
        preference(8, "Tea or coffee?", "Tea.", "Coffee."),
        preference(9, "tea  or coffee?", "coffee.", "Tea."),
        preference(10, "Tea or coffee?", "Tea.", "Coffee."),
    ]
    (finding,) = found([*records, *contrary])
    assert finding.indices == (7, 9, 8) and finding.severity == "warning"
    assert finding.sentence == "1 pair of answers is preferred both ways round, in 3 records."
    assert finding.evidence[0] == "“Tea or coffee?”: “Tea.” over “Coffee.”, line 9 of p.jsonl the other way round"


def test_another_instruction_another_answer_or_an_order_of_three_is_no_contradiction():
    assert found([preference(1, "Q?", "A", "B", "Be brief."), preference(2, "Q?", "B", "A", "Be rude.")]) == []
    assert found([preference(1, "Q?", "A", "B"), preference(2, "Q?", "B", "C"), preference(3, "Q?", "A", "C")]) == []
    tool = {"type": "function", "function": {"name": "f"}}
    assert found([preference(1, "Q?", "A", "B"), replace(preference(2, "Q?", "B", "A"), tools=(tool,))]) == []
    assert found([pair("Q?", "A"), pair("Q?", "B")]) == []


def test_an_answer_rated_good_and_bad_is_counted_and_shown():
    ratings = [rating(1, "Q?", "Yes.", True), rating(2, "Q?", "No.", False), rating(3, "Q?", "yes.", False)]
    (finding,) = found(ratings)
    assert finding.sentence == "1 answer is rated both good and bad, in 2 records." and finding.indices == (0, 2)
    assert finding.evidence[1] == "“Q?” → “yes.” is bad here and not elsewhere"
    assert found(ratings[:2]) == []


def test_ratings_of_one_kind_are_an_error():
    (finding,) = found([rating(i, f"Q{i}?", "Yes.", True) for i in range(12)])
    assert finding.severity == "error"
    assert finding.sentence == "All 12 ratings are good: there is nothing to tell apart until bad ones are added."
