"""The peer: one LoRA training with TRL on prepared records; prints a line of JSON. Called by `bench/training.py`.

Usage: peer_trl.py JOB.json, where the job holds records (in the order of training), the model's folder, and settings.
"""

import json
import os
import sys
import time
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.simplefilter("ignore")
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
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    data = Dataset.from_list([{"prompt": r[:-1], "completion": r[-1:]} for r in job["records"]])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["dtype"]))
    settings = {
        "output_dir": job["out"], "per_device_train_batch_size": job["batch_size"], "max_steps": job["steps"],
        "learning_rate": job["learning_rate"], "lr_scheduler_type": "constant", "adam_beta2": 0.99, "weight_decay": 0.0,
        "max_grad_norm": 1.0, "report_to": "none", "save_strategy": "no", "logging_steps": 1, "seed": 0, "max_length": 2048,
        "use_cpu": not torch.cuda.is_available(), "train_sampling_strategy": "sequential", "disable_tqdm": True, **job["settings"],
    }  # fmt: skip
    clock = Clock()
    trainer = SFTTrainer(
        model=model, args=SFTConfig(**settings), train_dataset=data, callbacks=[clock],
        processing_class=AutoTokenizer.from_pretrained(job["model"]),
        peft_config=LoraConfig(r=job["rank"], lora_alpha=job["alpha"], target_modules="all-linear", task_type="CAUSAL_LM"),
    )  # fmt: skip
    trainer.train()
    trainer.model.save_pretrained(job["adapter"])
    print(json.dumps({"ends": clock.ends, "peak_memory_bytes": peak_memory()}))


main()
