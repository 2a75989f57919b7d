"""Whether rivals are told what to do, and by whom."""

import pytest

from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.evaluation.task_naming import says_itself, task_by_metric, written_by
from postgrad.evaluation.written_prompt import write_system_prompt
from postgrad.records import Conversation, Message, pair

PROSE = [
    f"Der Laden in Straße {n} hat heute wegen der vielen Leute und des Regens früher zugemacht." for n in range(20)
]
SHOP = "The shop in street {} closed earlier today because of all the people and the rain."


def told(records) -> bool:
    return says_itself(records, choose_metric(records))


def test_free_text_does_not_say_itself():
    assert not told([pair(SHOP.format(n), text) for n, text in enumerate(PROSE)])


@pytest.mark.parametrize(
    "records",
    [
        [pair(f"mail {n}", ["refund", "delivery"][n % 2]) for n in range(20)],
        [pair(f"mail {n}", f'{{"order": {n}}}') for n in range(20)],
        [pair(f"How many lamps are in street {n}?", text) for n, text in enumerate(PROSE)],
        [pair(f"all lamps of {n}", f"SELECT name FROM lamps WHERE street = {n}") for n in range(20)],
        [pair(f"{n} lamps and {n} more", str(2 * n)) for n in range(20)],
        [
            Conversation(
                messages=(Message("system", "Translate."), Message("user", f"text {n}"), Message("assistant", text))
            )
            for n, text in enumerate(PROSE)
        ],
    ],
)
def test_labels_keys_questions_queries_numbers_and_own_instructions_do(records):
    assert told(records)


def test_the_sentence_goes_before_the_form():
    records = [pair(SHOP.format(n), text) for n, text in enumerate(PROSE)]
    text = write_system_prompt(records, "generation", "Translate to German.")
    assert text.startswith("Translate to German. Answer in about") and "house" not in text
    facts = [pair(f"the lamp {n}", f"{n} euros") for n in range(20)]
    assert "Answer the question" not in write_system_prompt(facts, "extraction", "Say what it costs.")
    queries = [pair(f"all of {n}", f"SELECT name FROM lamps WHERE street = {n}") for n in range(20)]
    assert "SQL" in task_by_metric(choose_metric(queries))


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ('"Translate the text into German."\nI hope this helps.', "Translate the text into German."),
        ("German", ""),
        ("", ""),
        (" ".join(["long"] * 80), ""),
    ],
)
def test_a_model_says_it_from_examples_of_training(said, taken):
    seen = []

    def ask(chats):
        seen.extend(chats)
        return [said]

    records = [pair(SHOP.format(n), text) for n, text in enumerate(PROSE)]
    assert written_by(ask, records) == taken
    assert "Straße" in seen[0][0]["content"] and len(seen) == 1
