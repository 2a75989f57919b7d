"""As many worked examples as the context holds and validation says that they help."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from postgrad.evaluation.arms import Arm, own_prompt, with_examples
from postgrad.evaluation.few_shot import clearly_likelier
from postgrad.records import Message, pair
from postgrad.steps.arms import growing
from postgrad.steps.examples import Examples
from postgrad.storage import StageStore
from tests.workflows.jobs import finish


def records(count: int, start: int = 0):
    return [
        pair(f"How many lamps are in box {n} of the {n % 7} shelf?", str(n * 3)) for n in range(start, start + count)
    ]


@pytest.fixture
def making(tmp_path, monkeypatch):
    """A run's pieces, with a model whose answers are likelier the more turns it is shown, up to `best` of them."""

    def made(best: int, context: int = 8192, kind: str = "cuda"):
        def likelihoods(_model, pairs):
            turns = [len(messages) // 2 for messages, _ in pairs]
            return [-abs(best - n) / 100 - 0.001 * (i % 3) for i, n in enumerate(turns)]

        monkeypatch.setattr(growing, "mean_logprobs", likelihoods)
        store = StageStore(tmp_path / "store")
        ctx = SimpleNamespace(
            seed=0, store=store, kept=lambda stage, inputs, packages: (json.dumps(inputs)[:40] + str(best), None)
        )
        model = SimpleNamespace(
            base=SimpleNamespace(hash="h", context=context), device=SimpleNamespace(kind=kind, dtype="float32")
        )
        examples = Examples(tuple(records(200)), tuple(records(20, 300)), ())
        return SimpleNamespace(ctx=ctx, model=model, examples=examples, task=SimpleNamespace(instruction="Count."))

    return made


@pytest.mark.parametrize(
    ("best", "kind", "taken"), [(2, "cuda", 5), (20, "cuda", 20), (100, "cuda", 100), (100, "cpu", 100)]
)
def test_the_block_grows_as_far_as_validation_gains(making, best, kind, taken):
    (chosen, sets), _ = finish(growing.shots(making(best, kind=kind), 5, 20, 7000))
    assert len(chosen) == taken and [len(s) for s in sets] == [5, 5, 5]


def test_the_block_stays_within_context_and_a_processors_patience(making):
    (chosen, _), _ = finish(growing.shots(making(100), 5, 20, 900))
    assert len(chosen) == 20, "100 examples are 2,000 tokens, and the context has room for 900"
    (chosen, _), _ = finish(growing.shots(making(100, kind="cpu"), 5, 50, 9000))
    assert len(chosen) == 20, "every request on a CPU pays for what it is shown"


@pytest.mark.parametrize(("best", "kind", "taken"), [(2, "cuda", 3), (8, "cuda", 8), (20, "cuda", 20), (20, "cpu", 20)])
def test_neighbours_grow_too(making, best, kind, taken):
    from postgrad.evaluation.retrieval import Index

    given = making(best, kind=kind)
    count, _ = finish(growing.neighbour_count(given, Index([r.prompt_text for r in given.examples.train]), 20))
    assert count == taken


def test_more_is_taken_only_beyond_its_standard_error():
    assert clearly_likelier([-1.0, -1.0, -1.1], [-2.0, -2.0, -2.1])
    assert not clearly_likelier([-1.0, -3.0, -1.0], [-2.0, -2.0, -1.0])
    assert not clearly_likelier([-2.0, -2.0], [-2.0, -2.0])


def test_examples_go_between_instruction_and_passages():
    arm = Arm(
        "rag", False, lambda record: (Message("system", "Be brief."), Message("user", "Passage."), *own_prompt(record))
    )
    asked = with_examples(arm, records(2)).ask(records(1, 50)[0])
    assert [m.role for m in asked] == ["system", "user", "assistant", "user", "assistant", "user", "user"]
    assert asked[1].content.startswith("How many lamps are in box 0") and asked[2].content == "0"
