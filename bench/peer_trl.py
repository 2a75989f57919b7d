"""The peer in `bench/training.py`: one LoRA training with TRL on prepared records; prints a line of JSON."""

import sys
import warnings

from trl import SFTConfig, SFTTrainer
from trl_common import begun, settings_of, trained


def main() -> None:
    warnings.simplefilter("ignore")
    job, tokenizer = begun(sys.argv[1])
    packing = job["settings"].get("packing", False)
    if job["objective"] == "pretrain":
        tokenizer.eos_token = "<|endoftext|>"  # noqa: S105 (what ends a document, as in the model's own pretraining)
    settings = {
        **settings_of(job, job["steps"], job["learning_rate"]),
        "per_device_train_batch_size": job["rows_of_1024"] if packing else job["batch_size"],
        "max_length": 2048,
        "train_sampling_strategy": "sequential",
        **job["settings"],
    }
    trained(SFTTrainer, SFTConfig(**settings), job, job["ordered"], tokenizer, job["rank"], job["alpha"])


main()
