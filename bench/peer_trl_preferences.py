"""The peer in `bench/preferences.py`: one LoRA training on pairs or prompts with TRL; prints a line of JSON."""

import json
import sys
import time
import warnings
from pathlib import Path

import torch
from datasets import Dataset
from figures import peak_memory
from peft import LoraConfig
from rewards import digits
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer


class Clock(TrainerCallback):
    """When each optimiser step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, args, state, control, **kwargs):
        self.ends.append(time.perf_counter())


def graded(completions, **_):
    return [digits(c[0]["content"]) for c in completions]


def main() -> None:
    warnings.simplefilter("ignore")
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    plan = job["plan"]
    grouped = plan["objective"] == "grpo"
    common = {
        "output_dir": job["out"],
        "max_steps": plan["max_steps"],
        "learning_rate": plan["learning_rate"],
        "lr_scheduler_type": "constant",
        "adam_beta2": 0.99,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 1,
        "seed": 0,
        "use_cpu": not torch.cuda.is_available(),
        "disable_tqdm": True,
        "bf16": job["dtype"] == "bfloat16" and torch.cuda.is_available(),
        "gradient_checkpointing": False,
        "beta": plan["beta"],
    }
    if grouped:
        rows = [{"prompt": r["prompt"]} for r in job["records"]]
        settings = GRPOConfig(
            **common,
            per_device_train_batch_size=plan["batch_size"] * job["group"],
            num_generations=job["group"],
            max_completion_length=job["answer"],
            temperature=1.0,
            shuffle_dataset=False,
        )
        kind, more = GRPOTrainer, {"reward_funcs": graded}
    else:
        rows = [{key: r[key] for key in ("prompt", "chosen", "rejected")} for r in job["records"]]
        settings = DPOConfig(
            **common,
            per_device_train_batch_size=plan["batch_size"],
            precompute_ref_log_probs=True,
            max_length=2048,
        )
        kind, more = DPOTrainer, {}
    clock = Clock()
    trainer = kind(
        model=AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["dtype"])),
        args=settings,
        train_dataset=Dataset.from_list(rows),
        callbacks=[clock],
        processing_class=AutoTokenizer.from_pretrained(job["model"]),
        peft_config=LoraConfig(
            r=plan["rank"], lora_alpha=plan["alpha"], target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        **more,
    )
    trainer.train()
    trainer.model.save_pretrained(job["adapter"])
    print(json.dumps({"ends": clock.ends, "peak_memory_bytes": peak_memory()}))


main()
