"""The search for a prompt: what is tried, what goes on, and what it may spend."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgrad.evaluation import arms
from postgrad.evaluation.candidate_instructions import instructions
from postgrad.evaluation.prompt_search import (
    FEWEST_ANSWERS,
    CandidatePrompt,
    answers_in,
    finalists,
    going_on,
    named,
    rounds,
    winner,
    with_examples,
)
from postgrad.evaluation.written_prompt import write_system_prompt
from postgrad.records import Conversation, Message, pair

TRAIN = [
    pair(f"my {thing} is {what}", what)
    for thing in ("sofa", "lamp", "desk", "bed", "stool")
    for what in ("broken", "late", "lost")
]
SYSTEM = write_system_prompt(TRAIN, "classification")
OBJECTS = [pair(f"mail {i}", json.dumps({"kind": "ab"[i % 2], "order": i})) for i in range(12)]


def test_instructions_differ_and_the_given_one_is_first():
    made = instructions(TRAIN, "classification", SYSTEM, own=False)
    assert made[0].text == SYSTEM and made[0].place == "system" and not made[0].after
    assert len({(i.text, i.place, i.after) for i in made}) == len(made) >= 8
    typical = next(i.text for i in made if "typical" in i.name)
    assert all(f'- {label}: such as "my' in typical for label in ("broken", "late", "lost"))
    short = next(i for i in made if i.name == "a short instruction")
    assert len(short.text) < len(SYSTEM) and any("broken, late, lost" in i.after for i in made)
    own = instructions(TRAIN, "classification", "Sort the mail.", own=True)
    assert own[0].text == "Sort the mail." and SYSTEM in {i.text for i in own}
    assert any("kind, order" in i.text for i in instructions(OBJECTS, "extraction", "x", own=False))


def test_every_prompt_asks_for_the_request_and_never_shows_its_answer():
    record = pair("where is my lamp", "SECRET")
    prompts = [CandidatePrompt(i) for i in instructions(TRAIN, "classification", SYSTEM, own=False)]
    prompts += with_examples([prompts[0].instruction, prompts[-1].instruction], [[0, 4, 8], [1, 5, 9]], [0, 4, 8], 0)
    for prompt in prompts:
        messages = arms.optimised_prompt(prompt, TRAIN).ask(record)
        text = "\n".join(m.content for m in messages)
        assert "where is my lamp" in messages[-1].content and messages[-1].role == "user" and "SECRET" not in text
        assert len(messages) == 1 + 2 * len(prompt.shots) + (prompt.instruction.place == "system")
        assert text.count(prompt.instruction.text) == 1, prompt.words


def test_the_first_prompts_are_what_the_other_arms_ask():
    first = instructions(TRAIN, "classification", SYSTEM, own=False)[0]
    record = pair("where is my lamp", "late")
    assert arms.optimised_prompt(CandidatePrompt(first), TRAIN).ask(record) == arms.prompted(SYSTEM).ask(record)
    shown = arms.optimised_prompt(CandidatePrompt(first, (0, 4)), TRAIN).ask(record)
    assert shown == arms.few_shot(SYSTEM, [TRAIN[0], TRAIN[4]]).ask(record)


def test_a_records_own_instruction_stays():
    own = Conversation(messages=(Message("system", "Mine."), Message("user", "u"), Message("assistant", "a")))
    for instruction in instructions(TRAIN, "classification", SYSTEM, own=False):
        messages = arms.optimised_prompt(CandidatePrompt(instruction), TRAIN).ask(own)
        assert messages[0].content == "Mine." and not any(SYSTEM in m.content for m in messages)


def test_the_most_similar_example_can_stand_last():
    first = instructions(TRAIN, "classification", SYSTEM, own=False)[0]
    places = tuple(range(0, 15, 3))
    arm = arms.optimised_prompt(CandidatePrompt(first, places, nearest_last=True), TRAIN)
    for thing in ("sofa", "lamp", "desk"):
        assert thing in arm.ask(pair(f"where is my {thing}", "?"))[-3].content


@given(st.integers(2, 9), st.integers(1, 60), st.integers(1, 400))
def test_the_rounds_spend_what_they_may(candidates, examples, answers):
    ends = rounds(candidates, examples, answers)
    assert ends == sorted(ends) and ends[-1] <= examples and ends[0] >= 1
    spent, before, left = 0, 0, candidates
    for end in ends:
        spent, before, left = spent + left * (end - before), end, max(2, -(-left // 2))
    assert spent <= answers + candidates * len(ends) + 5 * FEWEST_ANSWERS, "but for what the last two rounds need"
    assert all(end >= min(FEWEST_ANSWERS, examples) for end in ends[-2:]), "one answer more or less decides nothing"
    assert spent == answers_in(candidates, ends)


def test_what_other_arms_ask_is_always_compared_to_the_end():
    first = instructions(TRAIN, "classification", SYSTEM, own=False)
    prompts = [
        named(CandidatePrompt(first[0]), "prompted"),
        named(CandidatePrompt(first[0], (1,)), "few_shot"),
        *map(CandidatePrompt, first[1:6]),
    ]
    through = finalists(prompts, [0.0, 0.0, -1.0, -5.0, -2.0, -3.0, -4.0])
    assert through == [0, 1, 2, 4, 5]
    scores = [[0.0, 0.0], [0.0, 0.5], [1.0, 1.0], [1.0, 1.0], [1.0, 0.0]]
    kept = going_on(scores, [prompts[i] for i in through], [0.0, 0.0, -2.0, -1.0, -3.0])
    assert kept == [3, 2, 1], "the likelier of two equals first, and the better of the known ones in place of the last"
    assert winner([[1.0, 0.0], [0.0, 1.0]], [prompts[2], prompts[1]]) == 1, "of equals what is known already"
    assert winner([[1.0, 1.0], [0.0, 1.0]], [prompts[2], prompts[1]]) == 0
    assert "no examples" in prompts[2].words and "1 examples" not in prompts[2].words


@pytest.mark.parametrize("kind", ["classification", "extraction", "generation"])
def test_any_kind_of_answers_has_instructions(kind):
    records = [pair(f"q {i}", f"a rather long answer number {i}, in a sentence of its own") for i in range(6)]
    assert len(instructions(records, kind, "x", own=False)) >= 4
