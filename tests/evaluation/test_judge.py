"""Judges: what they are asked, how they are read, and how a useless one is found out."""

from __future__ import annotations

import json
import random
import re

import pytest

from postgrad.errors import DataError, UsageError
from postgrad.evaluation.metrics.judge import read_points
from postgrad.evaluation.metrics.pairwise import duels, read_verdict
from postgrad.evaluation.metrics.support.agreement import agreement, cohen_kappa
from postgrad.evaluation.metrics.support.metric import MetricResources, paired
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.records import pair
from tests.needs import real_set

RECORDS = [pair(f"What is {i} plus {i}?", f"It is {2 * i}.") for i in range(20)]
REFERENCES = [r.answer_text for r in RECORDS]


def part(chat, name: str) -> str:
    return re.search(rf"<{name}>\n(.*?)\n</{name}>", chat[1]["content"], re.DOTALL)[1]


def known_answer(chat) -> str:
    return f"It is {2 * int(re.findall('[0-9]+', part(chat, 'request'))[0])}."


def knowing(chats):
    """Gives 5 points for what the reference says, 2 for anything else."""
    return [f"Reason.\nPoints: {5 if part(c, 'answer') == part(c, 'reference') else 2}" for c in chats]


def rubric(ask, options: str = ""):
    return metric_named(f"judge({options})", MetricResources(ask, "test-judge"))


def test_points_become_shares_and_controls_are_not_among_them() -> None:
    answers = [REFERENCES[0], "It is 99.", *REFERENCES[2:]]
    found = rubric(knowing).measure(paired(answers, REFERENCES, RECORDS))
    assert found.scores == (1.0, 0.25, *[1.0] * 18)
    assert found.figures["judge_control_gap"] == pytest.approx(0.75) and found.figures["judge_unreadable"] == 0


@pytest.mark.parametrize("always", ["Points: 5", "Points: 1", "Points: 3"])
def test_a_judge_that_always_says_the_same_is_refused(always: str) -> None:
    with pytest.raises(DataError, match="test-judge is uninformative"):
        rubric(lambda chats: [always] * len(chats)).measure(paired(REFERENCES, REFERENCES, RECORDS))


def test_a_judge_that_talks_of_something_else_is_refused() -> None:
    with pytest.raises(DataError, match=r"no readable judgement in 30 of 30 cases, for example 'As a language model"):
        rubric(lambda chats: ["As a language model I cannot."] * len(chats)).measure(
            paired(REFERENCES, REFERENCES, RECORDS)
        )


def test_without_a_judge_or_scale_there_is_no_metric() -> None:
    with pytest.raises(UsageError, match="needs a model that judges"):
        metric_named("judge")
    with pytest.raises(UsageError, match="nothing to decide"):
        rubric(knowing, "points=1")
    assert "could not be tried" in rubric(knowing).measure(paired(["a"], ["b"])).remarks[0]


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("Points: 4", 4),
        ("Score **3**", 3),
        ("[[2]]", 2),
        ("Points: 2, no: Points: 5", 5),
        ("4", 4),
        ("5/5", 5),
        ("Points: 9", None),
        ("The 3 reasons", None),
        ("", None),
    ],
)
def test_reading_points(text: str, points: int | None) -> None:
    assert read_points(text, 5) == points


@pytest.mark.parametrize(
    ("text", "winner"),
    [
        ("So [[A]]", "a"),
        ("[[A]] no, [[B]]", "b"),
        ("[[C]]", "tie"),
        ("[[TIE]]", "tie"),
        ("Winner: Answer B", "b"),
        ("B", "b"),
        ("A longer story", None),
        ("", None),
    ],
)
def test_reading_verdicts(text: str, winner: str | None) -> None:
    assert read_verdict(text) == winner


def longer(chats):
    return [
        "[[A]]"
        if len(part(c, "answer_A")) > len(part(c, "answer_B"))
        else "[[B]]"
        if len(part(c, "answer_A")) < len(part(c, "answer_B"))
        else "[[TIE]]"
        for c in chats
    ]


def test_a_fair_judge_decides_and_equal_answers_are_ties_unasked() -> None:
    pairs = [("q", "x" * i, "y" * (10 - i)) for i in range(11)] + [("q", "same", "same")]
    found = duels(longer, pairs)
    assert found.winners == (*["b"] * 5, "tie", *["a"] * 5, "tie")
    assert found.by_place == 0 and found.first_place == 0.5


def test_orders_that_disagree_are_a_tie_and_the_bias_is_reported() -> None:
    dice = random.Random(0)
    pairs = [("q", f"left {i}", f"right {i}") for i in range(400)]
    found = duels(lambda chats: ["[[A]]" if dice.random() < 0.8 else "[[B]]" for _ in chats], pairs)
    assert found.by_place == pytest.approx(0.68, abs=0.06) and found.first_place == pytest.approx(0.8, abs=0.04)
    assert found.winners.count("tie") == pytest.approx(272, abs=25)


@pytest.mark.parametrize(("said", "why"), [("[[A]]", "shown first"), ("[[B]]", "shown second"), ("[[TIE]]", "ties")])
def test_a_judge_that_always_says_a_is_refused(said: str, why: str) -> None:
    metric = metric_named("pairwise", MetricResources(lambda chats: [said] * len(chats), "test-judge"))
    with pytest.raises(DataError, match=f"test-judge is uninformative.*{why}"):
        metric.measure(paired(["other"] * 20, REFERENCES, RECORDS))


def test_a_judge_that_prefers_wrong_answers_is_refused() -> None:
    def contrary(chats):
        right = [known_answer(c) for c in chats]
        return ["[[B]]" if part(c, "answer_A") == r else "[[A]]" for c, r in zip(chats, right, strict=True)]

    with pytest.raises(DataError, match="preferred 0 to the answer of another request"):
        metric_named("pairwise", MetricResources(contrary)).measure(paired(["?"] * 20, REFERENCES, RECORDS))


def test_preferred_answers_score() -> None:
    def right(chats):
        known = [known_answer(c) for c in chats]
        return [
            "[[A]]" if part(c, "answer_A") == k else "[[B]]" if part(c, "answer_B") == k else "[[TIE]]"
            for c, k in zip(chats, known, strict=True)
        ]

    answers = ["?", *REFERENCES[1:]]
    found = metric_named("pairwise", MetricResources(right)).measure(paired(answers, REFERENCES, RECORDS))
    assert found.scores == (0.0, *[0.5] * 19) and found.figures["decided_by_place"] == 0


def test_kappa_by_hand_and_its_interval() -> None:
    people = ["yes"] * 25 + ["no"] * 25
    judge = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen_kappa(people, judge) == pytest.approx(0.4)  # (0.7 - 0.5) / 0.5
    found = agreement(people, judge)
    assert found.equal == 0.7 and found.low < 0.4 < found.high and found.low > 0.1 and found.high < 0.7
    assert "kappa 0.40" in found.sentence("it") and "fair" in found.sentence("it")
    assert "chance is not shown" not in found.sentence("it")
    assert "chance is not shown" in agreement(["a", "b"] * 9, ["a", "b", "b", "a"] * 4 + ["a", "b"]).sentence("it")
    assert cohen_kappa([1, 2, 3], [1, 2, 3], weighted=True) == 1
    assert cohen_kappa([1, 2, 3, 4], [2, 3, 4, 5], weighted=True) > cohen_kappa(
        [1, 2, 3, 4], [4, 5, 1, 2], weighted=True
    )
    assert cohen_kappa(["a"] * 9, ["a"] * 9) == 0


def test_the_interval_covers_what_it_says() -> None:
    dice = random.Random(1)
    covered = 0
    for trial in range(120):
        people = [dice.choice("ab") for _ in range(150)]
        judge = [p if dice.random() < 0.8 else "ba"[p == "b"] for p in people]  # kappa 0.6
        found = agreement(people, judge, seed=trial)
        covered += found.low <= 0.6 <= found.high
    assert covered >= 105


def test_agreement_with_people_is_shown(tmp_path) -> None:
    labels = tmp_path / "people.jsonl"
    rows = [
        {"prompt": "q", "answer": a, "reference": "right", "points": p}
        for a, p in [("right", 5), ("wrong", 2), ("wrong", 1)] * 10
    ]
    labels.write_text("".join(json.dumps(r) + "\n" for r in rows))
    found = rubric(knowing, f"labels={labels}").measure(paired(REFERENCES, REFERENCES, RECORDS))
    assert len(found.scores) == 20 and found.figures["judge_kappa"] > 0.8
    assert "test-judge agrees with people on 30 judgements: kappa 0.9" in found.remarks[-1]
    labels.write_text('{"prompt": "q", "answer": "a", "points": 9}\nx\n')
    with pytest.raises(DataError, match=r"2 lines of .* are no judgements\n.*:1: points 9"):
        rubric(knowing, f"labels={labels}")


def test_people_agree_with_each_other_more_than_a_judge_by_length() -> None:
    rows = json.loads((real_set("pandalm_test") / "testset-v1.json").read_text("utf-8"))
    names = {0: "tie", 1: "a", 2: "b"}
    people = agreement([names[r["annotator1"]] for r in rows], [names[r["annotator2"]] for r in rows])
    used = [r for r in rows if isinstance(r["response1"], str) and isinstance(r["response2"], str)][:300]
    judge = agreement(
        [names[r["annotator1"]] for r in used],
        duels(longer, [(r["instruction"], r["response1"], r["response2"]) for r in used]).winners,
    )
    assert people.low > judge.high and people.n == 999
