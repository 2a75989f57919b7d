"""TRL as the oracle for reward models: the same loss, gradient and figures for the same pairs."""

from dataclasses import replace

import pytest
import torch

from postgrad.models.adapters.lora import attach
from postgrad.models.adapters.scalar_head import scalar_head
from postgrad.training.batching import microbatches
from postgrad.training.forward import Forward
from postgrad.training.objectives import make_objective
from postgrad.training.parallel import World
from tests.needs import dev_package
from tests.training.test_dpo import PAIRS
from tests.training.test_training import stir
from tests.training.twins import give

trl = dev_package("trl")


@pytest.mark.parametrize(("margins", "centre"), [(False, 0.0), (False, 0.05), (True, 0.05)])
def test_one_step_has_trls_loss_gradient_and_figures(tiny, tiny_folder, tmp_path, margins, centre):
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    seen = {}

    class Watched(trl.RewardTrainer):
        def log(self, logs, *rest):
            means = {k: float(sum(v) / len(v)) for k, v in self._metrics["train"].items() if v}
            seen.update(means | {k: float(v) for k, v in logs.items()} if "loss" in logs else {})

        def compute_loss(self, model, inputs, **rest):
            if margins:
                inputs["margin"] = torch.tensor([apart[tuple(ids)] for ids in _chosen(inputs)])
            return super().compute_loss(model, inputs, **rest)

    pairs = [replace(p, meta={"margin": 0.1 * i}) if margins else p for i, p in enumerate(PAIRS[:8])]
    objective = make_objective("reward", tiny.renderer, centre=centre)
    examples = objective.prepare(pairs).examples
    apart = {p.chosen.ids: p.margin for p in examples}
    rows = [
        {key: [m.to_dict() for m in getattr(r, key)] for key in ("prompt", "chosen", "rejected")} for r in PAIRS[:8]
    ]
    settings = trl.RewardConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=8,
        max_steps=1,
        bf16=False,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
        max_length=512,
        center_rewards_coefficient=centre or None,
        gradient_checkpointing=False,
        max_grad_norm=1e9,
        learning_rate=1e-9,
        disable_tqdm=True,
    )
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    start = torch.randn(32, generator=torch.Generator().manual_seed(1)) / 10
    trainer = Watched(
        model=AutoModelForSequenceClassification.from_pretrained(tiny_folder, num_labels=1, dtype=torch.float32),
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(tiny_folder),
        peft_config=LoraConfig(
            r=4,
            lora_alpha=8,
            target_modules=sorted({n.rsplit(".", 1)[-1] for n in layers}),
            task_type="SEQ_CLS",
            modules_to_save=["score"],
        ),
    )
    stir(layers)
    give(trainer.model, layers)
    with torch.no_grad():
        trainer.model.base_model.model.score.modules_to_save["default"].weight[0].copy_(start)
    trainer.train()

    forward = Forward(tiny)
    forward.choose([s for p in examples for s in objective.sequences(p)])
    with scalar_head(tiny.module, start):
        total = 0.0
        for part in microbatches(examples, 200):
            value = objective.loss(forward, part) / len(examples)
            value.backward()
            total += value.item()
        norm = torch.cat([p.grad.flatten() for p in tiny.module.parameters() if p.grad is not None]).norm().item()
    figures = objective.tally.taken(World())
    assert seen["loss"] == pytest.approx(total, rel=1e-4)
    assert seen["grad_norm"] == pytest.approx(norm, rel=1e-3)
    assert seen["accuracy"] == figures["rewards/accuracies"] and 0 < seen["accuracy"] < 1
    assert seen["margin"] == pytest.approx(figures["rewards/margins"], abs=1e-4)
    mean = (figures["rewards/chosen"] + figures["rewards/rejected"]) / 2
    assert seen["mean_reward"] == pytest.approx(mean, abs=1e-4)


def _chosen(inputs):
    """The ids of the chosen sides, without padding."""
    half = len(inputs["input_ids"]) // 2
    both = zip(inputs["input_ids"][:half], inputs["attention_mask"][:half], strict=True)
    return [ids[mask.bool()].tolist() for ids, mask in both]
