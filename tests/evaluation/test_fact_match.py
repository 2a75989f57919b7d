"""Short facts are compared as facts: a right sentence beats a wrong figure with the right unit."""

from __future__ import annotations

import pytest

from postgrad.evaluation.metrics import METRICS
from postgrad.evaluation.metrics.fact_match import fact_match, fault
from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.evaluation.metrics.support.metric import Case
from postgrad.records import pair

COST = "What does the Alder desk cost in the standard finish?"

RIGHT = [
    ("The Alder desk costs 463 euros in the standard finish", "463 euros", COST),
    ("463", "463 euros", COST),
    ("It costs €463.", "463 euros", COST),
    ("four hundred and sixty-three euros", "463 euros", COST),
    ("463 euros. Delivery is 44 euros.", "463 euros", COST),
    ("Delivery is 44 euros. The desk costs 463 euros.", "463 euros", COST),
    ("It costs 463 euros, not 500 euros.", "463 euros", COST),
    ("It stands 193 cm tall, 82 cm wide and 29 cm deep.", "193 cm", "How tall is the Bryn bookcase?"),
    ("One weighs 4.7 kg and is tested for people up to 125 kg.", "125 kg", "Up to what weight has it been tested?"),
    ("1450 euros", "1,450 euros", ""),
    ("1.450 euros", "1,450 euros", ""),
    ("1.450,00 €", "1,450 euros", ""),
    ("nine kilometres per hour", "9 km/h", "What is the speed limit?"),
    ("28", "28 slats", "How many slats come with the Dunmore bed?"),
    ("The bed has 28 beech slats.", "28 slats", "How many slats come with it?"),
    ("4", "four cork mats", "How many cork mats ship with an Elden table?"),
    ("42 calendar days", "42 days", ""),
    ("5-7 days", "5 to 7 days", ""),
    ("49 days", "about 7 weeks", ""),
    ("0.15", "15 percent", ""),
    ("210°", "210 degrees", "Through what angle?"),
    ("12 W", "12 watts", "What bulb?"),
    ("the third floor", "3rd floor", ""),
    ("until the 20th of February, 2024", "20 February", ""),
    ("2024-02-20", "20 February 2024", ""),
    ("It occurred on July 19, 1871, in Chicago.", "1871", "When did the fire occur?"),
    ("3/4/2024", "4 March 2024", ""),
    ("2:30 pm", "14:30", "By what time?"),
    ("not later than 14:30", "14:30", "By what time?"),
    ("You may not return them after 37 days.", "37 days", "How many days?"),
    ("It's made of smoked ash wood", "smoked ash", "What wood?"),
    ("kiln dried poplar", "kiln-dried poplar", ""),
    ("form TR16", "TR-16", "Which form?"),
    ("Blot No.3", "Blot No. 3", ""),
    ("0555-0147-23", "0555 0147 23", ""),
    ("It is not possible.", "No", "Is it?"),
    ("not included", "not included", "Is it included?"),
    ("ash", "ash", "Is it oak or ash?"),
    ("首都是北京。", "北京", ""),
    ("", "", ""),
]
WRONG = [
    ("15 euros", "463 euros", COST, "number"),
    ("463 kg", "463 euros", COST, "number"),
    ("463 chairs", "463 euros", COST, "number"),
    ("14.5 euros", "1,450 euros", "", "number"),
    ("463 or 500 euros", "463 euros", COST, "another number"),
    ("It costs 500 euros, it costs 463 euros.", "463 euros", COST, "another number"),
    ("It costs 500 euros. It costs 463 euros.", "463 euros", COST, "another number"),
    ("the third step", "three photographs", "How many photographs?", "number"),
    ("5 to 9 days", "5 to 7 days", "", "number"),
    ("125 km/h", "9 km/h", "What is the speed limit?", "number"),
    ("120 slats", "28 slats", "How many slats come with it?", "number"),
    ("28 days", "28 months", "How long?", "number"),
    ("21 February", "20 February", "", "date or time"),
    ("between 13:00 and 14:30", "14:30", "By what time?", "another date or time"),
    ("14:00", "14:30", "By what time?", "date or time"),
    ("smoked oak", "smoked ash", "What wood?", "words"),
    ("TR-17", "TR-16", "Which form?", "words"),
    ("oak", "ash", "Is it oak or ash?", "words"),
    ("The desk does not cost 463 euros.", "463 euros", COST, "denied"),
    ("It is included.", "not included", "Is it?", "not denied"),
    ("Yes.", "No", "Is it?", "yes and no"),
    ("It is possible.", "No", "Is it?", "yes and no"),
    ("", "463 euros", COST, "no answer"),
]


@pytest.mark.parametrize(("answer", "reference", "request_"), RIGHT)
def test_right(answer: str, reference: str, request_: str) -> None:
    assert fault(answer, reference, request_) == ""


@pytest.mark.parametrize(("answer", "reference", "request_", "why"), WRONG)
def test_wrong(answer: str, reference: str, request_: str, why: str) -> None:
    assert fault(answer, reference, request_) == why


def test_a_number_of_the_request_contradicts_nothing() -> None:
    assert fault("For 3 desks it is 1389 euros, not 463 euros", "1389 euros", "463 euros each: what do 3 cost?") == ""
    assert fault("1389 euros, or 463 euros", "1389 euros", "What do 3 cost?") == "another number"


def test_words_far_apart_are_no_name() -> None:
    far = "Maud works here with " + "many other people and " * 6 + "Tellering"
    assert fault(far, "Maud Tellering", "Who designed it?") == "words"
    assert fault("It was Maud K. Tellering.", "Maud Tellering", "Who designed it?") == ""


def test_the_request_of_a_case_is_its_records_and_faults_are_counted() -> None:
    record = pair("How many cork mats ship?", "four cork mats")
    found = fact_match().measure([Case(a, "four cork mats", record) for a in ("4", "5", "six", "4 mats")])
    assert found.scores == (1.0, 0.0, 0.0, 1.0)
    assert found.details == {"faults": {"number": 2}}
    assert fact_match()("4", "four cork mats") == 0.0


def test_a_right_sentence_beats_a_wrong_figure_and_containment_stands_beside() -> None:
    records = [pair(f"What does desk {i} cost?", f"{400 + i} euros") for i in range(40)]
    choice = choose_metric([*records, *(pair(f"Who made chair {i}?", f"Maud {chr(65 + i % 26)}y") for i in range(40))])
    found = choice.measure(["It costs 400 euros today", "15 euros"], records[:2])
    assert choice.primary.name == "fact_match" and found.scores == (1.0, 0.0)
    assert found.figures["containment"] == 0.5


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("The answer: Smoked  Ash!", "smoked ash.", 1.0),
        ("smoked ashes", "smoked ash", 0.0),
        ("1463 euros", "463 euros", 0.0),
        ("首都是北京。", "北京", 1.0),
        ("", "", 1.0),
        ("anything", "", 0.0),
    ],
)
def test_containment(answer: str, reference: str, score: float) -> None:
    assert METRICS["containment"]()(answer, reference) == score
