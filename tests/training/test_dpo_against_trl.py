"""TRL as the oracle for preferences: the same losses, gradients and figures for the same pairs."""

from dataclasses import replace

import pytest
import torch

from postgrad.models.adapters.lora import attach
from postgrad.training.batching import microbatches
from postgrad.training.forward import Forward
from postgrad.training.objectives import make_objective
from postgrad.training.parallel import World
from tests.needs import dev_package
from tests.training.test_against_trl import _as_trl_learns
from tests.training.test_dpo import PAIRS, begin
from tests.training.test_training import stir
from tests.training.twins import give

trl = dev_package("trl")


@pytest.mark.parametrize(("loss", "smoothing"), [("sigmoid", 0.0), ("robust", 0.2), ("ipo", 0.0), ("hinge", 0.0)])
def test_one_step_has_trls_loss_gradient_and_figures(tiny, tiny_folder, tmp_path, loss, smoothing):
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer

    seen = {}

    class Watched(trl.DPOTrainer):
        def log(self, logs, *rest):
            means = {k: sum(v) / len(v) for k, v in self._metrics["train"].items()}
            seen.update({k: float(v) for k, v in (means | logs).items()} if "loss" in logs else {})

    rows = [
        {key: [m.to_dict() for m in getattr(r, key)] for key in ("prompt", "chosen", "rejected")} for r in PAIRS[:8]
    ]
    settings = trl.DPOConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        max_steps=1,
        bf16=False,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
        max_length=512,
        beta=0.5,
        loss_type=[loss],
        label_smoothing=smoothing,
        gradient_checkpointing=False,
        max_grad_norm=1e9,
        learning_rate=1e-9,
        disable_tqdm=True,
    )
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    trainer = Watched(
        model=AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32),
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(tiny_folder),
        peft_config=LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    stir(layers)
    give(trainer.model, layers)
    trainer.train()

    objective = make_objective("dpo", tiny.renderer, loss=loss, beta=0.5, label_smoothing=smoothing)
    pairs = [
        replace(p, chosen=_as_trl_learns(p.chosen), rejected=_as_trl_learns(p.rejected))
        for p in objective.prepare(PAIRS[:8]).examples
    ]
    forward = Forward(tiny)
    forward.choose([s for p in pairs for s in objective.sequences(p)])
    begin(objective, forward, layers, pairs, tmp_path / "run")
    total = 0.0
    for part in microbatches(pairs, 200):
        value = objective.loss(forward, part) / len(pairs)
        value.backward()
        total += value.item()
    norm = torch.cat([p.grad.flatten() for p in tiny.module.parameters() if p.grad is not None]).norm().item()
    figures = objective.tally.taken(World())
    assert seen["loss"] == pytest.approx(total, rel=1e-3)
    assert seen["grad_norm"] == pytest.approx(norm, rel=2e-3)
    for name in ("rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen"):
        assert seen[name] == pytest.approx(figures[name], rel=2e-3, abs=1e-4), name
