"""TRL as the oracle: the same loss and gradient for the same records, however the batch is cut."""

from dataclasses import replace

import pytest
import torch

from postgrad.models.adapters.lora import attach
from postgrad.training.batching import microbatches
from postgrad.training.forward import Forward
from postgrad.training.objectives import make_objective
from tests.needs import dev_package
from tests.training.test_training import RECORDS
from tests.training.twins import give

trl = dev_package("trl")


def _as_trl_learns(example):
    """TRL also learns the line break that the template writes after the end mark."""
    first = next(t for t, w in enumerate(example.weights) if w)
    return replace(example, weights=(0.0,) * first + (1.0,) * (len(example.ids) - first))


@pytest.mark.parametrize(("rows", "accumulated"), [(8, 1), (1, 8), (2, 4)])
def test_one_step_has_trls_loss_and_gradient(tiny, tiny_folder, tmp_path, rows, accumulated):
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer

    records = RECORDS[:8]
    seen = {}

    class Watched(trl.SFTTrainer):
        def log(self, logs, *rest):
            seen.update({k: float(v) for k, v in logs.items() if k in ("loss", "grad_norm")} if "loss" in logs else {})

    data = Dataset.from_list(
        [{"prompt": [m.to_dict() for m in r.messages[:1]], "completion": [r.messages[1].to_dict()]} for r in records]
    )
    settings = trl.SFTConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=accumulated,
        max_steps=1,
        bf16=False,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
        max_length=512,
        train_sampling_strategy="sequential",
        gradient_checkpointing=False,
        max_grad_norm=1e9,
        learning_rate=1e-9,
        disable_tqdm=True,
    )
    # B is zero in the beginning on both sides, so that the gradient is that of B alone, from the same A
    layers = attach(tiny.module, rank=4, alpha=8, seed=0)
    model = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    trainer = Watched(
        model=model,
        args=settings,
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(tiny_folder),
        peft_config=LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    give(trainer.model, layers)
    trainer.train()

    objective = make_objective("sft", tiny.renderer)
    examples = [_as_trl_learns(e) for e in objective.prepare(records).examples]
    forward = Forward(tiny)
    forward.choose(examples)
    weight, total = sum(objective.weight(e) for e in examples), 0.0
    for part in microbatches(examples, 200):
        loss = objective.loss(forward, part) / weight
        loss.backward()
        total += loss.item()
    norm = torch.cat([p.grad.flatten() for p in tiny.module.parameters() if p.grad is not None]).norm().item()
    assert seen["loss"] == pytest.approx(total, rel=2e-4)
    assert seen["grad_norm"] == pytest.approx(norm, rel=1e-3)
