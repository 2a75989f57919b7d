"""Generation beside transformers' own, in the same run: the same prompts, greedy, alternating repeats.

Prints ratios, because machines are noisy: our time over theirs, and the share of equal answers. Two cases: prompts that share
an instruction and examples of several hundred tokens (what the few-shot arm asks), and prompts that share nothing.
Usage: python bench/generation.py [PROMPTS] [REPEATS]
"""

import random
import statistics
import sys
import time

import torch

from postgrad.models.generate import Decoding, complete
from postgrad.models.language_model import load_model
from postgrad.records import Message

WORDS = [
    "the",
    "sofa",
    "lamp",
    "desk",
    "arrived",
    "late",
    "broken",
    "order",
    "refund",
    "please",
    "where",
    "is",
    "my",
    "new",
    "table",
    "with",
    "one",
    "leg",
    "missing",
    "and",
    "nobody",
    "called",
]
NEW = 32


def prompts(model, count, system):
    dice = random.Random(0)
    out = []
    for _ in range(count):
        text = " ".join(dice.choices(WORDS, k=dice.randint(10, 60)))
        out.append(model.renderer.prompt_ids([*([Message("system", system)] if system else []), Message("user", text)]))
    return out


def ours(model, asked):
    return [c.text for _, c in sorted(complete(model, asked, Decoding(NEW)))]


def theirs(model, asked):
    """`generate` in length-sorted, left-padded batches of 32: its best plain setting."""
    texts = [""] * len(asked)
    order = sorted(range(len(asked)), key=lambda i: -len(asked[i]))
    for start in range(0, len(order), 32):
        part = order[start : start + 32]
        width = max(len(asked[i]) for i in part)
        ids = torch.tensor([[2] * (width - len(asked[i])) + asked[i] for i in part])
        mask = torch.tensor([[0] * (width - len(asked[i])) + [1] * len(asked[i]) for i in part])
        with torch.inference_mode():
            new = model.module.generate(ids, attention_mask=mask, max_new_tokens=NEW, do_sample=False, pad_token_id=2)[
                :, width:
            ]
        for i, row in zip(part, new.tolist(), strict=True):
            texts[i] = model.renderer.answer_text(row)
    return texts


def main(count=64, repeats=3):
    model = load_model("smollm2-135m-instruct", print)
    for name, system in (
        ("shared beginning", "Example: the lamp is broken. Answer: damaged. " * 60),
        ("nothing shared", ""),
    ):
        asked = prompts(model, count, system)
        ratios, equal = [], 0.0
        for _ in range(repeats):
            start = time.perf_counter()
            left = ours(model, asked)
            middle = time.perf_counter()
            model.module.set_attn_implementation("sdpa")
            right = theirs(model, asked)
            end = time.perf_counter()
            model.module.set_attn_implementation("postgrad_grouped")
            ratios.append((end - middle) / (middle - start))
            equal = statistics.fmean(a == b for a, b in zip(left, right, strict=True))
        print(
            f"{name}: {len(asked)} prompts of {statistics.fmean(map(len, asked)):.0f} tokens: "
            f"{statistics.median(ratios):.2f}x transformers' speed (from {min(ratios):.2f} to {max(ratios):.2f}), {100 * equal:.1f} % equal answers"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
