"""The peer in `bench/training.py`: one LoRA training with TRL on prepared records; prints a line of JSON."""

import json
import sys
import time
import warnings
from pathlib import Path

import torch
from datasets import Dataset
from figures import peak_memory
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer


class Clock(TrainerCallback):
    """When each optimiser step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, args, state, control, **kwargs):
        self.ends.append(time.perf_counter())


def main() -> None:
    warnings.simplefilter("ignore")
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    packing = job["settings"].get("packing", False)
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    if job["objective"] == "pretrain":
        tokenizer.eos_token = "<|endoftext|>"  # noqa: S105 (what ends a document, as in the model's own pretraining)
    settings = {
        "output_dir": job["out"],
        "per_device_train_batch_size": job["rows_of_1024"] if packing else job["batch_size"],
        "max_steps": job["steps"],
        "learning_rate": job["learning_rate"],
        "lr_scheduler_type": "constant",
        "adam_beta2": 0.99,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 1,
        "seed": 0,
        "max_length": 2048,
        "use_cpu": not torch.cuda.is_available(),
        "train_sampling_strategy": "sequential",
        "disable_tqdm": True,
        "bf16": job["dtype"] == "bfloat16" and torch.cuda.is_available(),
        **job["settings"],
    }
    clock = Clock()
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["dtype"])),
        args=SFTConfig(**settings),
        train_dataset=Dataset.from_list(job["ordered"]),
        callbacks=[clock],
        processing_class=tokenizer,
        peft_config=LoraConfig(
            r=job["rank"], lora_alpha=job["alpha"], target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    trainer.train()
    trainer.model.save_pretrained(job["adapter"])
    print(json.dumps({"ends": clock.ends, "peak_memory_bytes": peak_memory()}))


main()
