"""Reinforcement from pairs in one command: a reward model first, then answers by its taste; stopped in either part it
goes on where it was."""

import pytest
import torch

from postgrad.blobs import Blobs
from postgrad.errors import DataError, Interrupted, UsageError
from postgrad.models.adapters.trained_weights import ScoringWeights, load_trained
from postgrad.progress import Said, Stage
from postgrad.records import Message, Preference, Source
from postgrad.registry import Catalogue
from postgrad.steps.arms.reward_models import registered_rewards
from postgrad.steps.fitting.pairs_as_prompts import prompts_of
from postgrad.training_run import Step
from postgrad.workflows.train import train_only
from tests.workflows.test_reward_models import pairs, settings

OPTIONS = {
    "training.objective": "ppo",
    "training.learning_rate": 1e-2,
    "training.answer_tokens": 6,
    "training.samples": 2,
    "training.repeats": 2,
    "training.max_steps": 6,
    "training.rank": 4,
    "name": "nice",
}


def heard(work, stop_at=None, asked=None):
    """What was yielded, and what was returned; asked to stop after so many optimiser steps."""
    events, steps = [], 0
    while True:
        try:
            event = next(work)
        except StopIteration as done:
            return events, done.value
        events.append(event)
        steps += isinstance(event, Step)
        if stop_at is not None and steps >= stop_at and asked is not None:
            asked.append(True)


def go(tiny_folder, path, stop_at=None, **changes):
    asked = []
    work = train_only(settings(tiny_folder, **{**OPTIONS, **changes}), [path], stopped=lambda: bool(asked))
    return heard(work, stop_at, asked)


@pytest.mark.parametrize("objective", ["ppo", "grpo", "rloo"])
def test_one_command_trains_the_reward_model_and_then_the_answers(tiny_folder, tmp_path, objective):
    events, made = go(tiny_folder, pairs(tmp_path), **{"training.objective": objective, "training.max_steps": 2})
    said = [e.text for e in events if isinstance(e, Said)]
    stages = [e.name for e in events if isinstance(e, Stage)]
    assert stages == ["data", "model", "reward", "training"]
    assert any("It is registered as nice-reward@1 and grades the answers" in text for text in said)
    assert any("validation pairs the chosen answer gets the higher reward in" in text for text in said)
    assert any(text.startswith("It orders 100 % of the 4 pairs that were held out") for text in said)
    assert made.name == "nice@1" and made.entry.details["recipe"]["training"]["grader"] == "reward:nice-reward@1"
    assert made.result.part.objective == objective and made.result.part.metrics["reward"]
    entry = Catalogue().get("nice-reward")
    assert entry.details["training"]["objective"] == "reward" and entry.method == "lora"
    assert isinstance(load_trained(Blobs().get_folder(entry.blob)), ScoringWeights)
    grades = registered_rewards("nice-reward")
    question = (Message("user", "Where is lamp number 99?"),)
    good, bad = grades.rewards([(question, "Yes, lamp 99 is on its way to you."), (question, "No no 99")])
    assert good > bad


def test_stopped_in_either_part_the_same_command_goes_on_and_ends_the_same(tiny_folder, tmp_path, monkeypatch):
    path = pairs(tmp_path)
    _, whole = go(tiny_folder, path)
    rewards = Catalogue().get("nice-reward").blob
    monkeypatch.setenv("POSTGRAD_HOME", str(tmp_path / "other"))
    with pytest.raises(Interrupted):
        go(tiny_folder, path, stop_at=3)  # in the reward model's training
    assert not Catalogue().list()
    with pytest.raises(Interrupted):
        go(tiny_folder, path, stop_at=20)  # in the second part: 21 steps are the reward model's in all
    assert [e.id for e in Catalogue().list()] == ["nice-reward@1"]
    events, parts = go(tiny_folder, path)
    said = [e.text for e in events if isinstance(e, Said)]
    assert "The same training was done before; its result is reused." in said
    assert Catalogue().get("nice-reward").blob == rewards and Catalogue().get("nice-reward").version == 1
    one, other = whole.result.trained.tensors, parts.result.trained.tensors
    assert all(torch.equal(x, y) for n in one for x, y in zip(one[n], other[n], strict=True))
    again, _ = go(tiny_folder, path)
    assert not any(isinstance(e, Step) for e in again), "all is known"


def test_a_reward_model_of_ones_own_grades_answers_to_the_prompts_of_pairs(tiny_folder, tmp_path):
    path = pairs(tmp_path)
    work = train_only(settings(tiny_folder, name="taste"), [path])
    heard(work)
    events, made = go(tiny_folder, path, **{"training.grader": "reward:taste@1", "training.max_steps": 2})
    assert "reward" not in [e.name for e in events if isinstance(e, Stage)]
    assert made.name == "nice@1" and [e.id for e in Catalogue().list()] == ["nice@1", "taste@1"]


def test_what_cannot_be_graded_is_refused_before_anything_is_loaded(tiny_folder, tmp_path):
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"prompt": "Say yes.", "completion": "yes"}\n' * 12)
    with pytest.raises(UsageError, match=r"ppo requires a grader, or pairs(.|\n)*reward:NAME"):
        go(tiny_folder, path)
    with pytest.raises(DataError, match="holds preference"):
        go(tiny_folder, pairs(tmp_path), **{"training.grader": "exact_match"})


def test_a_prompt_of_several_pairs_is_answered_once():
    one = Preference(
        prompt=(Message("user", "Hi"),),
        chosen=(Message("assistant", "a"),),
        rejected=(Message("assistant", "b"),),
        source=Source("p", 1),
    )
    other = Preference(prompt=(Message("user", "Ho"),), chosen=one.chosen, rejected=one.rejected, source=Source("p", 2))
    assert [t.prompt[0].content for t in prompts_of([one, one, other])] == ["Hi", "Ho"]
