"""What a search for a prompt may spend, what it says that it spent, and what it may not be called."""

import time
from types import SimpleNamespace

import pytest

from postgrad.arm_kinds import OPTIMISED_PROMPT, meaning, plain_name
from postgrad.evaluation.candidate_instructions import Instruction
from postgrad.evaluation.prompt_search import FEWEST_ANSWERS, FEWEST_PROMPTS, CandidatePrompt, named
from postgrad.records import pair
from postgrad.steps.arms.prompt_search import _Search
from tests.workflows.jobs import finish

PROMPTS = [CandidatePrompt(Instruction(name, name, "system")) for name in "abcde"]
PROMPTS = [named(PROMPTS[0], "prompted"), named(PROMPTS[1], "few_shot"), *PROMPTS[2:]]


class Planted(_Search):
    """A search whose answers are known: each prompt scores what is planted."""

    def __init__(self, worth, minutes, validation=40):
        self.worth, self.settings = worth, SimpleNamespace(judge=None)
        self.ctx = SimpleNamespace(seed=0)
        parts = {"validation": [pair(f"q{n}", "a") for n in range(validation)], "test": [0] * 30}
        self.examples = SimpleNamespace(**parts)
        self.judged = parts["validation"][:12]
        self.start = time.monotonic()
        self.until = self.over = self.start + 60 * minutes
        self.hurried, self.asked, self.answers_planned, self.too_long, self.untried = False, 0, 0, 0, 0

    def scores(self, prompt, records):
        self.asked += len(records)
        yield from ()
        return [""] * len(records), [self.worth[prompt.instruction.name]] * len(records)


def halved(search):
    (found, tried), _ = finish(search._halved(list(PROMPTS), [0.0] * 5))
    return found, tried


@pytest.mark.parametrize("minutes", [10, -1])
def test_the_last_two_are_decided_on_enough_answers_also_when_time_is_over(minutes):
    search = Planted(dict(zip("abcde", (0.1, 0.4, 0.2, 0.9, 0.3), strict=True)), minutes)
    found, tried = halved(search)
    assert found.instruction.name == "d" and tried >= FEWEST_ANSWERS and search.hurried == (minutes < 0)
    assert search.hurried or search.asked == search.answers_planned
    assert not search.hurried or search.asked < search.answers_planned
    few, asked = halved(Planted(dict.fromkeys("abcde", 0.5), minutes, validation=9))
    assert asked == 9 and few.like, "of equals what another arm asks"


def test_the_note_states_the_budget_and_what_was_used():
    search = Planted(dict(zip("abcde", (0.1, 0.4, 0.2, 0.9, 0.3), strict=True)), 10)
    found, tried = halved(search)
    search.untried = 7
    note = search._note(found, 5, 5, tried)
    answers = search.answers_planned
    assert f"Budget: 12 prompts, {answers} answers, 10.0 minutes; used: 5 prompts, {answers} answers, 0.0 m" in note
    assert f"Fewer than {FEWEST_PROMPTS} prompts" in note and "do not call this one optimised" in note
    assert "do not call" not in search._note(found, FEWEST_PROMPTS, 5, tried)
    assert "nothing was optimised" in search._note(PROMPTS[1], 20, 5, tried)


def test_no_sentence_or_table_calls_it_optimised():
    assert "ptimi" not in plain_name(OPTIMISED_PROMPT) + meaning(OPTIMISED_PROMPT)
