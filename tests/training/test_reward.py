"""Reward models: the loss is the formula's, what was trained is what is kept, and it is never taken for a model that
answers."""

import json
import math
from dataclasses import replace

import pytest
import torch

from postgrad.blobs import Blobs
from postgrad.errors import DataError, Interrupted, ModelError, PostgradError, UsageError
from postgrad.models.adapters.lora import Adapter
from postgrad.models.adapters.scalar_head import SCORE, scalar_head
from postgrad.models.adapters.trained_weights import ScoringWeights, WholeWeights, load_trained
from postgrad.models.reward_model import RewardModel
from postgrad.records import Message
from postgrad.training.batching import microbatches
from postgrad.training.forward import Forward
from postgrad.training.objectives import make_objective
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder
from tests.training.test_dpo import PAIRS, ended, preference
from tests.training.test_training import WAYS, gradients

HELD = PAIRS[18:]


def go(tiny, folder, stopped=lambda: False, records=PAIRS[:18], held=HELD, **changes):
    plan = Plan(
        **{
            "objective": "reward",
            "rank": 4,
            "alpha": 8,
            "epochs": 3,
            "learning_rate": 5e-3,
            "token_budget": 160,
            "patience": 9,
            **changes,
        }
    )
    return ended(train(tiny, records, held, plan, RunFolder(folder), {"data": "x"}, stopped))


def last_states(tiny, side):
    """The hidden state of the last token, by the model's own code."""
    return tiny.body(input_ids=torch.tensor([side.ids]), use_cache=False)[0][0, -1]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("margin", "centre"), [(0.0, 0.0), (0.7, 0.01)])
def test_loss_and_gradient_are_the_formulas(tiny, way, margin, centre):
    objective = make_objective("reward", tiny.renderer, margin=margin, centre=centre)
    told = [replace(PAIRS[0], meta={"margin": 0.25}), *PAIRS[1:6]]
    pairs = objective.prepare(told).examples
    forward = Forward(tiny)
    forward.way = way
    for parameter in tiny.module.parameters():
        parameter.requires_grad_(True)
    start = torch.randn(32, generator=torch.Generator().manual_seed(1))
    with scalar_head(tiny.module, start) as head:
        value = sum(objective.loss(forward, part) for part in microbatches(pairs, 200)) / len(pairs)
        value.backward()
        ours, own = gradients(tiny.module), head.weight.grad.clone()
        tiny.module.zero_grad()
        total = 0.0
        for at, pair in enumerate(pairs):
            chosen, rejected = (head(last_states(tiny, side))[0].double() for side in (pair.chosen, pair.rejected))
            apart = chosen - rejected - (0.25 if at == 0 else margin)
            total = total + torch.log1p((-apart).exp()) + centre * (chosen + rejected) ** 2
        (total / len(pairs)).backward()
        theirs = gradients(tiny.module)
        assert value.item() == pytest.approx(total.item() / len(pairs), abs=1e-5)
        assert own.norm() > 1e-3 and torch.allclose(own, head.weight.grad, atol=1e-4 * own.abs().max().item())
        assert ours.norm() > 1e-3 and torch.allclose(ours, theirs, atol=1e-3 * theirs.abs().max().item())
    assert not hasattr(tiny.module, SCORE)


def answers(pairs):
    return [(pair.prompt, side[-1].content) for pair in pairs for side in (pair.chosen, pair.rejected)]


@pytest.mark.parametrize("method", ["lora", "qlora", "dora", "full"])
def test_it_learns_with_every_method_and_what_is_loaded_gives_the_same_rewards(tiny, tmp_path, method):
    found = go(tiny, tmp_path / "run", method=method, learning_rate=1e-3 if method == "full" else 5e-3)
    part = found.part
    assert part.train_loss[0][1] == pytest.approx(math.log(2), abs=1e-3)
    assert part.metrics["eval_rewards/accuracies"][-1][1] == 1.0
    assert "6 validation pairs" in part.in_words and "100.0 % (95 % interval 61.0 to 100.0)" in part.in_words
    assert isinstance(found.trained, ScoringWeights) and found.trained.head.norm() > 0
    (tmp_path / "kept").mkdir()
    found.trained.save(tmp_path / "kept", "tiny")
    loaded = load_trained(tmp_path / "kept")
    rewards = RewardModel(tiny, loaded).rewards(answers(HELD))
    best = part.best_step
    seen = dict(part.metrics["eval_rewards/chosen"])[best], dict(part.metrics["eval_rewards/rejected"])[best]
    assert sum(rewards[0::2]) / 6 == pytest.approx(seen[0], abs=2e-4)
    assert sum(rewards[1::2]) / 6 == pytest.approx(seen[1], abs=2e-4)
    kept = RewardModel(tiny, found.trained).rewards(answers(HELD))
    assert kept == rewards, "what was saved is what was trained, to the bit"
    bare = RewardModel(tiny, replace(loaded, head=torch.zeros(32))).rewards(answers(HELD))
    assert bare == [0.0] * 12, "the head makes the rewards"


def test_peft_reads_what_is_kept_as_a_model_for_classification(tiny, tiny_folder, tmp_path):
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForSequenceClassification

    found = go(tiny, tmp_path / "run")
    (tmp_path / "kept").mkdir()
    found.trained.save(tmp_path / "kept", str(tiny_folder))
    base = AutoModelForSequenceClassification.from_pretrained(tiny_folder, num_labels=1, dtype=torch.float32)
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "kept").eval()
    pairs = make_objective("reward", tiny.renderer).prepare(HELD).examples
    sides = [side for pair in pairs for side in (pair.chosen, pair.rejected)]
    with torch.no_grad():
        said = [theirs(input_ids=torch.tensor([side.ids])).logits.item() for side in sides]
    assert RewardModel(tiny, found.trained).rewards(answers(HELD)) == pytest.approx(said, abs=1e-4)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_killed_anywhere_it_ends_with_the_same_weights_and_head(tiny, tmp_path, method):
    settings = {"method": method, "learning_rate": 1e-3, "centre": 0.01}
    whole = go(tiny, tmp_path / "whole", **settings).trained
    for stops in (1, 4, 12):
        asked = iter([False] * stops + [True] * 1000)
        with pytest.raises(Interrupted):
            go(tiny, tmp_path / "parts", lambda asked=asked: next(asked), **settings)
        assert json.loads((tmp_path / "parts" / "run.json").read_text())["state"] == "paused"
    parts = go(tiny, tmp_path / "parts", **settings).trained
    assert torch.equal(whole.head, parts.head) and whole.head.norm() > 0
    assert _flat(whole.body).equal(_flat(parts.body))


def _flat(body):
    values = (
        body.tensors.values() if isinstance(body, WholeWeights) else [t for ab in body.tensors.values() for t in ab]
    )
    return torch.cat([t.flatten() for t in values])


def test_it_goes_on_from_an_answering_model_and_from_a_reward_model(tiny, tmp_path):
    found = go(tiny, tmp_path / "a")
    (tmp_path / "kept").mkdir()
    found.trained.save(tmp_path / "kept", "tiny")
    scoring = Blobs().put_folder(tmp_path / "kept")
    further = go(tiny, tmp_path / "b", start=scoring).part
    assert further.train_loss[0][1] < 0.2, "it begins where the first one ended"
    (tmp_path / "plain").mkdir()
    assert isinstance(found.trained.body, Adapter)
    found.trained.body.save(tmp_path / "plain", "tiny")
    plain = Blobs().put_folder(tmp_path / "plain")
    assert go(tiny, tmp_path / "c", start=plain).part.train_loss[0][1] == pytest.approx(math.log(2), abs=1e-3)
    with pytest.raises(UsageError, match="were not trained to answer"):
        go(tiny, tmp_path / "d", start=scoring, objective="dpo")


def test_it_is_never_put_in_the_place_of_a_model_that_answers(tiny, tmp_path):
    found = go(tiny, tmp_path / "a", epochs=1)
    with pytest.raises(ModelError, match=r"reward model(.|\n)*grader=reward:NAME"):
        tiny.use(found.trained)
    with pytest.raises(PostgradError, match="blend"):
        go(tiny, tmp_path / "b", epochs=1, blend=True)


def test_faulty_margins_are_named(tiny):
    objective = make_objective("reward", tiny.renderer)
    with pytest.raises(DataError, match=r"p\.jsonl:3: the margin is 'much'"):
        objective.prepare([*PAIRS[:2], preference(2, meta={"margin": "much"})])


def test_a_long_request_is_cut_and_an_answer_never(tiny, tmp_path):
    found = go(tiny, tmp_path / "a", epochs=1)
    long = [((Message("user", "word " * 700),), answer) for answer in ("yes " * 20, "no " * 20)]
    one, other = RewardModel(tiny, found.trained).rewards(long)
    assert math.isfinite(one) and one != other
