"""Metrics of pairs and ratings on planted likelihoods, win rates at equal length, votes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from postgrad.errors import DataError, UsageError
from postgrad.evaluation.metrics import Case, MetricResources
from postgrad.evaluation.metrics.support.by_record import choose_for
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.evaluation.questions import REJECTED, WANTED, question_of
from postgrad.evaluation.win_rate import length_controlled, read_votes
from postgrad.records import Message, Preference, Rating, Task

ASKED = (Message("system", "s"), Message("user", "q"))


def means(now, start):
    """Log-probabilities by answer: of the arm, and of the base."""

    def sides(table):
        return lambda asked: [[table[a] for a in answers] for _, answers in asked]

    return MetricResources(sides=sides(now), starting=sides(start))


def preference(chosen, rejected):
    return Preference(
        prompt=(Message("user", "q"), Message("assistant", "earlier"), Message("user", "more")),
        chosen=(Message("assistant", chosen),),
        rejected=(Message("assistant", rejected),),
    )


def cases(records):
    questions = [question_of(r) for r in records]
    return [Case("", q.answer_text, q, ASKED) for q in questions]


def test_a_pair_is_won_by_what_the_arm_adds_to_the_base():
    start = {"a": -5.0, "b": -1.0, "c": -2.0, "d": -2.0, "e": -3.0, "f": -3.0}
    now = {"a": -4.0, "b": -1.0, "c": -3.0, "d": -2.0, "e": -3.0, "f": -3.0}
    metric = metric_named("reward_accuracy", means(now, start))
    found = metric.measure(cases([preference("a", "b"), preference("c", "d"), preference("e", "f")]))
    assert found.scores == (1.0, 0.0, 0.5)
    assert found.figures["reward_margin"] == pytest.approx((1 - 1 + 0) / 3)
    assert found.figures["chosen_likelier"] == 0.0, "by itself the arm still finds b likelier than a"
    base = metric_named("reward_accuracy", means(start, start))
    assert set(base.measure(cases([preference("a", "b"), preference("c", "d")])).scores) == {0.5}


def test_requests_without_room_are_ties_and_said():
    table = {"a": math.nan, "b": math.nan, "c": -1.0, "d": -2.0}
    found = metric_named("reward_accuracy", means(table, dict.fromkeys(table, -2.0))).measure(
        cases([preference("a", "b"), preference("c", "d")])
    )
    assert found.scores == (0.5, 1.0) and "1 of 2 requests leave no room" in found.remarks[0]


def ratings(words, good):
    return [
        Rating(prompt=(Message("user", "q"),), completion=(Message("assistant", w),), good=g)
        for w, g in zip(words, good, strict=True)
    ]


def test_as_many_ratings_are_called_wanted_as_there_are():
    start = dict.fromkeys("abcd", 0.0)
    metric = metric_named("rated_accuracy", means({"a": 3.0, "b": 1.0, "c": 2.0, "d": 0.0}, start))
    found = metric.measure(cases(ratings("abcd", [True, True, False, False])))
    assert found.scores == (1.0, 0.0, 0.0, 1.0) and found.figures["auc"] == 0.75
    base = metric_named("rated_accuracy", means(start, start))
    chance = base.measure(cases(ratings("abcd", [True, True, True, False]))).scores
    assert sum(chance) / 4 == pytest.approx(0.75**2 + 0.25**2), "what chance gets with three wanted ones of four"


def test_the_metric_follows_the_kind_of_record():
    table = means(dict.fromkeys("ab", 0.0), dict.fromkeys("ab", 0.0))
    pairs = [question_of(preference("a", "b"))]
    assert choose_for(Preference, pairs, None, table).primary.name == "reward_accuracy"
    own = choose_for(Preference, pairs, "chrf", table)
    assert own.primary.name == "chrf" and own.secondary[-1].name == "reward_accuracy"
    rated = [question_of(r) for r in ratings("ab", [True, True])]
    with pytest.raises(UsageError, match="all answers are rated good"):
        choose_for(Rating, rated, None, table)
    grader = {"type": "string_check", "name": "g", "operation": "eq", "input": "{{sample.output_text}}"}
    task = question_of(Task(prompt=(Message("user", "q"),), fields={"word": "w"}))
    choice = choose_for(Task, [task], None, table, {**grader, "reference": "{{item.word}}"})
    assert choice.kind == "reinforcement" and choice.primary.measure([Case("w", "", task)]).scores == (1.0,)


def test_a_question_asks_what_the_record_asked_and_learns_no_earlier_turn():
    question = question_of(preference("a", "b"))
    assert [m.weight for m in question.messages] == [1.0, 0.0, 1.0, 1.0]
    assert (question.answer_text, question.meta[REJECTED]) == ("a", "b")
    assert question_of(ratings("a", [False])[0]).meta[WANTED] is False
    assert question_of(Task(prompt=(Message("user", "q"),))).answer_text == ""


def test_a_judge_that_likes_length_is_seen_through():
    """Outcomes that depend on length alone: half of the answers would win at equal length."""
    random = np.random.default_rng(1)
    own, other = random.integers(200, 900, 4000), random.integers(100, 500, 4000)
    wins = (random.random(4000) < 1 / (1 + np.exp(-2 * np.tanh((own - other) / (own - other).std())))).astype(float)
    assert wins.mean() > 0.65
    assert length_controlled(list(wins), list(own), list(other)) == pytest.approx(0.5, abs=0.06)
    assert length_controlled([1, 0, 1], [5, 5, 5], [5, 5, 5]) is None


def test_votes_are_read_or_refused_by_line(tmp_path):
    file = tmp_path / "votes.jsonl"
    good = {"prompt": "q", "arm_a": "fine_tuned", "arm_b": "base", "winner": "A", "answer_a": "x", "who": "jo"}
    file.write_text(json.dumps(good) + "\n\n" + json.dumps({**good, "winner": "tie"}) + "\n")
    assert [v.won for v in read_votes(str(file))] == [1.0, 0.5]
    file.write_text(
        json.dumps({**good, "winner": "x"}) + "\n" + json.dumps({**good, "arm_b": "fine_tuned"}) + "\n[1]\n"
    )
    with pytest.raises(DataError, match=r"(?s)3 lines.*votes.jsonl:1: the winner is 'x'.*:2: arm_a and arm_b.*:3: no"):
        read_votes(str(file))
    with pytest.raises(UsageError, match="cannot be read"):
        read_votes(str(tmp_path / "none"))
