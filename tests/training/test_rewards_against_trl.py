"""Loss and gradient of a step on sampled answers are TRL's: the ratios moved, some of them beyond what is followed."""

import random

import pytest
import torch

from postgrad.training.batching import microbatches
from tests.needs import dev_package
from tests.training.test_grpo import started
from tests.training.test_training import gradients
from tests.training.twins import give, matched

CASES = [
    ("grpo", {}, {}),
    ("grpo", {"loss": "dr_grpo", "beta": 0.2}, {"loss_type": "dr_grpo", "scale_rewards": "none", "beta": 0.2}),
    ("grpo", {"ratio_clip": 0.1, "ratio_clip_high": 0.4}, {"epsilon": 0.1, "epsilon_high": 0.4}),
    ("grpo", {"ratio_level": "sequence"}, {"importance_sampling_level": "sequence"}),
    ("grpo", {"mask_truncated": True}, {"mask_truncated_completions": True}),
    ("rloo", {"beta": 0.2}, {"beta": 0.2}),
]


@pytest.mark.parametrize(("name", "options", "theirs"), CASES)
def test_one_step_has_trls_loss_and_gradient(tiny, tiny_folder, tmp_path, name, options, theirs):
    trl = dev_package("trl")
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer

    objective, forward, prompts, layers = started(tiny, tmp_path, objective=name, repeats=2, **options)
    batch = objective.batch(prompts[:3], 1)
    draw = random.Random(0)
    for number, values in objective.old.items():  # as if the weights had moved since
        objective.old[number] = [v + draw.gauss(0, 0.25) for v in values]
    value = sum(objective.loss(forward, part) for part in microbatches(batch, 150)) / len(batch)
    value.backward()
    ours = gradients(tiny.module)

    kinds = {"grpo": (trl.GRPOTrainer, trl.GRPOConfig), "rloo": (trl.RLOOTrainer, trl.RLOOConfig)}
    trainer_of, config_of = kinds[name]
    settings = {
        "output_dir": str(tmp_path / "trl"),
        "per_device_train_batch_size": 4,
        "num_generations": 4,
        "max_completion_length": 6,
        "bf16": False,
        "use_cpu": True,
        "report_to": "none",
        "gradient_checkpointing": False,
        "temperature": 1.0,
        **({"loss_type": "grpo"} if name == "grpo" else {}),
        **theirs,
    }
    trainer = trainer_of(
        model=AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32),
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=config_of(**settings),
        train_dataset=Dataset.from_list([{"prompt": "x"}] * 4),
        processing_class=AutoTokenizer.from_pretrained(tiny_folder),
        peft_config=LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    give(trainer.model, layers)
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    loss = trainer._compute_loss(trainer.model, inputs_of(objective, batch, name, options))
    loss.backward()
    for module, layer in matched(trainer.model, layers):
        layer.lora_A.grad = module.lora_A["default"].weight.grad
        layer.lora_B.grad = module.lora_B["default"].weight.grad
    wanted = gradients(tiny.module)
    assert value.item() == pytest.approx(loss.item(), abs=2e-5)
    assert ours.norm() > 1e-3 and torch.allclose(ours, wanted, atol=3e-4 * wanted.abs().max().item())


def inputs_of(objective, batch, name, options):
    """The batch as TRL has it: prompts padded on the left, answers on the right."""
    prompts, answers = [a.ids[: -a.supervised] for a in batch], [a.ids[-a.supervised :] for a in batch]
    before, after = max(map(len, prompts)), max(map(len, answers))
    left = [[0] * (before - len(p)) for p in prompts]
    right = [[0] * (after - len(a)) for a in answers]

    def rows(kept):
        return torch.tensor([kept[a.number] + [0.0] * len(r) for a, r in zip(batch, right, strict=True)])

    mask = torch.tensor([[1] * len(a) + r for a, r in zip(answers, right, strict=True)])
    if options.get("mask_truncated"):
        mask *= torch.tensor([[a.finished] for a in batch])
    return {
        "prompt_ids": torch.tensor([z + list(p) for z, p in zip(left, prompts, strict=True)]),
        "prompt_mask": torch.tensor([z + [1] * len(p) for z, p in zip(left, prompts, strict=True)]),
        "completion_ids": torch.tensor([list(a) + r for a, r in zip(answers, right, strict=True)]),
        "completion_mask": mask,
        "advantages": torch.tensor([a.advantage for a in batch]),
        "old_per_token_logps": rows(objective.old),
        **({"old_logps": rows(objective.old).sum(1)} if name == "rloo" else {}),
        **({"ref_per_token_logps": rows(objective.reference)} if objective.reference else {}),
    }
