"""Predicted against measured peak memory: three lengths, three batch sizes, LoRA and full, each in a process of its
own.

Usage: python bench/memory.py [--quick]   (prints a Markdown table; predictions are `postgrad estimate`'s)
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

BASE = "smollm2-135m-instruct"
WORDS = ["sofa", "order", "late", "broken", "refund", "where", "table", "please", "lamp", "green", "seven", "again"]


def measure(method: str, length: int, batch: int) -> None:
    """One training of two steps on examples of about one length; prints prediction and measurement."""
    from figures import peak_memory

    from postgrad.models.language_model import load_model
    from postgrad.records import pair
    from postgrad.training.batching import microbatches
    from postgrad.training.memory import Need, peak_bytes
    from postgrad.training.objectives import make_objective
    from postgrad.training.trainer import Plan, train
    from postgrad.training_run import RunFolder

    dice = random.Random(length)
    records = [
        pair(" ".join(dice.choices(WORDS, k=length - 60)), " ".join(dice.choices(WORDS, k=20))) for _ in range(batch)
    ]
    model = load_model(BASE)
    plan = Plan(method=method, batch_size=batch, max_steps=2, learning_rate=1e-4)
    examples = make_objective("sft", model.renderer).prepare(records).examples
    widest = max(sum(len(e.ids) for e in m) for m in microbatches(examples, plan.token_budget))
    need = Need(model.base.config, method, plan.rank, max(len(e.ids) for e in examples), widest, model.device.dtype)
    with tempfile.TemporaryDirectory() as folder:
        for _ in train(model, records, records[:2], plan, RunFolder(Path(folder)), {"bench": "1"}, lambda: False):
            pass
    print(json.dumps({"tokens": widest, "predicted": peak_bytes(need), "measured": peak_memory()}))


def main() -> None:
    if len(sys.argv) == 4:
        measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
        return
    quick = "--quick" in sys.argv
    print("| method | length | batch | tokens at once | predicted | measured | off by |\n|---|---|---|---|---|---|---|")
    for method in ("lora", "full"):
        for length in (512,) if quick else (128, 512, 1500):
            for batch in (1, 8) if quick else (1, 4, 16):
                done = subprocess.run(
                    [sys.executable, __file__, method, str(length), str(batch)],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                f = json.loads(done.stdout.splitlines()[-1])
                print(
                    f"| {method} | {length} | {batch} | {f['tokens']} | {f['predicted'] / 1e9:.2f} GB |"
                    f" {f['measured'] / 1e9:.2f} GB | {100 * (f['predicted'] / f['measured'] - 1):+.0f} % |",
                    flush=True,
                )


main()
