"""Which answers are wrong for how they are written alone."""

import pytest

from postgrad.evaluation.form_faults import form_faults
from postgrad.evaluation.metrics.support.choose import MetricChoice, choose_metric
from postgrad.measures import FormFaults
from postgrad.records import pair

FACTS = ["463 euros", "28 slats", "9 km/h", "Monday", "the Alder desk", "12 weeks", "Room 4", "by post", "in oak", "7"]
LABELS = ["refund", "delivery", "other"]


def faults(
    references: list[str], answers: list[str], finishes: list[str] | None = None, metric: str | None = None
) -> FormFaults:
    records = [pair(f"question {i}", r) for i, r in enumerate(references)]
    choice: MetricChoice = choose_metric(records, metric)
    scores = choice.measure(answers, records).scores
    return form_faults(choice, answers, records, scores, finishes or ["stop"] * len(answers))


@pytest.mark.parametrize(
    ("place", "answer", "hidden"),
    [
        (0, "The Alder desk costs 463 euros in the standard finish, as the list says since spring.", True),
        (0, "The Alder desk costs 15 euros in the standard finish, as the list says.", False),
        (1, "I looked it up in the manual for you. It has 28 slats of birch, all of them glued.", True),
        (9, "It takes 7 to 9 people about two long days to put it all together, we think", False),
        (9, "7, because the manual says so, on the third page of the second part of it", True),
    ],
)
def test_a_right_fact_in_a_sentence_is_hidden(place, answer, hidden):
    answers = [*FACTS]
    answers[place] = answer
    assert faults(FACTS, answers, metric="token_f1") == FormFaults(hidden=(place,) if hidden else ())


def test_a_metric_that_reads_facts_needs_no_such_guard():
    answers = ["The Alder desk costs 463 euros in the standard finish, as the list says since spring.", *FACTS[1:]]
    assert faults(FACTS, answers) == FormFaults()


def test_of_labels_the_first_named_counts():
    references = LABELS * 5
    answers = ["It is refund, not delivery or other.", "refund or delivery?", "I cannot say", *references[3:]]
    assert faults(references, answers) == FormFaults(hidden=(0,))


def test_cut_answers_are_those_that_had_not_come_to_their_end():
    numbers = [str(17 * n) for n in range(20)]
    answers = ["Let me think about this step by step", *numbers[1:]]
    assert faults(numbers, answers, ["length"] + ["stop"] * 19) == FormFaults(cut=(0,))
    assert faults(numbers, answers) == FormFaults()
    prose = [f"A long text number {n} about lamps and chairs, and what they cost to us all." for n in range(20)]
    words = ["Something else entirely", *prose[1:]]
    assert faults(prose, words, ["length"] * 20) == FormFaults(), "likeness needs no end"
