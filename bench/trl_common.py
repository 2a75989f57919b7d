"""What the peers in the benchmarks of training share: the settings that are ours too, and how TRL is run."""

import json
import time
from pathlib import Path

import torch
from datasets import Dataset
from figures import peak_memory
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback


class Clock(TrainerCallback):
    """When each optimiser step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, args, state, control, **kwargs):
        self.ends.append(time.perf_counter())


def settings_of(job: dict, steps: int, rate: float) -> dict:
    """Those of every trainer."""
    return {
        "output_dir": job["out"],
        "max_steps": steps,
        "learning_rate": rate,
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
    }


def trained(kind, settings, job: dict, rows: list[dict], tokenizer, rank: int, alpha: int, **more) -> None:
    """Trains, saves the adapter, and prints a line of JSON."""
    clock = Clock()
    trainer = kind(
        model=AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["dtype"])),
        args=settings,
        train_dataset=Dataset.from_list(rows),
        callbacks=[clock],
        processing_class=tokenizer,
        peft_config=LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM"),
        **more,
    )
    trainer.train()
    trainer.model.save_pretrained(job["adapter"])
    print(json.dumps({"ends": clock.ends, "peak_memory_bytes": peak_memory()}))


def begun(path: str) -> tuple[dict, object]:
    """The job of a file, and the tokenizer of its model."""
    job = json.loads(Path(path).read_text("utf-8"))
    return job, AutoTokenizer.from_pretrained(job["model"])
