"""A proposer, by gepa, against a real server: what it is shown, what comes of it, and what its failure costs."""

from __future__ import annotations

import pytest

from postgrad.errors import Interrupted
from postgrad.evaluation.candidate_instructions import Instruction
from postgrad.progress import Progress, Said
from postgrad.recipe import make_recipe
from postgrad.records import pair
from postgrad.steps.arms.prompt_proposer import proposed_instruction, search_settings
from postgrad.steps.context import RunContext
from postgrad.steps.examples import Examples
from tests.workflows.jobs import finish
from tests.workflows.remote_server import Server

EXAMPLES = Examples(
    tuple(pair(f"train {i}", "right") for i in range(30)), tuple(pair(f"valid {i}", "right") for i in range(9)), ()
)
START = Instruction("the instruction", "Answer.")


@pytest.fixture
def server():
    running = Server(lambda messages: "Here it is:\n```\nAnswer with the magic word.\n```")
    yield running
    running.stop()


def proposed(server, scores, **more):
    raw = {"proposer": f"{server.url}#big", "proposer_calls": 40, **more}
    recipe = make_recipe({"evaluation": raw})
    ctx = RunContext.of(recipe, lambda: False)
    settings = search_settings(ctx, recipe.evaluation)
    return finish(proposed_instruction(ctx, settings, EXAMPLES, START, scores))


def scores_of(asked):
    def scores(prompt, records):
        yield Progress(0, len(records), "answers")
        asked.append((prompt.instruction.text, [r.prompt_text for r in records]))
        good = "magic" in prompt.instruction.text
        return ["right" if good else "wrong"] * len(records), [float(good)] * len(records)

    return scores


def test_a_better_instruction_is_found_within_the_calls(server):
    asked = []
    found, events = proposed(server, scores_of(asked))
    assert found.instruction.text == "Answer with the magic word." and found.instruction.place == START.place
    assert "wrote 1 instruction" in found.note and any(isinstance(e, Progress) for e in events)
    assert sum(len(records) for _, records in asked) <= 40 + 16
    shown = server.asked[0]["messages"][-1]["content"]
    assert "Answer." in shown and "The right answer is: right" in shown and "train" in shown and "valid" not in shown


def test_an_instruction_that_is_no_better_is_not_taken(server):
    server.say = lambda messages: "```\nAnswer politely.\n```"
    found, _ = proposed(server, scores_of([]))
    assert found.instruction is None and "none did better" in found.note


def test_a_proposer_that_fails_costs_its_proposal_alone(server):
    server.dies_after = 0
    found, events = proposed(server, scores_of([]))
    assert found.instruction is None and "503" in found.note
    assert any(isinstance(e, Said) and e.warning for e in events)


def test_without_a_proposer_nothing_is_asked_and_a_stop_is_a_stop(server):
    assert proposed(server, scores_of([]), proposer=None)[0] is None

    def stopped_scores(prompt, records):
        yield Progress(0, 1, "answers")
        raise Interrupted("Interrupted while the arms were being measured.")

    with pytest.raises(Interrupted):
        proposed(server, stopped_scores)
    judged, _ = proposed(server, scores_of([]), judge=f"{server.url}#judge")
    assert "judge" in judged.note and not server.asked
