"""The peer in `bench/preferences.py`: one LoRA training on pairs or prompts with TRL; prints a line of JSON."""

import sys
import warnings

from rewards import digits
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer
from trl_common import begun, settings_of, trained


def graded(completions, **_):
    return [digits(c[0]["content"]) for c in completions]


def main() -> None:
    warnings.simplefilter("ignore")
    job, tokenizer = begun(sys.argv[1])
    plan = job["plan"]
    common = {
        **settings_of(job, plan["max_steps"], plan["learning_rate"]),
        "gradient_checkpointing": False,
        "beta": plan["beta"],
    }
    if plan["objective"] == "grpo":
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
    trained(kind, settings, job, rows, tokenizer, plan["rank"], plan["alpha"], **more)


main()
